// How many deliveries go to one destination at once, as Postfix's scheduler learns it: from a modest start, more with
// every delivery that reaches the destination, fewer with every one that does not, and none for a while when as many
// failed as would fill the destination's own concurrency (SCHEDULER_README). Pure.

export interface ConcurrencySettings {
  /** <transport>_initial_destination_concurrency */
  readonly initial: number;
  /** <transport>_destination_concurrency_limit; 0: no limit. */
  readonly limit: number;
  /** <transport>_destination_concurrency_positive_feedback, _negative_feedback */
  readonly positive: Feedback;
  readonly negative: Feedback;
  /** <transport>_destination_concurrency_failed_cohort_limit; 0: it never counts as dead. */
  readonly cohorts: number;
}

/** A number from 0 to 1, perhaps over the concurrency or its square root. */
export interface Feedback {
  readonly value: number;
  readonly over: 'one' | 'concurrency' | 'root';
}

/** `1`, `0.5`, `1/concurrency`, `1 / sqrt_concurrency`; undefined for anything else. */
export function parseFeedback(text: string): Feedback | undefined {
  const match = /^\s*(\d{1,9}(?:\.\d{0,9})?)\s*(?:\/\s*(concurrency|sqrt_concurrency)\s*)?$/.exec(text);
  if (match === null) return undefined;
  const value = Number(match[1]);
  if (value > 1) return undefined;
  const over = match[2] === undefined ? 'one' : match[2] === 'concurrency' ? 'concurrency' : 'root';
  return { value, over };
}

/** What sums of fractions may lack of a whole. */
const FUDGE = 1e-6;

export class ConcurrencyWindow {
  readonly #settings: ConcurrencySettings;
  #size: number;
  #success = 0;
  #failure = 0;
  #failedCohorts = 0;

  constructor(settings: ConcurrencySettings) {
    this.#settings = settings;
    this.#size = Math.max(1, this.#bound(settings.initial));
  }

  get size(): number {
    return this.#size;
  }

  succeeded(): void {
    const { positive } = this.#settings;
    this.#failedCohorts = 0;
    if (this.#size >= this.#bound(Number.MAX_SAFE_INTEGER)) return;
    this.#success += valueOf(positive, this.#size);
    if (this.#success + FUDGE < 1) return;
    this.#success -= 1;
    this.#failure = 0;
    this.#size = this.#bound(this.#size + 1);
  }

  /** Whether nothing should be tried there for a while. */
  failed(): boolean {
    const { negative, cohorts } = this.#settings;
    this.#failedCohorts += 1 / this.#size;
    this.#failure -= valueOf(negative, this.#size);
    if (this.#failure - FUDGE < 0) {
      this.#failure += 1;
      this.#success = 0;
      this.#size = Math.max(1, this.#size - 1);
    }
    return cohorts > 0 && this.#failedCohorts + FUDGE >= cohorts;
  }

  #bound(size: number): number {
    const { limit } = this.#settings;
    return limit > 0 ? Math.min(size, limit) : size;
  }
}

function valueOf({ value, over }: Feedback, size: number): number {
  if (over === 'one') return value;
  return value / (over === 'concurrency' ? size : Math.sqrt(size));
}
