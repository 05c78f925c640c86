// Reads the words of structured header fields: white space and comments, atoms, quoted strings, phrases,
// domains, MIME tokens (RFC 5322 §3.2 with the obsolete forms of §4.1, RFC 2045 §5.1).
//
// It works on binary strings (one character per octet, as `latin1` decodes them), moves one cursor forward and
// never backtracks, so every reading is linear. Nothing throws: a method that finds no word answers undefined,
// and what was wrong with a word (an unterminated quote or comment) is remembered in `broken`.

const SPACE = 0x20;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;
const DOT = 0x2e;
const BACKSLASH = 0x5c;
const AT = 0x40;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** DOVECOT: a NUL is shown as U+FFFD in UTF-8. IMAP has no way to carry it (RFC 3501 §9 CHAR8). */
export const REPLACEMENT = '\xef\xbf\xbd';

const ATEXT = 1;
const TOKEN = 2;
const DOTTED = 4;
/** Octets above 127 count as letters: mail in raw UTF-8 and in national charsets is common. */
const CLASSES = new Uint8Array(256).fill(ATEXT | TOKEN, 0x80);
for (const c of "!#$%&'*+-^_`{|}~0123456789") CLASSES[c.charCodeAt(0)] = ATEXT | TOKEN;
for (let c = 0x41; c <= 0x5a; c++) CLASSES[c] = CLASSES[c + 0x20] = ATEXT | TOKEN;
// RFC 2045 §5.1 tspecials that RFC 5322 has as atext, and the one token that is not atext.
for (const c of '/=?') CLASSES[c.charCodeAt(0)] = ATEXT;
CLASSES[DOT] = TOKEN | DOTTED;

export class HeaderLexer {
  readonly text: string;
  at = 0;
  /** The contents of the last comment skipped: in `joe@example.org (Joe Doe)` it is the display name. */
  lastComment = '';
  /** Whether a quoted string, a domain literal or a comment had no end. */
  broken = false;

  constructor(text: string) {
    this.text = text;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** The next character's code, -1 at the end. */
  get next(): number {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1;
  }

  /** Steps over `code` if it comes next. */
  accept(code: number): boolean {
    if (this.next !== code) return false;
    this.at++;
    return true;
  }

  /** Skips white space, line ends and comments (CFWS). False when a comment had no end. */
  skipCfws(): boolean {
    for (;;) {
      const c = this.next;
      if (c === SPACE || c === TAB || c === LF || c === CR) this.at++;
      else if (c !== OPEN) return true;
      else if (!this.#skipComment()) return false;
    }
  }

  #skipComment(): boolean {
    const { text } = this;
    let depth = 0;
    let content = '';
    let from = this.at + 1;
    while (this.at < text.length) {
      const c = text.charCodeAt(this.at);
      if (c === OPEN) depth++;
      else if (c === CLOSE) {
        depth--;
        if (depth === 0) {
          this.lastComment = content + text.slice(from, this.at);
          this.at++;
          return true;
        }
      } else if (c === BACKSLASH && this.at + 1 < text.length) {
        content += text.slice(from, this.at);
        this.at++;
        from = this.at;
      }
      this.at++;
    }
    this.broken = true;
    return false;
  }

  /** `1*atext [CFWS]`; undefined when no atext comes next. */
  atom(): string | undefined {
    return this.#run(ATEXT);
  }

  /** RFC 2045 §5.1 token and the CFWS after it. */
  token(): string | undefined {
    return this.#run(TOKEN);
  }

  #run(wanted: number): string | undefined {
    const { text } = this;
    const start = this.at;
    let at = start;
    while (at < text.length && ((CLASSES[text.charCodeAt(at) & 0xff] ?? 0) & wanted) !== 0) at++;
    if (at === start) return undefined;
    this.at = at;
    this.skipCfws();
    return text.slice(start, at);
  }

  /** `1*(atext / ".") [CFWS]`: what stands for one word of a local part, dots where they may not be included. */
  dottedWord(): string | undefined {
    return this.#run(ATEXT | DOTTED);
  }

  /**
   * `atom *("." atom)`: RFC 822 allowed white space around the dots. Undefined when it does not begin with an
   * atom, ends with a dot, or is followed by a comment without end.
   */
  dotAtom(): string | undefined {
    let value = this.atom();
    while (value !== undefined && !this.broken && this.accept(CODES.dot)) {
      this.skipCfws();
      const more = this.atom();
      if (more === undefined) return undefined;
      value += `.${more}`;
    }
    return this.broken ? undefined : value;
  }

  /** The contents of a quoted string, which comes next, unquoted and unfolded; then CFWS. */
  quotedString(): string {
    const { text } = this;
    let value = '';
    let from = ++this.at;
    while (this.at < text.length) {
      const c = text.charCodeAt(this.at);
      if (c === QUOTE) {
        value += text.slice(from, this.at);
        this.at++;
        this.skipCfws();
        return value;
      }
      if (c === LF || c === CR) {
        value += text.slice(from, this.at);
        from = this.at + 1;
      } else if (c === BACKSLASH && this.at + 1 < text.length) {
        value += text.slice(from, this.at);
        from = ++this.at;
      } else if (c === 0) {
        value += text.slice(from, this.at) + REPLACEMENT;
        from = this.at + 1;
      }
      this.at++;
    }
    this.broken = true;
    return value + text.slice(from);
  }

  /**
   * RFC 5322 §4.1 obs-phrase: words, and dots after the first. May be empty.
   * DOVECOT: one space stands between two words however far apart they were, none before a dot that touched.
   */
  phrase(): string {
    let value = '';
    if (this.next === DOT) return value;
    while (!this.done) {
      const c = this.next;
      const word = c === QUOTE ? this.quotedString() : c === DOT ? this.#dot() : this.atom();
      // DOVECOT: a quoted string without end adds nothing.
      if (word === undefined || (c === QUOTE && this.broken)) break;
      value += word;
      if (this.broken || !this.#startsWord()) break;
      const last = this.text.charCodeAt(this.at - 1);
      const apart = last === SPACE || last === TAB || last === CLOSE || last === LF;
      if (apart || c === QUOTE || this.next === QUOTE) value += ' ';
    }
    return value;
  }

  #dot(): string {
    this.at++;
    this.skipCfws();
    return '.';
  }

  #startsWord(): boolean {
    const c = this.next;
    return c === QUOTE || c === DOT || (c !== -1 && ((CLASSES[c & 0xff] ?? 0) & ATEXT) !== 0);
  }

  /** `"@" domain`: the cursor stands at the `@`. Undefined when no domain follows. */
  domain(): string | undefined {
    if (!this.accept(AT)) return undefined;
    this.broken = false;
    this.skipCfws();
    return this.next === OPEN_BRACKET ? this.#domainLiteral() : this.dotAtom();
  }

  #domainLiteral(): string | undefined {
    const end = this.text.indexOf(']', this.at);
    if (end === -1) {
      this.broken = true;
      this.at = this.text.length;
      return undefined;
    }
    const value = this.text.slice(this.at, end + 1);
    this.at = end + 1;
    this.skipCfws();
    return value;
  }
}

export const CODES = {
  quote: QUOTE,
  dot: DOT,
  at: AT,
  comma: 0x2c,
  colon: 0x3a,
  semicolon: 0x3b,
  less: 0x3c,
  equals: 0x3d,
  greater: 0x3e,
  slash: 0x2f,
  closeBracket: CLOSE_BRACKET,
} as const;
