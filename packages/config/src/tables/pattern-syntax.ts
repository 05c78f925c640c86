// POSIX extended and PCRE patterns → JavaScript's. What JavaScript cannot express (atomic groups, possessive
// quantifiers, recursion, conditionals) is a complaint, never a guess: a pattern that silently matches less lets
// through what it was written to stop.

export type Dialect = 'posix' | 'pcre';

export interface PatternOptions {
  readonly dialect: Dialect;
  readonly ignoreCase: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
  /** PCRE `x`: white space and comments do not count. */
  readonly extended: boolean;
  /** PCRE `A`: match at the start only. */
  readonly anchored: boolean;
}

const CLASSES: ReadonlyMap<string, string> = new Map([
  ['alnum', 'A-Za-z0-9'],
  ['alpha', 'A-Za-z'],
  ['ascii', '\\x00-\\x7f'],
  ['blank', ' \\t'],
  ['cntrl', '\\x00-\\x1f\\x7f'],
  ['digit', '0-9'],
  ['graph', '\\x21-\\x7e'],
  ['lower', 'a-z'],
  ['print', '\\x20-\\x7e'],
  ['punct', '!-\\/:-@\\[-`{-~'],
  ['space', ' \\t\\n\\r\\f\\v'],
  ['upper', 'A-Z'],
  ['word', 'A-Za-z0-9_'],
  ['xdigit', '0-9A-Fa-f'],
]);

const MAX_PATTERN = 10_000;

/** A string is the complaint. */
export function compilePattern(source: string, options: PatternOptions): RegExp | string {
  if (source.length > MAX_PATTERN) return 'the pattern is too long';
  const translated = new Translation(source, options).run();
  if (typeof translated === 'string') return translated;
  const { body, ignoreCase, multiline, dotAll } = translated;
  try {
    const flags = `${ignoreCase ? 'i' : ''}${multiline ? 'm' : ''}${dotAll ? 's' : ''}`;
    return new RegExp(options.anchored ? `^(?:${body})` : body, flags);
  } catch {
    return `the pattern "${source}" cannot be read`;
  }
}

interface Translated {
  readonly body: string;
  readonly ignoreCase: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
}

class Translation {
  readonly #source: string;
  readonly #isPcre: boolean;
  #ignoreCase: boolean;
  #multiline: boolean;
  #dotAll: boolean;
  #extended: boolean;
  #at = 0;
  #out = '';
  #complaint: string | undefined;

  constructor(source: string, options: PatternOptions) {
    this.#source = source;
    this.#isPcre = options.dialect === 'pcre';
    this.#ignoreCase = options.ignoreCase;
    this.#multiline = options.multiline;
    this.#dotAll = options.dotAll;
    this.#extended = options.extended;
  }

  run(): Translated | string {
    if (this.#isPcre) this.#readLeadingFlags();
    while (this.#at < this.#source.length && this.#complaint === undefined) this.#step();
    return (
      this.#complaint ?? {
        body: this.#out,
        ignoreCase: this.#ignoreCase,
        multiline: this.#multiline,
        dotAll: this.#dotAll,
      }
    );
  }

  #readLeadingFlags(): void {
    const match = /^\(\?([imsx]*)(?:-([imsx]+))?\)/.exec(this.#source);
    if (match === null) return;
    for (const [flags, value] of [
      [match[1] ?? '', true],
      [match[2] ?? '', false],
    ] as const) {
      if (flags.includes('i')) this.#ignoreCase = value;
      if (flags.includes('m')) this.#multiline = value;
      if (flags.includes('s')) this.#dotAll = value;
      if (flags.includes('x')) this.#extended = value;
    }
    this.#at = match[0].length;
  }

  #step(): void {
    const char = this.#source[this.#at] ?? '';
    if (char === '\\') return this.#escape();
    if (char === '[') return this.#bracket();
    if (char === '(' && this.#source[this.#at + 1] === '?') return this.#group();
    if (char === '(' && this.#isPcre && this.#source[this.#at + 1] === '*') {
      return this.#refuse('verbs such as (*SKIP) are not supported');
    }
    if (this.#extended && /\s/.test(char)) {
      this.#at += 1;
      return;
    }
    if (this.#extended && char === '#') {
      const newline = this.#source.indexOf('\n', this.#at);
      this.#at = newline === -1 ? this.#source.length : newline + 1;
      return;
    }
    if (char === '+' && this.#isPcre && this.#followsQuantifier()) {
      return this.#refuse('possessive quantifiers (++, *+, ?+) are not supported');
    }
    if (!this.#isPcre && /[*+?]/.test(char) && this.#followsQuantifier()) {
      return this.#refuse('a repetition of a repetition is not supported');
    }
    // `{,n}`: JavaScript would take it for plain text.
    if (!this.#isPcre && char === '{' && this.#source[this.#at + 1] === ',') return this.#emit('{0', 1);
    this.#emit(char, 1);
  }

  #followsQuantifier(): boolean {
    const before = this.#source[this.#at - 1] ?? '';
    if (this.#source[this.#at - 2] === '\\') return false;
    return before === '*' || before === '+' || before === '?' || before === '}';
  }

  #emit(text: string, consumed: number): void {
    this.#out += text;
    this.#at += consumed;
  }

  #refuse(reason: string): void {
    this.#complaint = `${reason} (in the pattern "${this.#source}")`;
  }

  #escape(): void {
    const next = this.#source[this.#at + 1];
    if (next === undefined) return this.#refuse('the pattern ends in a backslash');
    if (next === '<' && !this.#isPcre) return this.#emit('\\b(?=\\w)', 2);
    if (next === '>' && !this.#isPcre) return this.#emit('\\b(?<=\\w)', 2);
    if (next === '`' && !this.#isPcre) return this.#emit('(?<![\\s\\S])', 2);
    if (next === "'" && !this.#isPcre) return this.#emit('(?![\\s\\S])', 2);
    if (this.#isPcre) return this.#pcreEscape(next);
    // POSIX leaves letters to the library; glibc has \w \W \s \S \b \B, and the rest matches nothing there.
    if (/[a-zA-Z]/.test(next) && !/[wWsSbB]/.test(next)) {
      return this.#refuse(
        `"\\${next}" has no meaning in a POSIX pattern; use a pcre: table or [[:classes:]]`,
      );
    }
    this.#emit(/[wWsSbB1-9]/.test(next) ? `\\${next}` : literal(next), 2);
  }

  #pcreEscape(next: string): void {
    switch (next) {
      case 'A':
        return this.#emit('(?<![\\s\\S])', 2);
      case 'z':
        return this.#emit('(?![\\s\\S])', 2);
      case 'Z':
        return this.#emit('(?=\\n?(?![\\s\\S]))', 2);
      case 'h':
        return this.#emit('[ \\t]', 2);
      case 'H':
        return this.#emit('[^ \\t]', 2);
      case 'R':
        return this.#emit('(?:\\r\\n|[\\n\\r\\f\\v])', 2);
      case 'N':
        return this.#emit('[^\\n]', 2);
      case 'e':
        return this.#emit('\\x1b', 2);
      case 'a':
        return this.#emit('\\x07', 2);
      case 'Q':
        return this.#quoted();
      case 'E':
        this.#at += 2;
        return;
      case 'x':
        return this.#hexEscape();
      default:
        break;
    }
    if (/[wWsSdDbBnrtfv0-9]/.test(next)) return this.#emit(`\\${next}`, 2);
    if (/[a-zA-Z]/.test(next)) return this.#refuse(`"\\${next}" is not supported`);
    this.#emit(literal(next), 2);
  }

  #quoted(): void {
    const end = this.#source.indexOf('\\E', this.#at);
    const stop = end === -1 ? this.#source.length : end;
    this.#out += Array.from(this.#source.slice(this.#at + 2, stop), literal).join('');
    this.#at = end === -1 ? stop : stop + 2;
  }

  #hexEscape(): void {
    const match = /^\\x(?:\{([0-9a-f]{1,4})\}|([0-9a-f]{1,2}))/i.exec(this.#source.slice(this.#at));
    if (match === null) return this.#refuse('"\\x" needs hexadecimal digits');
    this.#emit(`\\u${(match[1] ?? match[2] ?? '').padStart(4, '0')}`, match[0].length);
  }

  #group(): void {
    const rest = this.#source.slice(this.#at);
    if (!this.#isPcre) return this.#refuse('"(?" has no meaning in a POSIX pattern');
    const comment = /^\(\?#[^)]*\)/.exec(rest);
    if (comment !== null) {
      this.#at += comment[0].length;
      return;
    }
    const named = /^\(\?(?:P?<|')([A-Za-z_]\w*)[>']/.exec(rest);
    if (named !== null) return this.#emit(`(?<${named[1]}>`, named[0].length);
    const plain = /^\(\?(?::|=|!|<=|<!|[ims]*(?:-[ims]+)?:)/.exec(rest);
    if (plain !== null) return this.#emit(plain[0], plain[0].length);
    this.#refuse(`"${rest.slice(0, 4)}" is not supported`);
  }

  /** `[…]`: in POSIX a leading `]` is a member and a backslash stands for itself. */
  #bracket(): void {
    let at = this.#at + 1;
    let out = '[';
    if (this.#source[at] === '^') {
      out += '^';
      at += 1;
    }
    for (let isFirst = true; at < this.#source.length; isFirst = false) {
      const char = this.#source[at] ?? '';
      if (char === ']' && !isFirst) {
        this.#out += `${out}]`;
        this.#at = at + 1;
        return;
      }
      const named = char === '[' ? /^\[:(\^?)([a-z]+):\]/.exec(this.#source.slice(at, at + 16)) : null;
      if (named !== null) {
        const members = CLASSES.get(named[2] ?? '');
        if (members === undefined || named[1] === '^') return this.#refuse(`"${named[0]}" is not supported`);
        out += members;
        at += named[0].length;
      } else if (char === '[' && /[.=]/.test(this.#source[at + 1] ?? '')) {
        return this.#refuse('collating elements are not supported');
      } else if (char === '\\' && this.#isPcre) {
        out += `\\${this.#source[at + 1] ?? ''}`;
        at += 2;
      } else {
        out += char === '[' || char === '\\' || char === ']' ? `\\${char}` : char;
        at += 1;
      }
    }
    this.#refuse('a "[" is not closed');
  }
}

function literal(char: string): string {
  return /[\^$.*+?()[\]{}|\\/]/.test(char) ? `\\${char}` : char;
}

/** Swaps the roles of `\(` and `(` and their kin: a POSIX basic pattern as an extended one. */
export function basicToExtended(source: string): string {
  let out = '';
  for (let at = 0; at < source.length; at += 1) {
    const char = source[at] ?? '';
    if (char === '\\') {
      at += 1;
      const next = source[at] ?? '';
      out += /[(){}|+?]/.test(next) ? next : `\\${next}`;
    } else if (char === '[') {
      const end = bracketEnd(source, at);
      out += source.slice(at, end);
      at = end - 1;
    } else {
      out += /[(){}|+?]/.test(char) ? `\\${char}` : char;
    }
  }
  return out;
}

function bracketEnd(source: string, open: number): number {
  const from = open + (source[open + 1] === '^' ? 3 : 2);
  const close = source.indexOf(']', from);
  return close === -1 ? source.length : close + 1;
}

/** A quantified group that itself ends in a quantifier, `(a+)+`: such a pattern can take for ever on a hostile key. */
export function mayBacktrackWildly(source: string): boolean {
  return /[*+}]\??\)(?:[*+]|\{\d+,\})/.test(source);
}
