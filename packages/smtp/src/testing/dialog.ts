// A client beside a session, without a socket: sends octets in any chunking and reads what came back.

import type { Peer, SessionHost, TlsInfo } from '@postcote/wire';
import { SmtpSession } from '../session.ts';
import { type SmtpSettings, defaultSmtpSettings } from '../settings.ts';
import { type FakeWorld, type FakeWorldOptions, fakeWorld } from './fakes.ts';

export interface DialogOptions extends FakeWorldOptions {
  readonly settings?: Partial<SmtpSettings>;
  readonly peer?: Partial<Peer>;
  readonly tls?: TlsInfo;
  readonly tlsAvailable?: boolean;
  readonly world?: FakeWorld;
}

export const TEST_TLS: TlsInfo = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  usedBits: 256,
  algorithmBits: 256,
};

export class Dialog implements SessionHost {
  readonly session: SmtpSession;
  readonly world: FakeWorld;
  /** What each write brought. */
  readonly writes: string[] = [];
  closed = false;
  paused = false;
  tlsRequested = 0;
  idleTimeout = 0;
  /** Set: writes report a full buffer until `drain` is called. */
  blocked = false;
  #drained: (() => void)[] = [];
  #read = 0;

  constructor(options: DialogOptions = {}) {
    this.world = options.world ?? fakeWorld(options);
    this.session = new SmtpSession({
      host: this,
      peer: {
        remoteAddress: '192.0.2.7',
        remotePort: 4711,
        localAddress: '192.0.2.1',
        localPort: 25,
        ...options.peer,
      },
      tls: options.tls,
      settings: { ...defaultSmtpSettings('mail.example.com'), ...options.settings },
      ports: this.world.ports,
      sessionId: 'session-1',
      ...(options.tlsAvailable === undefined ? {} : { tlsAvailable: options.tlsAvailable }),
    });
    this.session.start();
  }

  write(bytes: string | Uint8Array): boolean {
    this.writes.push(typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1'));
    return !this.blocked;
  }

  drained(): Promise<void> {
    return this.blocked ? new Promise((resolve) => this.#drained.push(resolve)) : Promise.resolve();
  }

  drain(): void {
    this.blocked = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  startTls(): void {
    this.tlsRequested++;
  }

  close(): void {
    this.closed = true;
  }

  setIdleTimeout(ms: number): void {
    this.idleTimeout = ms;
  }

  /** Everything written and not read yet, once the session has come to rest. */
  async read(): Promise<string> {
    await rest();
    const all = this.writes.join('');
    const news = all.slice(this.#read);
    this.#read = all.length;
    return news;
  }

  /** Sends octets as they are and reads what comes of it. */
  async send(octets: string | Buffer): Promise<string> {
    // As a socket that lends its memory and uses it again.
    const lent = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : Buffer.from(octets);
    this.session.receive(lent);
    lent.fill('!');
    return this.read();
  }

  /** Sends lines, each with CRLF, in one write. */
  say(...lines: string[]): Promise<string> {
    return this.send(Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'utf8'));
  }

  /** The same octets one by one, resting after each. */
  async sendBytewise(octets: string | Buffer): Promise<string> {
    for (const octet of typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets) {
      const lent = Buffer.of(octet);
      this.session.receive(lent);
      lent.fill('!');
      await rest();
    }
    return this.read();
  }
}

/** Lets everything that waits for nothing outside of this process happen. */
async function rest(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
