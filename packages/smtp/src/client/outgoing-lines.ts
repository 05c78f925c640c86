// A message's octets on their way to another server: whole lines only, none longer than the limit, no CR that is not
// before a LF. What goes in may be cut anywhere. Holds at most one line of the limit's length.

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const FOLD = Buffer.from('\r\n ');
const CRLF = Buffer.from('\r\n');
const NOTHING = Buffer.alloc(0);

export class OutgoingLines {
  readonly #limit: number;
  #rest: Buffer = NOTHING;

  /** `limit`: octets of a line without its CRLF (smtp_line_length_limit); 0 for none. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Buffer): Buffer {
    const input = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = input.lastIndexOf(LF);
    if (end === -1) {
      // A line without end is sent on piece by piece, so that memory stays bounded.
      // Two octets more than the limit: the last one may be the CR of the line's end.
      if (this.#limit === 0 || input.length <= this.#limit + 1) {
        this.#rest = Buffer.from(input);
        return NOTHING;
      }
      const whole = Math.floor((input.length - 2) / this.#limit) * this.#limit;
      this.#rest = Buffer.concat([Buffer.of(SPACE), input.subarray(whole)]);
      return Buffer.concat([this.#foldLine(input.subarray(0, whole)), CRLF]);
    }
    this.#rest = Buffer.from(input.subarray(end + 1));
    return this.#clean(input.subarray(0, end + 1));
  }

  /** What is left: a last line without its end. */
  end(): Buffer {
    const rest = this.#rest;
    this.#rest = NOTHING;
    return rest.length === 0 ? NOTHING : this.#foldLine(rest);
  }

  /** Whole lines. The common case costs one look at each line's length and copies nothing. */
  #clean(lines: Buffer): Buffer {
    if (!this.#needsWork(lines)) return lines;
    const out: Buffer[] = [];
    let start = 0;
    for (let end = lines.indexOf(LF); end !== -1; end = lines.indexOf(LF, start)) {
      const textEnd = end > start && lines[end - 1] === CR ? end - 1 : end;
      out.push(this.#foldLine(lines.subarray(start, textEnd)), CRLF);
      start = end + 1;
    }
    return Buffer.concat(out);
  }

  #needsWork(lines: Buffer): boolean {
    for (let cr = lines.indexOf(CR); cr !== -1; cr = lines.indexOf(CR, cr + 1)) {
      if (lines[cr + 1] !== LF) return true;
    }
    let start = 0;
    for (let end = lines.indexOf(LF); end !== -1; end = lines.indexOf(LF, start)) {
      if (end === start || lines[end - 1] !== CR) return true;
      if (this.#limit > 0 && end - 1 - start > this.#limit) return true;
      start = end + 1;
    }
    return false;
  }

  // POSTFIX: smtp_line_length_limit: a longer line goes on after CRLF and a blank. A stray CR becomes a blank, as
  // cleanup_replace_stray_cr_lf does in later versions.
  #foldLine(line: Buffer): Buffer {
    let text = line;
    if (line.includes(CR)) {
      text = Buffer.from(line);
      for (let at = text.indexOf(CR); at !== -1; at = text.indexOf(CR, at)) text[at] = SPACE;
    }
    if (this.#limit === 0 || text.length <= this.#limit) return text;
    const pieces: Buffer[] = [text.subarray(0, this.#limit)];
    const next = Math.max(1, this.#limit - 1);
    for (let at = this.#limit; at < text.length; at += next) pieces.push(FOLD, text.subarray(at, at + next));
    return Buffer.concat(pieces);
  }
}
