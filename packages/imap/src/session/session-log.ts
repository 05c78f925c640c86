// The lines about one session, as Dovecot words them; log filters and statistics read these.

import { MailboxError } from '@postcote/mailbox';
import type { Log } from '@postcote/wire';
import { BrokenLiteral } from './commands/fetch.ts';
import type { SessionCounters } from './core.ts';

export interface SessionIdentity {
  readonly user: string;
  readonly pid: number;
  readonly sessionId: string;
  /** DOVECOT: imap_logout_format. */
  readonly logoutFormat: string;
}

export class SessionLog {
  readonly #log: Log;
  readonly #prefix: string;
  readonly #format: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(log: Log, { user, pid, sessionId, logoutFormat }: SessionIdentity) {
    this.#format = logoutFormat;
    this.#log = log;
    this.#prefix = `imap(${user})<${pid}><${sessionId}>`;
    this.#fields = { session: sessionId };
  }

  end(words: string, counters: SessionCounters & { readonly output: number }): void {
    this.#log('info', 'dovecot', `${this.#prefix}: ${this.endLine(words, counters)}`, this.#fields);
  }

  endLine(words: string, counters: SessionCounters & { readonly output: number }): string {
    return `${words} ${formatLogout(this.#format, counters)}`;
  }

  /** About the session, for whoever reads the log. */
  info(text: string): void {
    this.#log('info', 'dovecot', `${this.#prefix}: ${text}`, this.#fields);
  }

  /** `error` for what nobody expected, with its stack; `warn` for what storage is known to do. */
  error(error: unknown): void {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const known = error instanceof MailboxError || error instanceof BrokenLiteral;
    const stack = error instanceof Error && !known ? { stack: error.stack } : {};
    this.#log(known ? 'warn' : 'error', 'dovecot', `${this.#prefix}: ${text}`, { ...this.#fields, ...stack });
  }
}

/** DOVECOT: the variables of imap_logout_format. Unknown ones are shown as Dovecot shows them. */
export function formatLogout(
  format: string,
  counters: SessionCounters & { readonly output: number },
): string {
  const values: Readonly<Record<string, number>> = {
    i: counters.input,
    input: counters.input,
    o: counters.output,
    output: counters.output,
    deleted: counters.deleted,
    expunged: counters.expunged,
    trashed: 0,
    autoexpunged: 0,
    appended: 0,
    fetch_hdr_count: counters.headerCount,
    fetch_hdr_bytes: counters.headerOctets,
    fetch_body_count: counters.bodyCount,
    fetch_body_bytes: counters.bodyOctets,
  };
  return format.replaceAll(
    /%(?:\{([a-z_]+)\}|([a-zA-Z%]))/g,
    (whole, long: string | undefined, short: string | undefined) => {
      if (short === '%') return '%';
      const name = long ?? short ?? '';
      return Object.hasOwn(values, name) ? String(values[name]) : `UNSUPPORTED_VARIABLE_${name || whole}`;
    },
  );
}
