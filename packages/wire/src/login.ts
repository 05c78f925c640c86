// The one question the front asks about a password, and its answers. Shared by the SMTP, IMAP and POP3
// packages, which may not import one another, and by the authenticator that answers.

export interface LoginRequest {
  readonly service: 'smtp' | 'imap' | 'pop3';
  readonly mechanism: 'PLAIN' | 'LOGIN' | 'USER';
  readonly user: string;
  readonly password: string;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly secured: boolean;
  /** Ours, for the log: correlates the lines of one session. */
  readonly sessionId: string;
}

/**
 * `refused`: wrong user or password, told apart nowhere on the wire. `unavailable`: the authenticator could
 * not decide (PAM error, time limit, worker cap); a temporary failure to the client. `message` is for the log.
 */
export type LoginVerdict<Granted = object> =
  | ({ readonly kind: 'granted'; /** The canonical account name. */ readonly user: string } & Granted)
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };
