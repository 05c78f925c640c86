// A listening SMTP socket. smtp-server's `SMTPServer` does the listening, the implicit TLS and the orderly end; the
// session on each connection is ours, over the wire package's socket driver (docs/decisions/smtp-server.md).
//
// What is leaned on: `connect()` receives every accepted socket, secured where `secure` is set; `_upgrade` takes its
// context from `secureContext.get('*')`; `close()` waits for the sockets, then calls `send` and `close` on what is
// left in `connections`. listener.test.ts fails when an upgrade changes any of that.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Peer } from '@postcote/wire';
import { type DrivenSocket, type TlsProvider, driveSocket, peerOf } from '@postcote/wire/edge';
import { SMTPServer } from 'smtp-server';
import type { SmtpPorts } from '../conversation.ts';
import { tlsReason } from '../session-log.ts';
import { SmtpSession } from '../session.ts';
import type { SmtpSettings } from '../settings.ts';
import { readProxyHeader } from './read-proxy-header.ts';
import { systemClock } from './clock.ts';
import type { Screen, ScreenVerdict } from './screen.ts';

export interface ListenerOptions {
  /** An already bound and listening descriptor; otherwise address and port. */
  readonly fd?: number;
  readonly address?: string;
  readonly port?: number;
  readonly implicitTls: boolean;
  /** Of the moment: new connections take changed settings. */
  readonly settings: () => SmtpSettings;
  readonly tls: () => TlsProvider | undefined;
  readonly ports: Omit<SmtpPorts, 'clock'> & Partial<Pick<SmtpPorts, 'clock'>>;
  /** Looks at clients before their session begins. */
  readonly screen?: Screen;
  /** Connections at a time; POSTFIX: `default_process_limit` holds back as well, in the kernel's queue. */
  readonly maxConnections?: number;
}

const MAX_CONNECTIONS = 1000;
const NOT_PROXIED = { id: '' };

type Enforced = Extract<ScreenVerdict, { kind: 'enforce' }>;

/** What `connect` is told of a connection; `peer` is ours. */
type ProxyCallback = Parameters<SMTPServer['_handleProxy']>[1];
type ProxiedOptions = Parameters<ProxyCallback>[1] & { readonly peer?: Peer };

type Connection = SMTPServer['connections'] extends Set<infer C> ? C : never;

export class SmtpListenerServer {
  readonly #options: ListenerOptions;
  readonly #server: Listener;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = new Listener(options);
  }

  /** Settles when connections are accepted. */
  async listen(): Promise<void> {
    const { fd, address, port } = this.#options;
    const server = this.#server.listen(
      fd === undefined ? { host: address ?? '127.0.0.1', port: port ?? 0 } : { fd },
    );
    // Rejects on 'error'.
    await once(server, 'listening');
  }

  /** The port in use; of interest when it was given as 0. */
  get port(): number {
    const bound = this.#server.server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : 0;
  }

  get connections(): number {
    return this.#server.connections.size;
  }

  /** Accepts no more, says goodbye to idle sessions, lets the others finish for so many milliseconds. */
  stop(drainMs: number): Promise<void> {
    return this.#server.stop(drainMs);
  }
}

class Listener extends SMTPServer {
  readonly #options: ListenerOptions;
  readonly #ports: SmtpPorts;
  readonly #driven = new Set<Driven>();
  readonly #perAddress = new Map<string, number>();
  /** Connections whose proxy has not said yet whom it speaks for. */
  #unannounced = 0;
  #stopping = false;

  constructor(options: ListenerOptions) {
    super({
      secure: options.implicitTls,
      // Its log is not ours; and the key pair it comes with is never used (see `_acceptSocket`).
      logger: false,
      hideSTARTTLS: true,
      SNICallback: (name, done) => {
        const provider = options.tls();
        done(null, provider?.secureContextFor?.(name) ?? provider?.secureContext());
      },
    });
    this.#options = options;
    this.#ports = { clock: systemClock, ...options.ports };
    this.on('error', (error) => this.#logError(error));
  }

  /** `smtpd_upstream_proxy_protocol`: who the client is stands before everything else, TLS included. */
  override _handleProxy(socket: Socket, callback: ProxyCallback): void {
    const { program, upstreamProxy, upstreamProxyTimeout } = this.#options.settings();
    // At once: the library would make an id of its own and wait for a turn of the event loop.
    if (upstreamProxy === 'none') {
      callback(null, NOT_PROXIED);
      return;
    }
    const { remoteAddress } = peerOf(socket);
    if (this.#unannounced >= (this.#options.maxConnections ?? MAX_CONNECTIONS)) {
      this.#turnAway(peerOf(socket), socket, `too many connections, refusing unknown[${remoteAddress}]`);
      callback(new Error('too many connections'));
      return;
    }
    this.#unannounced++;
    void readProxyHeader(socket, upstreamProxyTimeout).then((reading) => {
      this.#unannounced--;
      if (reading.kind === 'ready') {
        const options: ProxiedOptions = { id: makeSessionId(), ...(reading.peer && { peer: reading.peer }) };
        callback(null, options);
        return;
      }
      this.#ports.log('warn', program, `warning: haproxy read: ${reading.reason} from ${remoteAddress}`);
      callback(new Error(reading.reason));
    });
  }

  /** Its own reading of the header is never used. */
  override _expectsProxyHeader(): boolean {
    return false;
  }

  override connect(socket: Socket, proxied?: ProxiedOptions): void {
    const peer = proxied?.peer ?? peerOf(socket);
    const { screen } = this.#options;
    if (screen === undefined || this.#stopping) return this.#begin(socket, peer);
    void screen.check(socket, peer).then((verdict) => {
      if (verdict.kind === 'over') return;
      // It may have left while it was being looked at.
      if (socket.destroyed) return;
      this.#begin(socket, peer, verdict.kind === 'enforce' ? verdict : undefined);
    });
  }

  /** `screened`: what postscreen wants every recipient refused with. */
  #begin(socket: Socket, peer: Peer, screened?: Enforced): void {
    if (this.#stopping || this.#driven.size >= (this.#options.maxConnections ?? MAX_CONNECTIONS)) {
      const { remoteAddress } = peer;
      this.#turnAway(peer, socket, `too many connections, refusing unknown[${remoteAddress}]`);
      return;
    }
    const usual = this.#options.settings();
    const settings = screened === undefined ? usual : underScreen(usual, screened);
    const { remoteAddress } = peer;
    // POSTFIX: smtpd_client_connection_count_limit counts a service's connections of an address.
    const count = (this.#perAddress.get(remoteAddress) ?? 0) + 1;
    const limit = settings.clientConnectionCountLimit;
    const isExempt = settings.isClientLimitException(remoteAddress) || settings.isXclientHost(remoteAddress);
    if (limit > 0 && count > limit && !isExempt) {
      const text = `Connection concurrency limit exceeded: ${count} from unknown[${remoteAddress}]`;
      this.#turnAway(peer, socket, `${text} for service ${settings.rateLimits.service}`);
      return;
    }
    const tls = this.#options.tls();
    const driven = new Driven(remoteAddress);
    this.#add(driven);
    driven.socket = driveSocket(socket, {
      peer,
      createSession: (host, _, tlsInfo) =>
        new SmtpSession({
          host,
          peer,
          tls: tlsInfo,
          settings,
          ports: this.#ports,
          sessionId: makeSessionId(),
          tlsAvailable: tls !== undefined,
        }),
      ...(tls === undefined ? {} : { tls }),
      handshakeTimeout: settings.starttlsTimeout,
      lendsInput: true,
      onFault: (error) =>
        this.#ports.log(
          'error',
          settings.program,
          `error: ${error instanceof Error ? error.stack : String(error)}`,
        ),
      onEnd: () => this.#remove(driven),
    });
    if (driven.ended) this.#remove(driven);
  }

  /** Certificates are exchanged while the server runs: each handshake takes the pair of the moment. */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    if (handshake) {
      const provider = this.#options.tls();
      const context = provider?.secureContext();
      // Looked at when the handshake begins.
      this.options.requestCert = provider?.clientCertificates !== undefined;
      this.options.rejectUnauthorized = false;
      if (context === undefined) {
        socket.on('error', () => {});
        socket.destroy();
        return false;
      }
      this.secureContext.set('*', context);
    }
    return super._acceptSocket(socket, handshake);
  }

  stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    this.#options.screen?.stop();
    this.options.closeTimeout = drainMs;
    for (const driven of this.#driven) driven.socket?.session.shutDown();
    return new Promise((resolve) => super.close(() => resolve()));
  }

  #add(driven: Driven): void {
    this.#driven.add(driven);
    this.#perAddress.set(driven.address, (this.#perAddress.get(driven.address) ?? 0) + 1);
    this.connections.add(driven as unknown as Connection);
  }

  #remove(driven: Driven): void {
    driven.ended = true;
    if (!this.#driven.delete(driven)) return;
    const left = (this.#perAddress.get(driven.address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(driven.address, left);
    else this.#perAddress.delete(driven.address);
    this.connections.delete(driven as unknown as Connection);
  }

  #turnAway({ remoteAddress }: Peer, socket: Socket, warning: string): void {
    const { myhostname, program } = this.#options.settings();
    this.#ports.log('warn', program, `warning: ${warning}`);
    socket.on('error', () => socket.destroy());
    socket.end(`421 4.7.0 ${myhostname} Error: too many connections from ${remoteAddress}\r\n`, () =>
      socket.destroy(),
    );
  }

  #logError(
    error: Error & { readonly remote?: string; readonly meta?: { readonly remoteAddress?: string } },
  ): void {
    const address = error.meta?.remoteAddress?.replace(/^::ffff:/, '');
    const text = tlsReason(error.message);
    const message =
      address === undefined
        ? `warning: listener: ${text}`
        : `SSL_accept error from unknown[${address}]: ${text}`;
    this.#ports.log(address === undefined ? 'warn' : 'info', this.#options.settings().program, message);
  }
}

/** POSTFIX: such a session is postscreen's own, and offers no logins. */
function underScreen(settings: SmtpSettings, { program, refusal }: Enforced): SmtpSettings {
  return { ...settings, program, screened: refusal, saslAuthEnable: false };
}

/** One connection, in the shape that `SMTPServer.close` deals with. */
class Driven {
  readonly address: string;
  socket: DrivenSocket | undefined;
  ended = false;

  constructor(address: string) {
    this.address = address;
  }

  /** The drain time is over; `close` follows at once, so there is no use in words. */
  send(): void {}

  close(): void {
    this.socket?.destroy();
  }
}

/** Session ids come from one draw of random octets for many: a draw each costs more than some replies. */
const ID_OCTETS = 9;
let idOctets = Buffer.alloc(0);

function makeSessionId(): string {
  if (idOctets.length < ID_OCTETS) idOctets = randomBytes(ID_OCTETS * 128);
  const id = idOctets.toString('base64url', 0, ID_OCTETS);
  idOctets = idOctets.subarray(ID_OCTETS);
  return id;
}
