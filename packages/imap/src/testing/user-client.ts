// A client of one `ImapUserSession`, for tests: sends text, waits for the tagged answer, gives the lines.

import { type MailStore, type MemoryStore, openMemoryStore } from '@postcote/mailbox';
import type { Log } from '@postcote/wire';
import { systemClock } from '@postcote/wire/edge';
import type { Clock, ImapHandOff } from '../ports.ts';
import { DEFAULT_USER_SETTINGS, type ImapUserSettings } from '../session/core.ts';
import { type ImapUserOptions, ImapUserSession } from '../session/user-session.ts';
import type { ImapSessionState } from '../session/state.ts';
import { FakeHost } from './fake-host.ts';

export const HAND_OFF: ImapHandOff = {
  tag: 'L',
  remoteAddress: '192.0.2.1',
  remotePort: 4711,
  localAddress: '192.0.2.2',
  localPort: 143,
  secured: true,
  sessionId: 's1',
  enabled: [],
  clientId: {},
};

export interface UserClientOptions {
  readonly store?: MailStore;
  readonly clock?: Clock;
  readonly settings?: Partial<ImapUserSettings>;
  readonly log?: Log;
  /** Octets per chunk; absent: all at once. */
  readonly chunk?: number;
}

export class UserClient {
  readonly host = new FakeHost();
  readonly store: MailStore;
  readonly logLines: string[] = [];
  readonly #options: ImapUserOptions;
  readonly #chunk: number;
  session: ImapUserSession;
  #tag = 0;

  constructor(options: UserClientOptions = {}) {
    this.store = options.store ?? openMemoryStore();
    this.#chunk = options.chunk ?? Infinity;
    this.#options = {
      host: this.host,
      store: this.store,
      handOff: HAND_OFF,
      settings: { ...DEFAULT_USER_SETTINGS, zone: () => 0, ...options.settings },
      clock: options.clock ?? systemClock,
      log: options.log ?? ((level, program, message) => this.logLines.push(`${level} ${program} ${message}`)),
      user: 'alice',
      pid: 42,
    };
    this.session = new ImapUserSession(this.#options);
    this.session.start();
    this.host.take();
  }

  send(bytes: string | Buffer): void {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    for (let at = 0; at < all.length; at += this.#chunk) {
      this.session.receive(Buffer.from(all.subarray(at, Math.min(all.length, at + this.#chunk))));
    }
  }

  /** Runs one command with a tag of its own (shown as `T`), up to its tagged answer; the answer without CRLFs. */
  async run(command: string | Buffer): Promise<string[]> {
    this.#tag += 1;
    const tag = `T${this.#tag}`;
    this.send(
      Buffer.concat([
        Buffer.from(`${tag} `),
        typeof command === 'string' ? Buffer.from(command, 'latin1') : command,
        Buffer.from('\r\n'),
      ]),
    );
    const text = await this.until(
      (received) => new RegExp(`^${tag} (OK|NO|BAD) `, 'm').test(received) || this.host.closed,
    );
    return text
      .replaceAll(new RegExp(`^${tag} `, 'gm'), 'T ')
      .replaceAll(`(TAG "${tag}")`, '(TAG "T_")')
      .split('\r\n')
      .filter((line) => line !== '');
  }

  /** Waits until what was received satisfies `enough`, and takes it. */
  async until(enough: (text: string) => boolean): Promise<string> {
    let text = '';
    for (let turn = 0; turn < 20_000; turn++) {
      text += this.#take();
      if (enough(text)) return text;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`no answer; received so far: ${JSON.stringify(text)}`);
  }

  /** Lets everything under way come to rest. */
  async settle(): Promise<string> {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    return this.#take();
  }

  /** What came, without the times of commands. */
  #take(): string {
    return this.host.take().replaceAll(/ \(\d+\.\d{3} \+ 0\.000 secs\)/g, '');
  }

  /** Puts the session away as JSON and takes it up again. */
  async sleepAndWake(): Promise<void> {
    // The session comes to rest a few turns after its answer.
    let state = await this.session.suspend();
    for (let turn = 0; state === undefined && turn < 50; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      state = await this.session.suspend();
    }
    if (state === undefined) throw new Error('session cannot be put away now');
    this.wake(state);
    // Restoring opens the mailbox, which takes a turn or two.
    for (let turn = 0; turn < 100 && !this.session.canSuspend; turn++)
      await new Promise((resolve) => setImmediate(resolve));
  }

  wake(state: ImapSessionState): void {
    const copy = JSON.parse(JSON.stringify(state)) as ImapSessionState;
    this.session = ImapUserSession.resume(this.#options, copy);
    this.session.start();
  }
}

export function memoryStore(): MemoryStore {
  return openMemoryStore({ firstUidValidity: 1000, specialUse: new Map([['Sent', '\\Sent']]) });
}
