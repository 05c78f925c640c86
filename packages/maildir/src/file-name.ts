// Names of message files: `base[,S=n][,W=n][:2,flags]`. Pure. Names are strings of one octet per character
// (latin1), because a name on disk may hold any octet but `/` and NUL.
//
// Everything before the first `:` (size fields included) is the message's identity; flags follow the last `:`,
// in ASCII order, once each. Letters this module does not know, and anything after a further `,`, are kept.

export interface Info {
  /** Up to and with the last `:` ('' when there is none, then the rest is empty too). */
  readonly prefix: string;
  /** `2,` was there: letters may follow. */
  readonly standard: boolean;
  readonly letters: string;
  /** From a further `,` on, kept as it is. */
  readonly tail: string;
}

export const NO_INFO: Info = { prefix: '', standard: false, letters: '', tail: '' };

export const SYSTEM_LETTERS: ReadonlyMap<string, string> = new Map([
  ['D', '\\Draft'],
  ['F', '\\Flagged'],
  ['R', '\\Answered'],
  ['S', '\\Seen'],
  ['T', '\\Deleted'],
]);

export const LETTER_OF_FLAG: ReadonlyMap<string, string> = new Map(
  [...SYSTEM_LETTERS].map(([letter, flag]) => [flag, letter]),
);

/** Keyword letters are `a` to `z`. */
export const MAX_KEYWORDS = 26;
const LETTER_A = 97;

/** 0–25 for `a`–`z`, else -1. */
export function keywordIndex(letter: string): number {
  const index = letter.charCodeAt(0) - LETTER_A;
  return index >= 0 && index < MAX_KEYWORDS ? index : -1;
}

export function keywordLetter(index: number): string {
  return String.fromCharCode(LETTER_A + index);
}

export function baseOf(name: string): string {
  const colon = name.indexOf(':');
  return colon === -1 ? name : name.slice(0, colon);
}

/** `text` is the name from its first `:` on, or ''. */
export function parseInfo(text: string): Info {
  if (text === '') return NO_INFO;
  const start = text.lastIndexOf(':') + 1;
  const prefix = text.slice(0, start);
  if (!text.startsWith('2,', start)) return { prefix, standard: false, letters: '', tail: text.slice(start) };
  const comma = text.indexOf(',', start + 2);
  const end = comma === -1 ? text.length : comma;
  return { prefix, standard: true, letters: text.slice(start + 2, end), tail: text.slice(end) };
}

/** The name's end for these letters, keeping what `info` had besides. Letters come out sorted, once each. */
export function formatInfo(info: Info, letters: Iterable<string>): string {
  const sorted = [...new Set(letters)].sort().join('');
  // Another program's `:1,…` or stray text is no flag list: ours goes behind it, as the last `:`.
  if (info.prefix !== '' && !info.standard) return `${info.prefix}${info.tail}:2,${sorted}`;
  return `${info.prefix === '' ? ':' : info.prefix}2,${sorted}${info.tail}`;
}

export interface NameSizes {
  /** Octets on disk. */
  readonly size: number | undefined;
  /** Octets with every bare LF counted as CRLF. */
  readonly crlfSize: number | undefined;
}

/** The `,S=` and `,W=` fields of a base name. Hints: whoever uses them compares with the file. */
export function parseSizes(base: string): NameSizes {
  return { size: sizeField(base, ',S='), crlfSize: sizeField(base, ',W=') };
}

function sizeField(base: string, field: string): number | undefined {
  const at = base.indexOf(field);
  if (at === -1) return undefined;
  let value = 0;
  let i = at + field.length;
  const first = i;
  for (; i < base.length && i - first < 15; i++) {
    const digit = base.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (i === first || (i < base.length && base[i] !== ',')) return undefined;
  return value;
}

/** What the order of unknown files goes by, before their names: leading seconds, digits after `M`. */
export function arrivalOf(base: string): { readonly seconds: number; readonly micros: number } {
  return { seconds: leadingDigits(base, 0), micros: microseconds(base) };
}

/** Unknown files in the order in which they get their UIDs. */
export function sortByArrival<T extends { readonly base: string }>(files: readonly T[]): T[] {
  // Names are read once each, not at every comparison.
  const keyed = files.map((file) => ({ file, ...arrivalOf(file.base) }));
  keyed.sort(
    (a, b) =>
      a.seconds - b.seconds ||
      a.micros - b.micros ||
      (a.file.base < b.file.base ? -1 : a.file.base > b.file.base ? 1 : 0),
  );
  return keyed.map((k) => k.file);
}

function leadingDigits(text: string, from: number): number {
  let value = 0;
  for (let i = from; i < text.length && i - from < 15; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return value;
}

function microseconds(base: string): number {
  const dot = base.indexOf('.');
  if (dot === -1) return 0;
  const end = base.indexOf('.', dot + 1);
  const m = base.indexOf('M', dot + 1);
  return m === -1 || (end !== -1 && m > end) ? 0 : leadingDigits(base, m + 1);
}

/** Makes base names that no other program, process, thread or moment makes. */
export class BaseNames {
  readonly #suffix: string;
  readonly #nowMs: () => number;
  #last = 0;

  constructor(options: { hostName: string; pid: number; threadId?: number; nowMs: () => number }) {
    const thread = options.threadId ? `Q${options.threadId}` : '';
    this.#suffix = `P${options.pid}${thread}.${safeHost(options.hostName)}`;
    this.#nowMs = options.nowMs;
  }

  /** DOVECOT: `<seconds>.M<microseconds>P<pid>.<host>`; a burst within one microsecond counts upward. */
  next(): string {
    this.#last = Math.max(Math.floor(this.#nowMs() * 1000), this.#last + 1);
    const micros = this.#last % 1_000_000;
    return `${(this.#last - micros) / 1_000_000}.M${micros}${this.#suffix}`;
  }
}

/** `/`, `:` and what else would break a name, as octal escapes (the Maildir convention). */
function safeHost(host: string): string {
  const safe = host.replace(
    /[^A-Za-z0-9._-]/g,
    (c) => `\\${(c.charCodeAt(0) & 255).toString(8).padStart(3, '0')}`,
  );
  return safe === '' ? 'localhost' : safe;
}
