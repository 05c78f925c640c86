// The port between the authenticator process and what knows passwords: PAM, or a users file.

export type PasswordCheck =
  | { readonly kind: 'ok' }
  /** Wrong password, unknown or expired account. `reason` is for the log, worded as Dovecot words it. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Nothing could be learnt (no service file, module error, time limit). */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface PasswordQuestion {
  readonly user: string;
  readonly password: string;
  readonly remoteAddress: string;
  /** Whether this pair of account and address has logged in before: it is served ahead of strangers. */
  readonly known: boolean;
}

export interface Authenticator {
  /** The driver's name in log lines: `pam`, `passwd-file`. */
  readonly driver: string;
  /** Never throws. */
  check(question: PasswordQuestion): Promise<PasswordCheck>;
}
