// IDLE (RFC 2177): waits for hints that something changed and has it told, one telling at a time; says that it is
// still there now and then, which keeps connections through address translators alive.

import type { Clock } from '../ports.ts';
import type { SessionCore } from './core.ts';

export interface IdlingOptions {
  readonly tag: string;
  readonly core: SessionCore;
  readonly clock: Clock;
  /** Milliseconds between keepalives; 0: none. DOVECOT: imap_idle_notify_interval. */
  readonly interval: number;
  /** Tells what changed; does not throw. */
  readonly tell: () => Promise<void>;
  readonly tick: () => void;
}

export class Idling {
  readonly tag: string;
  readonly #options: IdlingOptions;
  readonly #unwatch: () => void;
  #cancelTick: () => void = () => {};
  #stopped = false;
  /** A hint came while telling. */
  #again = false;
  #telling: Promise<void> | undefined;

  constructor(options: IdlingOptions) {
    this.tag = options.tag;
    this.#options = options;
    this.#unwatch = options.core.selected?.mailbox.watch(() => this.#hint()) ?? (() => {});
    this.#scheduleTick();
  }

  /** Settles when nothing is being told any more. */
  async stop(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#unwatch();
      this.#cancelTick();
    }
    await this.#telling;
  }

  /** Tells what changed before the watch began. */
  async tellNow(): Promise<void> {
    this.#hint();
    await this.#telling;
  }

  #hint(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#telling ??= this.#tellAll();
  }

  async #tellAll(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await this.#options.tell();
    }
    this.#telling = undefined;
  }

  #scheduleTick(): void {
    const { clock, interval, tick } = this.#options;
    if (interval <= 0) return;
    this.#cancelTick = clock.after(interval, () => {
      if (this.#stopped) return;
      tick();
      this.#scheduleTick();
    });
  }
}
