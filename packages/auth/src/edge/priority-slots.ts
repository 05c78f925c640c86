// A counted number of slots with two queues: those who are known go first. Bounded; a full queue turns away.

export type Priority = 'known' | 'stranger';

export class PrioritySlots {
  readonly #slots: number;
  readonly #maxWaiting: Readonly<Record<Priority, number>>;
  readonly #waiting: Record<Priority, ((granted: boolean) => void)[]> = { known: [], stranger: [] };
  #used = 0;

  constructor(slots: number, maxWaiting: Readonly<Record<Priority, number>>) {
    this.#slots = slots;
    this.#maxWaiting = maxWaiting;
  }

  /** True with a slot (call `release` once), false when too many wait or the time is up. */
  take(priority: Priority, timeLimitMs: number): Promise<boolean> {
    if (this.#used < this.#slots) {
      this.#used++;
      return Promise.resolve(true);
    }
    const queue = this.#waiting[priority];
    if (queue.length >= this.#maxWaiting[priority]) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (granted: boolean): void => {
        clearTimeout(timer);
        resolve(granted);
      };
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(settle), 1);
        resolve(false);
      }, timeLimitMs);
      queue.push(settle);
    });
  }

  release(): void {
    const next = this.#waiting.known.shift() ?? this.#waiting.stranger.shift();
    if (next === undefined) this.#used--;
    else next(true);
  }
}
