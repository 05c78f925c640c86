// The lines about one session, as Dovecot words them; log filters and statistics read these.

import { MailboxError } from '@postcote/mailbox';
import type { Log } from '@postcote/wire';
import { BrokenLiteral } from './commands/fetch.ts';
import type { SessionCounters } from './core.ts';

export interface SessionIdentity {
  readonly user: string;
  readonly pid: number;
  readonly sessionId: string;
}

export class SessionLog {
  readonly #log: Log;
  readonly #prefix: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(log: Log, { user, pid, sessionId }: SessionIdentity) {
    this.#log = log;
    this.#prefix = `imap(${user})<${pid}><${sessionId}>`;
    this.#fields = { session: sessionId };
  }

  end(words: string, counters: SessionCounters & { readonly output: number }): void {
    this.#log('info', 'dovecot', `${this.#prefix}: ${this.endLine(words, counters)}`, this.#fields);
  }

  /** DOVECOT: imap_logout_format. */
  endLine(words: string, counters: SessionCounters & { readonly output: number }): string {
    const c = counters;
    return (
      `${words} in=${c.input} out=${c.output} deleted=${c.deleted} expunged=${c.expunged} trashed=0 ` +
      `hdr_count=${c.headerCount} hdr_bytes=${c.headerOctets} body_count=${c.bodyCount} body_bytes=${c.bodyOctets}`
    );
  }

  /** `error` for what nobody expected, with its stack; `warn` for what storage is known to do. */
  error(error: unknown): void {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const known = error instanceof MailboxError || error instanceof BrokenLiteral;
    const stack = error instanceof Error && !known ? { stack: error.stack } : {};
    this.#log(known ? 'warn' : 'error', 'dovecot', `${this.#prefix}: ${text}`, { ...this.#fields, ...stack });
  }
}
