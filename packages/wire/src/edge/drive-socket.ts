// Runs a protocol session over a real socket: TCP, TLS or a unix socket. The one place where sessions and
// sockets meet, so buffering, TLS switching, time limits and closing behave alike for every protocol.
//
// On failure: a broken connection becomes `session.ended(reason)`, exactly once; nothing is thrown to the caller.

import { type Socket, isIPv6 } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import { countInput } from './input-meter.ts';
import { describeCertificate } from './client-certificate.ts';
import { lendInput } from './lent-input.ts';
import type { Peer, ProtocolSession, SessionHost, TlsInfo } from '../session.ts';

/** Gives the TLS context of the moment: certificates may be exchanged while connections live. */
export interface TlsProvider {
  secureContext(): SecureContext;
  /** Context for a server name (SNI), when there is one of its own. */
  secureContextFor?(serverName: string): SecureContext | undefined;
  /** Clients are asked for a certificate, and may do without; fingerprints are made with this digest. */
  readonly clientCertificates?: { readonly digest: string };
}

export interface DriveOptions {
  readonly createSession: (host: SessionHost, peer: Peer, tls: TlsInfo | undefined) => ProtocolSession;
  /** Who is on the other end, where a proxy has told; else who the socket leads to. */
  readonly peer?: Peer;
  /** Needed when the session may call `startTls`. */
  readonly tls?: TlsProvider;
  /** Milliseconds for a TLS handshake; POSTFIX: smtpd_starttls_timeout. */
  readonly handshakeTimeout?: number;
  /** Octets given to the session at a time, for short commands with long answers. Default: as they come. */
  readonly inputSlice?: number;
  /**
   * The session keeps nothing of what `receive` is given beyond the call: the memory is used again. Not for sockets that
   * are detached.
   */
  readonly lendsInput?: boolean;
  /** Tells the log why a TLS handshake failed. */
  readonly onTlsError?: (error: Error) => void;
  /** Tells the log of a session that threw: a fault of ours, which costs this connection and no other. */
  readonly onFault?: (error: unknown) => void;
  /** Called once when the connection is over or was handed on. */
  readonly onEnd?: () => void;
}

export interface DrivenSocket {
  readonly session: ProtocolSession;
  /**
   * Takes the socket away from its session, for splicing. Output already written by the session is still sent
   * first. The caller owns the socket from here on; the session hears nothing more.
   */
  detach(): Socket;
  /** Gives the session nothing more until `resume`; what comes meanwhile waits in the socket. */
  pause(): void;
  resume(): void;
  /** Ends the connection at once. */
  destroy(): void;
}

const DEFAULT_HANDSHAKE_TIMEOUT = 60_000;
/** A peer that never reads our last words is cut off after this long. */
const CLOSE_LINGER = 10_000;
/** Output that a peer has not taken: beyond it nothing more is read, so that answers do not pile up in memory. */
const MAX_UNREAD_OUTPUT = 256 * 1024;

/** Starts the session on an accepted socket (already secured, for implicit TLS) and drives it to its end. */
export function driveSocket(socket: Socket, options: DriveOptions): DrivenSocket {
  return new SocketDriver(socket, options);
}

class SocketDriver implements DrivenSocket, SessionHost {
  readonly session: ProtocolSession;
  readonly #options: DriveOptions;
  #socket: Socket;
  #phase: 'open' | 'switching' | 'closing' | 'over' = 'open';
  #corked = false;
  #paused = false;
  #choked = false;
  /** The socket in use gives memory that is used again. */
  #lent = false;
  #handshake: NodeJS.Timeout | undefined;
  readonly #waiters: (() => void)[] = [];

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#lent) countInput(chunk.length);
    if (this.#phase !== 'open') return;
    const slice = this.#options.inputSlice ?? chunk.length;
    for (let at = 0; at < chunk.length && this.#phase === 'open'; at += slice) {
      if (this.#socket.writableLength > MAX_UNREAD_OUTPUT) {
        this.#choke();
        const rest = chunk.subarray(at);
        this.#socket.unshift(this.#lent ? Buffer.from(rest) : rest);
        return;
      }
      this.#guard(() => this.session.receive(chunk.subarray(at, at + slice)));
    }
    if (this.#phase === 'open' && this.#socket.writableLength > MAX_UNREAD_OUTPUT) this.#choke();
  };
  readonly #onDrain = (): void => {
    this.#releaseWaiters();
    if (!this.#choked) return;
    this.#choked = false;
    if (this.#phase === 'open' && !this.#paused) this.#socket.resume();
  };
  readonly #onEnd = (): void => this.#finish('connection closed by peer');
  readonly #onClose = (): void => this.#finish('connection closed');
  readonly #onError = (error: Error): void => {
    this.#finish(error.message);
    this.#socket.destroy();
  };
  readonly #onTimeout = (): void => {
    if (this.#phase === 'open') this.#guard(() => this.session.timedOut());
  };

  constructor(socket: Socket, options: DriveOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    this.session = options.createSession(
      this,
      options.peer ?? peerOf(socket),
      isTls(socket) ? describeTls(socket, options.tls?.clientCertificates?.digest) : undefined,
    );
    this.#listen();
    this.session.start();
  }

  write(bytes: string | Uint8Array, taken?: () => void): boolean {
    if (this.#phase !== 'open') return true;
    this.#cork();
    if (taken === undefined) return this.#socket.write(bytes);
    return this.#socket.write(bytes, (error) => {
      if (!error) taken();
    });
  }

  drained(): Promise<void> {
    if (this.#phase !== 'open' || !this.#socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#phase === 'open' && !this.#choked) this.#socket.resume();
  }

  startTls(): void {
    const tls = this.#options.tls;
    if (this.#phase !== 'open' || tls === undefined) return;
    this.#phase = 'switching';
    const plain = this.#socket;
    plain.pause();
    this.#choked = false;
    this.#uncork();
    // From here on, not from the first octet of the handshake: a peer that never takes our reply has no other limit.
    this.#handshake = setTimeout(
      () => this.#socket.destroy(new Error('TLS handshake timed out')),
      this.#options.handshakeTimeout ?? DEFAULT_HANDSHAKE_TIMEOUT,
    );
    // The reply to STARTTLS must have left before the handshake starts on the same socket.
    plain.write('', () => this.#upgrade(plain, tls));
  }

  close(): void {
    if (this.#phase === 'over' || this.#phase === 'closing') return;
    this.#phase = 'closing';
    this.#uncork();
    const socket = this.#socket;
    socket.end();
    // Read on and drop, so that our last words are not lost to a reset.
    socket.resume();
    const linger = setTimeout(() => socket.destroy(), CLOSE_LINGER);
    linger.unref();
    socket.once('close', () => clearTimeout(linger));
    this.#releaseWaiters();
  }

  setIdleTimeout(ms: number): void {
    this.#socket.setTimeout(ms);
  }

  detach(): Socket {
    this.#uncork();
    const socket = this.#socket;
    this.#unlisten();
    socket.pause();
    socket.setTimeout(0);
    this.#phase = 'over';
    this.#releaseWaiters();
    this.#options.onEnd?.();
    return socket;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #upgrade(plain: Socket, tls: TlsProvider): void {
    if (this.#phase !== 'switching') return;
    this.#unlisten();
    // RFC 3207 §4.2: what the client sent before the handshake is dropped, not run.
    while (plain.read() !== null);
    // Loaded when first used: a mailbox worker's sockets never are its own to secure.
    const secured = new (process.getBuiltinModule('node:tls').TLSSocket)(plain, {
      isServer: true,
      secureContext: tls.secureContext(),
      ...(tls.clientCertificates === undefined ? {} : { requestCert: true, rejectUnauthorized: false }),
      SNICallback: (name, done) => done(null, tls.secureContextFor?.(name) ?? tls.secureContext()),
    });
    this.#socket = secured;
    const failed = (error?: Error): void => {
      if (error !== undefined) this.#options.onTlsError?.(error);
      this.#finish(error === undefined ? 'connection closed during TLS handshake' : error.message);
      secured.destroy();
    };
    // 'close' tells whether there was an error; that is not one.
    const closed = (): void => failed();
    // An error after the handshake was given up must find an ear too.
    secured.on('error', () => {});
    // The socket beneath may fail on its own (a reset in the handshake) and must never throw unheard.
    plain.on('error', () => secured.destroy());
    secured.on('error', failed);
    secured.once('close', closed);
    secured.once('secure', () => {
      clearTimeout(this.#handshake);
      secured.off('error', failed);
      secured.off('close', closed);
      if (this.#phase !== 'switching') return;
      this.#phase = 'open';
      this.#listen();
      if (this.#paused) secured.pause();
      this.session.secured(describeTls(secured, tls.clientCertificates?.digest));
    });
  }

  #choke(): void {
    this.#choked = true;
    this.#socket.pause();
  }

  /** What a session must not do and might: throw. Its connection ends, the process goes on. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (this.#options.onFault === undefined) throw error;
      this.#options.onFault(error);
      this.#socket.destroy();
      this.#finish('internal error');
    }
  }

  #listen(): void {
    const socket = this.#socket;
    this.#lent = this.#options.lendsInput === true && lendInput(socket, this.#onData);
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('error', this.#onError);
    socket.on('timeout', this.#onTimeout);
  }

  #unlisten(): void {
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('drain', this.#onDrain);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    socket.off('error', this.#onError);
    socket.off('timeout', this.#onTimeout);
  }

  #finish(reason: string): void {
    if (this.#phase === 'over') return;
    const closedByUs = this.#phase === 'closing';
    this.#phase = 'over';
    clearTimeout(this.#handshake);
    this.#uncork();
    this.#releaseWaiters();
    if (!closedByUs && !this.#socket.destroyed) this.#socket.end();
    this.session.ended(closedByUs ? 'closed' : reason);
    this.#options.onEnd?.();
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(() => this.#uncork());
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  #releaseWaiters(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}

/** Where a socket leads, in the spelling logs and access lists use. */
export function peerOf(socket: Socket): Peer {
  return {
    remoteAddress: plainAddress(socket.remoteAddress ?? 'unknown'),
    remotePort: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress ?? 'unknown'),
    localPort: socket.localPort ?? 0,
  };
}

function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  // A link-local address carries its interface: `fe80::1%eth0`. The look for the sign comes first: the runtime's test for
  // addresses takes milliseconds the first time, and a mailbox worker's peers have none.
  return address.includes('%') && isIPv6(address) ? address.replace(/%.*$/, '') : address;
}

/** The facts of a finished handshake. Node does not tell key sizes; they follow from the cipher's name. */
const isTls = (socket: Socket): socket is TLSSocket => 'encrypted' in socket;

/** `digest`: the client was asked for a certificate. */
export function describeTls(socket: TLSSocket, digest?: string): TlsInfo {
  const cipher = socket.getCipher();
  const bits = /AES_?256|CHACHA20/i.test(cipher.name) ? 256 : /3DES|DES-CBC3/i.test(cipher.name) ? 168 : 128;
  const client = digest === undefined ? undefined : describeCertificate(socket, digest);
  const info = {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: cipher.name,
    usedBits: bits,
    algorithmBits: bits,
    ...(socket.isSessionReused() ? { resumed: true as const } : {}),
    ...(client === undefined ? {} : { client }),
  };
  const serverName = (socket as TLSSocket & { servername?: string | false }).servername;
  return typeof serverName === 'string' && serverName !== '' ? { ...info, serverName } : info;
}
