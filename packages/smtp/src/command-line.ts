// Splits one command line into words as Postfix does: `<…>`, `"…"` and `[…]` hold their spaces, and the second
// word of MAIL and RCPT ends at its colon, with or without a space after it (RFC 5321 §4.1.1, tolerantly).
//
// Pure and linear in the length of the line. Never throws.

export interface Word {
  readonly text: string;
  /** A quote or bracket in it never closes. */
  readonly broken: boolean;
}

const CLOSERS: ReadonlyMap<string, string> = new Map([
  ['<', '>'],
  ['"', '"'],
  ['[', ']'],
]);

const isSpace = (c: string): boolean => c === ' ' || c === '\t' || c === '\r' || c === '\v' || c === '\f';

/** POSTFIX: a colon ends no other command's word: `HELO 2001:db8::1`. */
const COLON_COMMANDS: ReadonlySet<string> = new Set(['MAIL', 'RCPT']);

/** Words of a line. `MAIL FROM:<a b> X=1` gives `MAIL`, `FROM:`, `<a b>`, `X=1`. */
export function splitCommandLine(line: string): Word[] {
  const words: Word[] = [];
  let at = 0;
  while (at < line.length) {
    while (at < line.length && isSpace(line[at] ?? '')) at++;
    if (at >= line.length) break;
    const colonEnds = words.length === 1 && COLON_COMMANDS.has(words[0]?.text.toUpperCase() ?? '');
    const end = wordEnd(line, at, colonEnds);
    words.push({ text: line.slice(at, end.at), broken: end.broken });
    at = end.at;
  }
  return words;
}

function wordEnd(line: string, start: number, colonEnds: boolean): { at: number; broken: boolean } {
  let at = start;
  while (at < line.length) {
    const c = line[at] ?? '';
    if (isSpace(c)) break;
    at++;
    if (c === ':' && colonEnds) break;
    if (c === '\\' && at < line.length) at++;
    const closer = CLOSERS.get(c);
    if (closer !== undefined) {
      const close = closingIndex(line, at, closer);
      if (close === -1) return { at: line.length, broken: true };
      at = close + 1;
    }
  }
  return { at, broken: false };
}

/** Where `closer` stands, outside quoted strings and behind no backslash; -1 when it does not. */
function closingIndex(line: string, from: number, closer: string): number {
  let quoted = false;
  for (let at = from; at < line.length; at++) {
    const c = line[at];
    if (c === '\\') at++;
    else if (c === closer && !quoted) return at;
    else if (c === '"') quoted = !quoted;
  }
  return -1;
}
