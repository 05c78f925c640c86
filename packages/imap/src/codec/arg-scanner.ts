// Tokenises the arguments of one command, line by line, with literals handed in between.
//
// RFC 3501 §9, read tolerantly as Dovecot does: lists need no space before or after them, `BODY[HEADER.FIELDS`,
// `(…)` and `]<0.9>` are an atom, a list and an atom. No recursion: open lists stand on a stack. Failure is a
// value; after one the scanner is finished.

import type { Arg } from './arg.ts';
import type { CodecLimits } from './limits.ts';

export interface LiteralStart {
  readonly size: number;
  /** The client waits for our `+`. */
  readonly synchronising: boolean;
  readonly binary: boolean;
}

export type ScanResult =
  | { readonly kind: 'end' }
  | { readonly kind: 'literal'; readonly literal: LiteralStart }
  | { readonly kind: 'error'; readonly text: string };

const SPACE = 0x20;
const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;
const BACKSLASH = 0x5c;
const BRACE = 0x7b;
const TILDE = 0x7e;

export class ArgScanner {
  readonly #limits: CodecLimits;
  readonly #top: Arg[] = [];
  readonly #stack: Arg[][] = [];
  #count = 0;

  /** `inList`: goes on inside a list that a streamed literal interrupted. */
  constructor(limits: CodecLimits, inList = false) {
    this.#limits = limits;
    if (inList) this.#stack.push([]);
  }

  /** The arguments so far at the outermost level. */
  get args(): readonly Arg[] {
    return this.#top;
  }

  get depth(): number {
    return this.#stack.length;
  }

  /** The items so far of the list that is open; undefined at the outermost level. */
  get openList(): readonly Arg[] | undefined {
    return this.#stack.at(-1);
  }

  addLiteral(bytes: Buffer): ScanResult | undefined {
    return this.#add({ kind: 'string', bytes, form: 'literal' });
  }

  /** Takes one line (without its end) from `from` on. */
  scan(line: Buffer, from: number): ScanResult {
    let at = from;
    while (at < line.length) {
      const byte = line[at];
      if (byte === SPACE) {
        at += 1;
      } else if (byte === OPEN) {
        if (this.#stack.length >= this.#limits.maxNesting) return error('Too many parentheses');
        const failed = this.#countOne();
        if (failed !== undefined) return failed;
        this.#stack.push([]);
        at += 1;
      } else if (byte === CLOSE) {
        const items = this.#stack.pop();
        if (items === undefined) return error("Unexpected ')'");
        (this.#stack.at(-1) ?? this.#top).push({ kind: 'list', items });
        at += 1;
      } else if (byte === QUOTE) {
        const next = this.#quoted(line, at + 1);
        if (typeof next !== 'number') return next;
        at = next;
      } else if (byte === BRACE || (byte === TILDE && line[at + 1] === BRACE)) {
        return parseLiteral(line, at) ?? error('Invalid literal size');
      } else {
        const next = this.#atom(line, at);
        if (typeof next !== 'number') return next;
        at = next;
      }
    }
    return this.#stack.length > 0 ? error("Missing ')'") : { kind: 'end' };
  }

  #quoted(line: Buffer, from: number): number | ScanResult {
    let at = from;
    let escaped = false;
    for (; at < line.length; at++) {
      const byte = line[at];
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        escaped = true;
        at += 1;
      } else if (byte === 0) return error('NULs in command input');
    }
    if (at >= line.length) return error(`Missing '"'`);
    const raw = line.subarray(from, at);
    return this.#add({ kind: 'string', bytes: escaped ? unescape(raw) : raw, form: 'quoted' }) ?? at + 1;
  }

  #atom(line: Buffer, from: number): number | ScanResult {
    let at = from;
    for (; at < line.length; at++) {
      const byte = line[at] as number;
      if (byte === SPACE || byte === OPEN || byte === CLOSE) break;
      if (byte >= 0x80) return error('8bit data in atom');
      if (byte < SPACE || byte === 0x7f || byte === QUOTE || byte === BRACE) {
        return error('Invalid characters in atom');
      }
    }
    return this.#add({ kind: 'atom', text: line.toString('latin1', from, at) }) ?? at;
  }

  #add(arg: Arg): ScanResult | undefined {
    const failed = this.#countOne();
    if (failed === undefined) (this.#stack.at(-1) ?? this.#top).push(arg);
    return failed;
  }

  #countOne(): ScanResult | undefined {
    this.#count += 1;
    return this.#count > this.#limits.maxArguments ? error('Too many arguments') : undefined;
  }
}

function error(text: string): ScanResult {
  return { kind: 'error', text };
}

function unescape(raw: Buffer): Buffer {
  const out = Buffer.allocUnsafe(raw.length);
  let length = 0;
  for (let at = 0; at < raw.length; at++) {
    if (raw[at] === BACKSLASH && at + 1 < raw.length) at += 1;
    out[length] = raw[at] as number;
    length += 1;
  }
  return out.subarray(0, length);
}

/** `["~"] "{" number ["+"] "}"` reaching to the end of the line (RFC 3501 §4.3, RFC 7888, RFC 3516). */
export function parseLiteral(line: Buffer, from: number): ScanResult | undefined {
  let at = from;
  const binary = line[at] === TILDE;
  if (binary) at += 1;
  if (line[at] !== BRACE || line.length - at > MAX_LITERAL_TEXT) return undefined;
  const match = /^\{(\d{1,19})(\+?)\}$/.exec(line.toString('latin1', at));
  if (match === null) return undefined;
  const size = Number(match[1]);
  if (!Number.isSafeInteger(size)) return undefined;
  return { kind: 'literal', literal: { size, synchronising: match[2] === '', binary } };
}

/** Octets `{18446744073709551615+}` and the like may have. */
export const MAX_LITERAL_TEXT = 24;
