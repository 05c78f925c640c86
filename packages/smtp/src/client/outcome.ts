// What becomes of a recipient when mail is sent on, in the words Postfix's smtp client uses for it.

import { type ServerReply, showReply } from './reply-reader.ts';

/** One recipient's end. `text` is what stands in parentheses in the log. */
export interface SendResult {
  readonly index: number;
  readonly status: 'sent' | 'deferred' | 'bounced';
  readonly dsn: string;
  readonly text: string;
  /** The server's own words, for `Diagnostic-Code: smtp;`. */
  readonly diagnostic?: string;
  readonly remoteMta?: string;
  /** The server took NOTIFY over: success is its to report (RFC 3461 §5.2.2). */
  readonly dsnPassedOn?: boolean;
}

/** Why something failed: for one recipient, for all of a message, or for a whole session. */
export interface Failure {
  readonly permanent: boolean;
  readonly dsn: string;
  readonly text: string;
  readonly diagnostic?: string;
}

/** `scope` session: another host may be tried, and nobody was told anything final. */
export class SendError extends Error {
  override readonly name = 'SendError';
  readonly failure: Failure;
  /** The connection broke or timed out: nothing more can be said on it. */
  readonly broken: boolean;
  /** TLS could not be negotiated: a level of `may` goes on without it. */
  readonly tlsFailed: boolean;

  constructor(failure: Failure, how: { readonly broken?: boolean; readonly tlsFailed?: boolean } = {}) {
    super(failure.text);
    this.failure = failure;
    this.broken = how.broken ?? false;
    this.tlsFailed = how.tlsFailed ?? false;
  }
}

export function temporary(dsn: string, text: string): Failure {
  return { permanent: false, dsn, text };
}

/** A refusal in the server's words: `host mx[192.0.2.1] said: 550 … (in reply to RCPT TO command)`. */
export function refusedBy(host: string, reply: ServerReply, phase: string): Failure {
  const said = showReply(reply);
  return {
    permanent: reply.code >= 500,
    dsn: reply.status ?? (reply.code >= 500 ? '5.0.0' : '4.0.0'),
    text: `host ${host} said: ${said} (in reply to ${phase})`,
    diagnostic: said,
  };
}

export function resultOf(index: number, failure: Failure): SendResult {
  return {
    index,
    status: failure.permanent ? 'bounced' : 'deferred',
    dsn: failure.permanent ? failure.dsn : failure.dsn.replace(/^5/, '4'),
    text: failure.text,
    ...(failure.diagnostic === undefined ? {} : { diagnostic: failure.diagnostic }),
  };
}
