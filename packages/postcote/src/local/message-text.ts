// A message on its way into a file or a command: lines end in LF, and what would look like the start of another
// message in an mbox, or like the end of one, is quoted.

export interface CopyRules {
  /** `>` before `From ` at the start of a line. */
  readonly quoteFrom?: boolean;
  /** `.` before `.` at the start of a line. */
  readonly quoteDots?: boolean;
  /** An empty line at the end. */
  readonly blankLine?: boolean;
  /** What ends a line; LF by default. */
  readonly lineEnd?: string;
}

/** Octets with CRLF in, octets as the rules say out. Chunks of any size. */
export class MessageCopy {
  readonly #rules: CopyRules;
  readonly #lineEnd: string;
  #rest = '';
  #atLineStart = true;

  constructor(rules: CopyRules) {
    this.#rules = rules;
    this.#lineEnd = rules.lineEnd ?? '\n';
  }

  push(chunk: Uint8Array): Buffer {
    // latin1: one character an octet, and strings are fast.
    const text =
      this.#rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    const end = text.lastIndexOf('\n') + 1;
    // A line without end is passed on in pieces, but not its first five octets.
    if (text.length - end > LONGEST_LINE) {
      this.#rest = '';
      return this.#convert(text);
    }
    this.#rest = text.slice(end);
    return this.#convert(text.slice(0, end));
  }

  end(): Buffer {
    const last = this.#rest === '' ? '' : this.#convertText(`${this.#rest}\n`);
    this.#rest = '';
    return Buffer.from(last + (this.#rules.blankLine === true ? this.#lineEnd : ''), 'latin1');
  }

  #convert(text: string): Buffer {
    return Buffer.from(this.#convertText(text), 'latin1');
  }

  #convertText(text: string): string {
    const { quoteFrom, quoteDots } = this.#rules;
    if (text === '') return text;
    // Only LF starts a line: `^` would take a stray CR for one.
    let out = this.#atLineStart ? `\n${text}` : text;
    if (quoteFrom === true) out = out.replaceAll('\nFrom ', '\n>From ');
    if (quoteDots === true) out = out.replaceAll('\n.', '\n..');
    if (this.#atLineStart) out = out.slice(1);
    this.#atLineStart = text.endsWith('\n');
    return this.#lineEnd === '\r\n' ? out : out.replace(/\r?\n/g, this.#lineEnd);
  }
}

const LONGEST_LINE = 1024 * 1024;

export interface HeadFacts {
  /** Empty for the null sender. */
  readonly sender: string;
  readonly originalRecipient: string;
  /** A `Delivered-To:` each, the newest on top. */
  readonly deliveredTo: readonly string[];
}

export interface HeadRules {
  /** `From sender date`, the line before each message of an mbox. */
  readonly fromLine?: boolean;
  readonly returnPath?: boolean;
  readonly originalTo?: boolean;
  readonly deliveredTo?: boolean;
}

/** What stands before a message, with CRLF. POSTFIX: mail_copy(3). */
export function formatHead(facts: HeadFacts, rules: HeadRules, now: Date): string {
  const lines: string[] = [];
  if (rules.fromLine === true) lines.push(`From ${facts.sender || 'MAILER-DAEMON'}  ${formatCtime(now)}`);
  if (rules.returnPath === true) lines.push(`Return-Path: <${facts.sender}>`);
  if (rules.originalTo === true && facts.originalRecipient !== '')
    lines.push(`X-Original-To: ${facts.originalRecipient}`);
  const [newest, ...earlier] = facts.deliveredTo;
  if (rules.deliveredTo === true && newest !== undefined) lines.push(`Delivered-To: ${newest}`);
  lines.push(...earlier.map((address) => `Delivered-To: ${address}`));
  return lines.map((line) => `${line}\r\n`).join('');
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** asctime(3): `Tue Nov  4 23:41:07 2026`. */
function formatCtime(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = String(date.getDate()).padStart(2, ' ');
  return `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${day} ${time} ${date.getFullYear()}`;
}
