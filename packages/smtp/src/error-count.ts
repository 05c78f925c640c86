// Errors and junk commands of one session, against Postfix's limits (`smtpd_soft_error_limit`,
// `smtpd_hard_error_limit`, `smtpd_error_sleep_time`, `smtpd_junk_command_limit`). Only counts: the session waits and
// hangs up.

import type { SmtpSettings } from './settings.ts';

type ErrorLimits = Pick<
  SmtpSettings,
  'softErrorLimit' | 'hardErrorLimit' | 'errorSleepTime' | 'junkCommandLimit'
>;

export class ErrorCount {
  readonly #limits: ErrorLimits;
  #errors = 0;
  #junk = 0;

  constructor(limits: ErrorLimits) {
    this.#limits = limits;
  }

  countError(): void {
    this.#errors++;
  }

  /** A command that costs us something and brings mail no further; from the limit on each is an error. */
  countJunk(): void {
    if (this.#junk++ > this.#limits.junkCommandLimit) this.#errors++;
  }

  forget(): void {
    this.#errors = this.#junk = 0;
  }

  /** How long the next reply is held back, in milliseconds. */
  get delay(): number {
    return this.#errors < this.#limits.softErrorLimit ? 0 : this.#limits.errorSleepTime;
  }

  /** The session ends. */
  get isTooMany(): boolean {
    return this.#errors >= this.#limits.hardErrorLimit;
  }
}
