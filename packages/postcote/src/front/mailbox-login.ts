// IMAP and POP3 before login: listeners whose sessions ask the auth socket, and hand the connection to the user's
// worker when it is granted.

import { randomBytes } from 'node:crypto';
import { type Server, type Socket, createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { startSasl } from '@postcote/auth';
import { askLoginAndHandOff } from '@postcote/auth/edge';
import { ImapLoginSession, type ImapLoginSettings } from '@postcote/imap';
import { PopLoginSession, type PopLoginSettings } from '@postcote/pop3';
import type {
  Log,
  LoginRequest,
  LoginVerdict,
  Peer,
  ProtocolSession,
  SessionHost,
  TlsInfo,
} from '@postcote/wire';
import { type DrivenSocket, describeTls, driveSocket, systemClock } from '@postcote/wire/edge';
import type { PassedListener } from '../ipc.ts';
import { spliceSockets } from './splice.ts';
import type { ExchangeableTls } from './tls.ts';

export interface MailboxLoginSettings {
  /** Upper case, in the order to offer them. */
  readonly mechanisms: readonly string[];
  readonly imap: Omit<ImapLoginSettings, 'tlsAvailable'>;
  readonly pop3: Omit<PopLoginSettings, 'tlsAvailable'>;
}

export interface MailboxLoginOptions {
  readonly authSocket: string;
  readonly log: Log;
  /** Of the moment: new connections take changed settings. */
  readonly settings: () => MailboxLoginSettings;
  readonly tls: () => ExchangeableTls | undefined;
  readonly maxBeforeLogin?: number;
}

const HANDSHAKE_LIMIT = 30_000;
/** Fourteen octets of CAPABILITY bring three hundred of answer, and before login there is no other hurry. */
const INPUT_SLICE = 2048;
/**
 * Connections of all listeners together before login. One more ends the one that has waited longest, so that whoever
 * opens a thousand and says nothing keeps nobody out. DOVECOT: login processes at their client_limit do the same.
 */
const MAX_BEFORE_LOGIN = 1000;

interface Attachment {
  attach(rest: Buffer): void;
}

export class MailboxLoginListeners {
  readonly #options: MailboxLoginOptions;
  readonly #servers: Server[] = [];
  readonly #driven = new Set<DrivenSocket>();
  /** As accepted, before login or in implicit TLS's handshake; the oldest first. */
  readonly #waiting = new Set<Socket>();
  readonly #spliced = new Set<Socket>();
  #stopping = false;

  constructor(options: MailboxLoginOptions) {
    this.#options = options;
  }

  listen(listener: PassedListener): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket, listener));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd: listener.fd }, () => resolve());
    });
  }

  /** Stops accepting; sessions before login are told, those at their workers end with the workers. */
  stop(): void {
    this.#stopping = true;
    for (const server of this.#servers) server.close();
    for (const driven of this.#driven) driven.session.shutDown();
  }

  /** Settles when no connection carries anything any more, or when so many milliseconds are over. */
  emptied(limit: number): Promise<void> {
    const end = performance.now() + limit;
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.connections === 0 || performance.now() > end) resolve();
        else setTimeout(look, 20);
      };
      look();
    });
  }

  /** Client connections that still carry something. */
  get connections(): number {
    return this.#driven.size + this.#spliced.size;
  }

  #accept(socket: Socket, listener: PassedListener): void {
    if (this.#stopping) {
      socket.destroy();
      return;
    }
    const [oldest] = this.#waiting;
    if (this.#waiting.size >= (this.#options.maxBeforeLogin ?? MAX_BEFORE_LOGIN) && oldest !== undefined) {
      this.#waiting.delete(oldest);
      oldest.destroy();
    }
    socket.on('error', () => socket.destroy());
    this.#waiting.add(socket);
    socket.once('close', () => this.#waiting.delete(socket));
    if (listener.implicitTls) this.#secure(socket, listener);
    else this.#drive(socket, listener);
  }

  #secure(socket: Socket, listener: PassedListener): void {
    const tls = this.#options.tls();
    if (tls === undefined) {
      socket.destroy();
      return;
    }
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext: tls.secureContext(),
      SNICallback: (name, done) => done(null, tls.secureContextFor(name) ?? tls.secureContext()),
    });
    const limit = setTimeout(() => secured.destroy(), HANDSHAKE_LIMIT);
    const address = socket.remoteAddress ?? 'unknown';
    const failed = (error: Error): void => this.#logTlsError(listener, address, error);
    // Whatever comes later must find an ear too.
    secured.on('error', () => secured.destroy());
    secured.on('error', failed);
    secured.once('close', () => clearTimeout(limit));
    secured.once('secure', () => {
      clearTimeout(limit);
      // A connection that breaks later did not fail its handshake, and fail2ban counts those.
      secured.off('error', failed);
      this.#drive(secured, listener, socket);
    });
  }

  /** `accepted` is the connection beneath, the same as `socket` without implicit TLS. */
  #drive(socket: Socket, listener: PassedListener, accepted: Socket = socket): void {
    const tls = this.#options.tls();
    const driven: DrivenSocket = driveSocket(socket, {
      createSession: (host, peer) =>
        this.#createSession(host, peer, {
          protocol: listener.protocol,
          tls: socket instanceof TLSSocket ? describeTls(socket) : undefined,
          handOver: (worker, rest) => {
            this.#waiting.delete(accepted);
            this.#splice(driven, worker, rest);
          },
        }),
      ...(tls === undefined ? {} : { tls }),
      handshakeTimeout: HANDSHAKE_LIMIT,
      inputSlice: INPUT_SLICE,
      onTlsError: (error) => this.#logTlsError(listener, socket.remoteAddress ?? 'unknown', error),
      onFault: (error) =>
        this.#options.log(
          'error',
          'dovecot',
          `${listener.protocol}-login: Error: ${error instanceof Error ? error.stack : String(error)}`,
        ),
      onEnd: () => this.#driven.delete(driven),
    });
    this.#driven.add(driven);
  }

  #createSession(
    host: SessionHost,
    peer: Peer,
    connection: {
      readonly protocol: PassedListener['protocol'];
      readonly tls: TlsInfo | undefined;
      readonly handOver: (worker: Socket, rest: Buffer) => void;
    },
  ): ProtocolSession {
    const { log } = this.#options;
    const { tls, handOver } = connection;
    const settings = this.#options.settings();
    const tlsAvailable = this.#options.tls() !== undefined;
    const sasl = { mechanisms: settings.mechanisms, startSasl };
    const common = { host, peer, tls, sasl, clock: systemClock, log, sessionId: makeSessionId() };
    const login = async (request: LoginRequest, handOff: unknown): Promise<LoginVerdict<Attachment>> => {
      const verdict = await askLoginAndHandOff(this.#options.authSocket, request, { handOff });
      if (verdict.kind !== 'granted') return verdict;
      return { ...verdict, attach: (rest) => handOver(verdict.connection, rest) };
    };
    return connection.protocol === 'pop3'
      ? new PopLoginSession({ ...common, settings: { ...settings.pop3, tlsAvailable }, login })
      : new ImapLoginSession({ ...common, settings: { ...settings.imap, tlsAvailable }, login });
  }

  #splice(driven: DrivenSocket, worker: Socket, rest: Buffer): void {
    const client = driven.detach();
    this.#spliced.add(client);
    client.once('close', () => this.#spliced.delete(client));
    spliceSockets(client, worker, rest);
  }

  #logTlsError(listener: PassedListener, address: string, error: Error): void {
    // DOVECOT: the words that fail2ban's filter knows.
    this.#options.log(
      'info',
      'dovecot',
      `${listener.protocol}-login: Disconnected: TLS handshaking: ${error.message}: rip=${address.replace(/^::ffff:/, '')}`,
    );
  }
}

/** DOVECOT: sixteen characters of base64. */
function makeSessionId(): string {
  return randomBytes(12).toString('base64');
}
