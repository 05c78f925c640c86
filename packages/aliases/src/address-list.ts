// The right-hand side of a virtual or alias entry: a list of addresses as Postfix reads it, which is RFC 822
// with much patience. Commas may be missing: `bob carol` is two addresses. A phrase before `<…>` is dropped, so
// are comments; a group counts as its members. POSTFIX: tok822_parse; found by asking it.

import type { EnvelopeMailbox } from './ports.ts';

export interface ListedAddress extends EnvelopeMailbox {
  /** The local part was (partly) quoted: `"|command"` in an alias says so, `|command` may too. */
  readonly quoted: boolean;
}

type Token =
  | { readonly kind: 'atom' | 'quoted' | 'literal'; readonly text: string }
  | { readonly kind: 'special'; readonly text: '@' | '.' | ',' | ';' | ':' | '<' | '>' }
  | { readonly kind: 'space' };

const SPACE = /\s/;
const SPECIAL = '@.,;:<>';
/** Where an atom ends. */
const DELIMITER = /[\s()<>@,;:"[\].]/;

/** Splits text into tokens. Unclosed quotes, comments and literals run to the end. */
function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (SPACE.test(char)) {
      at++;
      tokens.push({ kind: 'space' });
    } else if (char === '(') {
      at = skipComment(text, at);
      tokens.push({ kind: 'space' });
    } else if (char === '"') {
      const run = readQuoted(text, at + 1, '"');
      tokens.push({ kind: 'quoted', text: run.text });
      at = run.end;
    } else if (char === '[') {
      const run = readQuoted(text, at + 1, ']');
      tokens.push({ kind: 'literal', text: `[${run.text}]` });
      at = run.end;
    } else if (SPECIAL.includes(char)) {
      tokens.push({ kind: 'special', text: char as '@' });
      at++;
    } else {
      let end = at + 1;
      while (end < text.length && !DELIMITER.test(text[end] ?? '')) end++;
      // POSTFIX: a backslash outside quotes quotes the next character and is dropped.
      tokens.push({ kind: 'atom', text: text.slice(at, end).replace(/\\(.)/gs, '$1') });
      at = end;
    }
  }
  return tokens;
}

function skipComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at++;
    else if (char === '(') depth++;
    else if (char === ')' && --depth === 0) return at + 1;
  }
  return text.length;
}

function readQuoted(text: string, start: number, close: string): { text: string; end: number } {
  let out = '';
  for (let at = start; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === close) return { text: out, end: at + 1 };
    if (char === '\\' && at + 1 < text.length) out += text[++at] ?? '';
    else out += char;
  }
  return { text: out, end: text.length };
}

/** The addresses of a list, in order. Never throws; empty items vanish. */
export function parseAddressList(text: string): ListedAddress[] {
  const reader = new ListReader(tokenise(text));
  return reader.readAll();
}

class ListReader {
  readonly #tokens: readonly Token[];
  readonly #found: ListedAddress[] = [];
  /** Words that are addresses unless a `<` or a `:` shows that they were a phrase. */
  #words: ListedAddress[] = [];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  readAll(): ListedAddress[] {
    for (let token = this.#tokens[this.#at]; token !== undefined; token = this.#tokens[this.#at]) {
      if (token.kind === 'space') this.#at++;
      else if (token.kind !== 'special') this.#words.push(this.#readAddress());
      else this.#readSpecial(token.text);
    }
    this.#flush();
    return this.#found;
  }

  #readSpecial(special: string): void {
    if (special === '<') {
      this.#words = [];
      this.#at++;
      this.#readRouteAddress();
    } else if (special === '@' || special === '.') {
      // `@domain` with nothing before it.
      this.#words.push(this.#readAddress());
    } else {
      this.#at++;
      if (special === ':') this.#words = [];
      else this.#flush();
    }
  }

  /** After `<`: everything up to `>`, a source route before it dropped. */
  #readRouteAddress(): void {
    let inside: Token[] = [];
    for (;;) {
      const token = this.#tokens[this.#at++];
      if (token === undefined || (token.kind === 'special' && token.text === '>')) break;
      // RFC 5321 §4.1.1.3: a source route is accepted and ignored.
      if (token.kind === 'special' && token.text === ':') inside = [];
      else inside.push(token);
    }
    const reader = new ListReader(inside.filter((token) => token.kind !== 'space'));
    const address = inside.length === 0 ? undefined : reader.#readAddress();
    if (address !== undefined && (address.local !== '' || address.domain !== undefined)) {
      this.#found.push(address);
    }
  }

  /** One `word(.word)*[@domain]`; blanks may stand around dots and the at sign. */
  #readAddress(): ListedAddress {
    let text = '';
    let quoted = false;
    let lastAt = -1;
    let wantsWord = true;
    for (;;) {
      const next = this.#peek();
      if (next === undefined || next.kind === 'space') break;
      if (next.kind === 'special') {
        if (next.text === '@') lastAt = text.length;
        else if (next.text !== '.') break;
        text += next.text;
        wantsWord = true;
      } else {
        if (!wantsWord) break;
        if (next.kind === 'quoted') quoted = true;
        text += next.text;
        wantsWord = false;
      }
      this.#at = this.#tokens.indexOf(next, this.#at) + 1;
    }
    if (lastAt === -1) return { local: text, quoted };
    return { local: text.slice(0, lastAt), domain: text.slice(lastAt + 1), quoted };
  }

  /** The next token; blanks are passed over where a dot or at sign follows or was just read. */
  #peek(): Token | undefined {
    let at = this.#at;
    while (this.#tokens[at]?.kind === 'space') at++;
    if (at === this.#at) return this.#tokens[at];
    const next = this.#tokens[at];
    const before = this.#tokens[this.#at - 1];
    return isJoint(next) || isJoint(before) ? next : this.#tokens[this.#at];
  }

  #flush(): void {
    this.#found.push(...this.#words);
    this.#words = [];
  }
}

const isJoint = (token: Token | undefined): boolean =>
  token?.kind === 'special' && (token.text === '@' || token.text === '.');
