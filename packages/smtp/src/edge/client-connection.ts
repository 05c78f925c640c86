// Opens connections for the sending side and runs a `ClientSession` over each: TCP or unix socket, STARTTLS or TLS from
// the first octet, time limits. On failure: `SendError`, never anything else.

import type { X509Certificate } from 'node:crypto';
import { connect as connectSocket, type Socket } from 'node:net';
import {
  connect as connectTls,
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { describeTls } from '@postcote/wire/edge';
import { ClientSession, type ClientHost, type ClientTls, type SessionOptions } from '../client/session.ts';
import { SendError, temporary } from '../client/outcome.ts';
import { bearsName, checkTlsa, hasFingerprint, MAX_CHAIN } from '../client/peer-certificate.ts';
import { mustMatch, type TlsPolicy } from '../client/tls-policy.ts';
import type { TlsRange } from '../client/tls-versions.ts';

export type Target =
  | {
      readonly kind: 'inet';
      readonly address: string;
      readonly port: number;
      readonly bindAddress: string;
    }
  | { readonly kind: 'unix'; readonly path: string };

export interface OpenOptions {
  readonly target: Target;
  /** `mx.example.com[192.0.2.1]:25`, for the text of a failed connection. */
  readonly shown: string;
  readonly connectTimeout: number;
  readonly secureContext: SecureContext;
  /** TLS from the first octet. */
  readonly wrappermode: boolean;
  readonly session: Omit<SessionOptions, 'implicitTls'>;
}

export interface OpenedSession {
  readonly session: ClientSession;
  /** Ends the connection at once. */
  destroy(): void;
  readonly connectMs: number;
}

/** Connects and begins the session. */
export async function openClientSession(options: OpenOptions): Promise<OpenedSession> {
  const started = performance.now();
  const socket = await openSocket(options);
  const host = new SocketHost(socket, options.secureContext);
  const implicitTls = options.wrappermode ? await secureAtOnce(host, options) : undefined;
  const session = new ClientSession(host, {
    ...options.session,
    ...(implicitTls === undefined ? {} : { implicitTls }),
  });
  host.attach(session);
  try {
    await session.begin();
  } catch (error) {
    if (error instanceof SendError && !error.broken) await session.quit();
    else host.destroy();
    throw error instanceof SendError
      ? error
      : new SendError(temporary('4.3.0', `internal error: ${String(error)}`), { broken: true });
  }
  return { session, destroy: () => host.destroy(), connectMs: performance.now() - started };
}

async function secureAtOnce(host: SocketHost, options: OpenOptions): Promise<ClientTls> {
  const { policy, settings, hostName } = options.session;
  host.setTimeout(settings.timeouts.starttls);
  const secured = await host.startTls(policy);
  if (typeof secured !== 'string') {
    if (mustMatch(policy) && !secured.verified) {
      host.destroy();
      const what = secured.trusted || policy.level === 'fingerprint' ? 'verified' : 'trusted';
      throw new SendError(temporary('4.7.5', `Server certificate not ${what}`), { broken: true });
    }
    return secured;
  }
  options.session.note(`SSL_connect error to ${hostName}: ${secured}`);
  host.destroy();
  throw new SendError(temporary('4.7.5', 'Cannot start TLS: handshake failure'), { broken: true });
}

function openSocket({ target, shown, connectTimeout }: OpenOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      target.kind === 'unix'
        ? connectSocket({ path: target.path })
        : connectSocket({
            host: target.address,
            port: target.port,
            ...(target.bindAddress === '' ? {} : { localAddress: target.bindAddress }),
          });
    let timer: NodeJS.Timeout | undefined;
    const refuse = (reason: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new SendError(temporary('4.4.1', `connect to ${shown}: ${reason}`), { broken: true }));
    };
    if (connectTimeout > 0) timer = setTimeout(() => refuse('Connection timed out'), connectTimeout);
    const failed = (error: NodeJS.ErrnoException): void => refuse(describeError(error));
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'Connection refused'],
  ['ETIMEDOUT', 'Connection timed out'],
  ['EHOSTUNREACH', 'No route to host'],
  ['ENETUNREACH', 'Network is unreachable'],
  ['ENOENT', 'No such file or directory'],
  ['EACCES', 'Permission denied'],
  ['ECONNRESET', 'Connection reset by peer'],
]);

function describeError(error: NodeJS.ErrnoException): string {
  return REASONS.get(error.code ?? '') ?? error.message;
}

class SocketHost implements ClientHost {
  #socket: Socket;
  readonly #context: SecureContext;
  #session: ClientSession | undefined;
  #over = false;
  #timeout = 0;

  readonly #onData = (chunk: Buffer): void => this.#session?.receive(chunk);
  readonly #onEnd = (): void => this.#finish();
  readonly #onTimeout = (): void => {
    if (!this.#over) this.#session?.timedOut();
  };

  constructor(socket: Socket, context: SecureContext) {
    this.#socket = socket;
    this.#context = context;
    // Errors end in 'close'; nobody else may hear of them.
    socket.on('error', () => {});
  }

  attach(session: ClientSession): void {
    this.#session = session;
    this.#listen();
  }

  write(bytes: string | Uint8Array): boolean {
    if (this.#over || this.#socket.destroyed) return true;
    return this.#socket.write(bytes);
  }

  drained(): Promise<void> {
    const socket = this.#socket;
    if (this.#over || socket.destroyed || !socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }

  startTls(policy: TlsPolicy): Promise<ClientTls | string> {
    const plain = this.#socket;
    this.#unlisten();
    const options: ConnectionOptions = {
      socket: plain,
      secureContext: this.#context,
      rejectUnauthorized: false,
      // The names are compared below, with the policy's.
      checkServerIdentity: () => undefined,
      ...(isServerName(policy.serverName) ? { servername: policy.serverName } : {}),
    };
    return new Promise((resolve) => {
      const secured = connectTls(options);
      const timer = setTimeout(() => failed('handshake timed out'), this.#timeout || HANDSHAKE_LIMIT);
      let settled = false;
      const failed = (reason: string): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        this.#over = true;
        secured.destroy();
        plain.destroy();
        resolve(reason);
      };
      secured.on('error', (error) => failed(error.message));
      secured.once('close', () => failed('lost connection'));
      secured.once('secureConnect', () => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        this.#socket = secured;
        if (this.#session !== undefined) this.#listen();
        // What a stranger shows as his certificate must not end more than his own connection.
        try {
          resolve(describeClientTls(secured, policy));
        } catch (error) {
          this.destroy();
          resolve(`certificate cannot be read: ${error instanceof Error ? error.message : String(error)}`);
        }
      });
    });
  }

  close(): void {
    if (this.#over) return;
    const socket = this.#socket;
    socket.end();
    socket.resume();
    const linger = setTimeout(() => socket.destroy(), CLOSE_LINGER);
    linger.unref();
    socket.once('close', () => clearTimeout(linger));
    this.#finish();
  }

  destroy(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  setTimeout(ms: number): void {
    this.#timeout = ms;
    this.#socket.setTimeout(ms);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.end();
    this.#session?.ended();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.on('timeout', this.#onTimeout);
  }

  #unlisten(): void {
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onEnd);
    socket.off('timeout', this.#onTimeout);
    socket.setTimeout(0);
  }
}

const HANDSHAKE_LIMIT = 300_000;
/** A peer that never closes is cut off after this long. */
const CLOSE_LINGER = 5_000;

/** RFC 6066 §3: addresses are no server names. */
const isServerName = (name: string): boolean => /[a-z]/i.test(name) && !name.includes(':');

function describeClientTls(socket: TLSSocket, policy: TlsPolicy): ClientTls {
  const { check } = policy;
  const chain = chainOf(socket);
  const [own] = chain;
  const info = describeTls(socket);
  if (own === undefined) return { ...info, trusted: false, verified: false };
  if (check === undefined) {
    const trusted = socket.authorized;
    return { ...info, trusted, verified: trusted && policy.match.some((name) => bearsName(own, name)) };
  }
  if (check.kind === 'fingerprint') {
    const verified = hasFingerprint(own, check.wanted, check.digest);
    return { ...info, trusted: false, verified };
  }
  const verdict = checkTlsa(check.records, { chain, names: check.names, now: Date.now() });
  return { ...info, trusted: verdict !== 'untrusted', verified: verdict === 'matched' };
}

/** What the server sent, its own certificate first. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && chain.length < MAX_CHAIN) {
    chain.push(next);
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}

/** `ca`: certificates in PEM; none at all trusts nobody. */
export function makeClientContext(options: {
  readonly ca: readonly string[];
  readonly certificate?: string;
  readonly key?: string;
  readonly range?: TlsRange;
}): SecureContext {
  return createSecureContext({
    ca: [...options.ca],
    minVersion: 'TLSv1.2',
    ...options.range,
    ...(options.certificate === undefined ? {} : { cert: options.certificate }),
    ...(options.key === undefined ? {} : { key: options.key }),
  });
}
