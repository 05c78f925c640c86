// Keeps DNS answers for a short while, so that a hundred messages from one domain ask once. Bounded: the oldest entry
// makes room for the newest.

import type { DnsAnswer } from '../ports.ts';

/** Milliseconds an answer is kept, by its kind; failures shorter, so that a repaired zone counts soon. */
const KEPT: Readonly<Record<DnsAnswer<unknown>['kind'], number>> = {
  found: 60_000,
  absent: 60_000,
  failed: 5_000,
};
const MAX_ENTRIES = 2_000;

interface Entry {
  readonly answer: Promise<DnsAnswer<unknown>>;
  /** Set when the answer came. */
  until: number;
}

export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The answer for `key`: kept, being asked for, or from `ask`, which never rejects. */
  get<T>(key: string, ask: () => Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> {
    const known = this.#entries.get(key);
    // A key stands for one question, so for one type of record.
    if (known !== undefined && known.until > this.#now()) return known.answer as Promise<DnsAnswer<T>>;
    const answer = ask();
    const entry: Entry = { answer, until: Number.POSITIVE_INFINITY };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size > MAX_ENTRIES) {
      const oldest = this.#entries.keys().next().value;
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    void answer.then(({ kind }) => {
      entry.until = this.#now() + KEPT[kind];
    });
    return answer;
  }
}
