// What a protocol session and the socket under it say to one another.
//
// A session (SMTP, IMAP, POP3) is written against `SessionHost` and never sees a socket: tests drive it with
// bytes and read what it wrote. The edge (`edge/drive-socket.ts`) implements `SessionHost` over TCP, TLS or a
// unix socket.

/** The certificate that a client showed. */
export interface ClientCertificate {
  /** Of subject and issuer; the issuer's organization where it has no name. Empty where there is none. */
  readonly commonName: string;
  readonly issuer: string;
  /** Upper case, with colons between the octets, by the digest that the listener is set to. */
  readonly fingerprint: string;
  /** Of the public key alone. */
  readonly keyFingerprint: string;
  /** Its chain ends in an authority we know. */
  readonly trusted: boolean;
}

/** What is known of a TLS connection; the wording feeds `Received:` headers and login log lines. */
export interface TlsInfo {
  /** Protocol as OpenSSL spells it: `TLSv1.3`. */
  readonly protocol: string;
  /** OpenSSL's or the IANA cipher name: `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string;
  /** Secret key bits in use and in the algorithm, for `(256/256 bits)`. */
  readonly usedBits: number;
  readonly algorithmBits: number;
  readonly serverName?: string;
  /** The session of an earlier handshake was taken up again. */
  readonly resumed?: true;
  /** `X25519`, where it is known: Node does not tell a server. */
  readonly keyExchange?: string;
  readonly client?: ClientCertificate;
}

/** Who is on the other end; addresses as text without brackets or IPv4-mapped prefixes. */
export interface Peer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** One side of a connection as the edge drives it. No method throws; a session's faults are its own to handle. */
export interface ProtocolSession {
  /** Called once, when bytes may be written. */
  start(): void;
  /** Bytes from the peer, in any chunking. */
  receive(chunk: Buffer): void;
  /** TLS was negotiated after `SessionHost.startTls`. Nothing received before it survives. */
  secured(tls: TlsInfo): void;
  /** The peer closed or the connection broke (`reason` for the log). No further call follows. */
  ended(reason: string): void;
  /** Nothing came for `SessionHost.setIdleTimeout` milliseconds. */
  timedOut(): void;
  /** The server is stopping: say goodbye at the next safe moment and close. */
  shutDown(): void;
}

/** What a session may ask of its connection. */
export interface SessionHost {
  /**
   * Queues bytes; writes of one turn of the event loop leave in one system call. False: wait for `drained()`. The
   * bytes must not change until `taken` is called, which it is once at most, and never where the host does not know.
   */
  write(bytes: string | Uint8Array, taken?: () => void): boolean;
  /** Settles when the peer has taken what was written, or when the connection ended. */
  drained(): Promise<void>;
  /** Stops and resumes reading; `receive` is not called in between. */
  pause(): void;
  resume(): void;
  /** Flushes what was written, drops unread input, negotiates TLS, then calls `secured` (or `ended`). */
  startTls(): void;
  /** Flushes and closes. */
  close(): void;
  /** Milliseconds without input until `timedOut`; 0 turns it off. */
  setIdleTimeout(ms: number): void;
}
