// Postfix's logical lines, shared by main.cf, master.cf and every text table: empty lines and lines whose first
// character that is not white space is `#` are skipped, a line that starts with white space continues the one before
// it (also across skipped lines). Each physical piece keeps its line number, so that a complaint about one word can
// name the line that holds it.

export interface LinePiece {
  readonly line: number;
  readonly text: string;
}

export interface LogicalLine {
  readonly text: string;
  /** The first physical line. */
  readonly line: number;
  /** Present when the logical line spans several physical lines. */
  readonly pieces?: readonly LinePiece[];
  /** Only the first logical line can: there is nothing to continue. */
  readonly startsWithSpace: boolean;
}

const TAB = 0x09;
const SPACE = 0x20;
const CARRIAGE_RETURN = 0x0d;
const HASH = 0x23;

function isBlank(code: number): boolean {
  return code === SPACE || (code >= TAB && code <= CARRIAGE_RETURN);
}

/** Calls `visit` for each logical line, in order. Linear in the text. POSTFIX: trailing CR is white space. */
export function eachLogicalLine(text: string, visit: (line: LogicalLine) => void): void {
  let first: LinePiece | undefined;
  let more: LinePiece[] | undefined;
  const flush = (): void => {
    if (first === undefined) return;
    const startsWithSpace = isBlank(first.text.charCodeAt(0));
    const { line } = first;
    if (more === undefined) {
      visit({ text: first.text, line, startsWithSpace });
    } else {
      const pieces = [first, ...more];
      visit({ text: pieces.map((piece) => piece.text).join(''), line, pieces, startsWithSpace });
    }
    first = undefined;
    more = undefined;
  };

  let start = 0;
  for (let line = 1; start < text.length; line += 1) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    let at = start;
    while (at < end && isBlank(text.charCodeAt(at))) at += 1;
    if (at < end && text.charCodeAt(at) !== HASH) {
      const stop = text.charCodeAt(end - 1) === CARRIAGE_RETURN ? end - 1 : end;
      const piece = { line, text: text.slice(start, stop) };
      if (at === start || first === undefined) {
        flush();
        first = piece;
      } else {
        more ??= [];
        more.push(piece);
      }
    }
    start = end + 1;
  }
  flush();
}

export function readLogicalLines(text: string): LogicalLine[] {
  const lines: LogicalLine[] = [];
  eachLogicalLine(text, (line) => lines.push(line));
  return lines;
}

/** The physical line that holds `word`, or the first one. */
export function lineOfWord(line: LogicalLine, word: string): number {
  return line.pieces?.find((piece) => piece.text.includes(word))?.line ?? line.line;
}
