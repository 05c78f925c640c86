// Replies of a server as the client reads them (RFC 5321 §4.2): lines `250-text` and a last `250 text`. Works on
// bytes in any cut; never throws. Bounded: a server that goes on and on is `malformed`.

import { LineFramer } from '@postcote/wire';

export interface ServerReply {
  readonly code: number;
  /** `5.1.1` when the first line begins with one of the reply's class (RFC 2034). */
  readonly status?: string;
  /** The texts without their codes, printable. */
  readonly lines: readonly string[];
}

/** POSTFIX: line_length_limit; longer lines of a reply are of no use to anybody. */
const MAX_LINE = 2048;
/** Lines of one reply. An EHLO answer of a well-equipped server has twenty. */
const MAX_LINES = 200;

export type ReplyRead =
  | { readonly kind: 'reply'; readonly reply: ServerReply }
  | { readonly kind: 'malformed'; readonly text: string };

export class ReplyReader {
  readonly #framer = new LineFramer({ maxLength: MAX_LINE });
  #lines: string[] = [];

  /** Octets that belong to no reply read so far. */
  get pending(): number {
    return this.#framer.pending;
  }

  push(chunk: Uint8Array): void {
    this.#framer.push(chunk);
  }

  /** The next whole reply, or undefined when more octets are needed. */
  next(): ReplyRead | undefined {
    for (let framed = this.#framer.next(); framed !== undefined; framed = this.#framer.next()) {
      if (framed.kind === 'tooLong') return { kind: 'malformed', text: 'a reply line is too long' };
      const text = printableText(framed.line);
      const match = /^([2-5][0-9][0-9])(?:([ -])(.*))?$/s.exec(text);
      if (match === null) return { kind: 'malformed', text: text.slice(0, 200) };
      this.#lines.push(match[3] ?? '');
      if (this.#lines.length > MAX_LINES) return { kind: 'malformed', text: 'a reply has too many lines' };
      if (match[2] === '-') continue;
      const lines = this.#lines;
      this.#lines = [];
      return { kind: 'reply', reply: replyOf(Number(match[1]), lines) };
    }
    return undefined;
  }

  discard(): void {
    this.#framer.discard();
    this.#lines = [];
  }
}

// RFC 2034 §4: the class of the status must be that of the code.
export function replyOf(code: number, lines: readonly string[]): ServerReply {
  const status = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)/.exec(lines[0] ?? '')?.[1];
  if (status === undefined || status[0] !== String(code)[0]) return { code, lines };
  return { code, status, lines };
}

/** Code and texts in one line, as log lines and notifications show them. */
export function showReply({ code, lines }: ServerReply): string {
  return [String(code), ...lines].join(' ').trim();
}

function printableText(line: Buffer): string {
  const text = line.toString('utf8');
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?');
}
