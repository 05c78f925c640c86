// Sessions that stay open for the next message (smtp_connection_cache_on_demand and kin), by a key that says for whom
// they are. One that idles too long is ended.

import type { OpenedSession } from './client-connection.ts';
import type { Place } from './places.ts';

export interface OpenSession {
  readonly opened: OpenedSession;
  readonly place: Place;
  /** When it was opened, on the clock of `performance.now`. */
  readonly since: number;
}

interface Kept extends OpenSession {
  readonly timer: NodeJS.Timeout;
}

/** Sessions kept for all destinations together. */
const MAX_KEPT = 100;

export class KeptSessions {
  readonly #kept = new Map<string, Kept[]>();
  #count = 0;
  #stopped = false;

  /** Whether another may be kept. */
  get hasRoom(): boolean {
    return !this.#stopped && this.#count < MAX_KEPT;
  }

  keep(key: string, session: OpenSession, timeLimit: number): void {
    const list = this.#kept.get(key) ?? [];
    this.#kept.set(key, list);
    const timer = setTimeout(() => {
      this.#drop(key, kept);
      void session.opened.session.quit();
    }, timeLimit);
    timer.unref();
    const kept: Kept = { ...session, timer };
    list.push(kept);
    this.#count++;
  }

  /** Ends all, and keeps none from here on. */
  stop(): void {
    this.#stopped = true;
    for (const list of this.#kept.values())
      for (const kept of list) {
        clearTimeout(kept.timer);
        void kept.opened.session.quit();
      }
    this.#kept.clear();
  }

  /** One that is usable, and nobody else's from here on. */
  take(key: string): OpenSession | undefined {
    for (;;) {
      const kept = this.#kept.get(key)?.at(-1);
      if (kept === undefined) return undefined;
      this.#drop(key, kept);
      if (kept.opened.session.usable) return kept;
      kept.opened.destroy();
    }
  }

  #drop(key: string, kept: Kept): void {
    clearTimeout(kept.timer);
    const list = this.#kept.get(key);
    const at = list?.indexOf(kept) ?? -1;
    if (list === undefined || at === -1) return;
    list.splice(at, 1);
    this.#count--;
    if (list.length === 0) this.#kept.delete(key);
  }
}
