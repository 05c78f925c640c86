// `smtpd_per_request_deadline`: a request as a whole must come within `smtpd_timeout`, however its octets trickle in; a
// message gets more time by what it brings, at `smtpd_min_data_rate`. Looked at whenever octets come: who sends none at
// all meets the ordinary limit.

import type { Clock } from './ports.ts';

export interface DeadlineSettings {
  /** Milliseconds. */
  readonly timeout: number;
  /** Octets a second. */
  readonly minDataRate: number;
}

export class RequestDeadline {
  readonly #clock: Clock;
  readonly #settings: DeadlineSettings;
  #until = 0;

  constructor(clock: Clock, settings: DeadlineSettings) {
    this.#clock = clock;
    this.#settings = settings;
    this.begin();
  }

  /** The next request is waited for. */
  begin(): void {
    this.#until = this.#now() + this.#settings.timeout;
  }

  /** Whether octets that just came are too late. Those of a message bring more time. */
  isOver(octets: number, kind: 'command' | 'message'): boolean {
    if (this.#now() > this.#until) return true;
    if (kind === 'message') {
      const latest = this.#now() + this.#settings.timeout;
      // POSTFIX: never more than a whole time limit from now.
      this.#until = Math.min(latest, this.#until + (octets / this.#settings.minDataRate) * 1000);
    }
    return false;
  }

  #now(): number {
    return this.#clock.now().getTime();
  }
}
