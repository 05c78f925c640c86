// Parts with `Content-Transfer-Encoding: binary` in an appended message (RFC 3516 §4.4) become base64 on their way in: a
// mailbox of lines can keep no octets between lines. Everything else passes as it is. In pieces, in bounded memory.
//
// What is read of MIME here is the least: where a header ends, which encoding and boundary it names, and the lines
// that may be boundaries. A header longer than it may be is taken as naming neither.

const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;
const MAX_HEADER = 64 * 1024;
const MAX_BOUNDARIES = 100;
/** RFC 2046 §5.1.1: seventy characters and the dashes, and some room. */
const MAX_BOUNDARY_LINE = 256;
/** Octets of a base64 line: 76 characters. */
const LINE = 57;

export class BinaryToBase64 {
  #header: string | undefined = '';
  /** The beginning of a line that may yet be a boundary, or belongs to a header. */
  #line: Buffer = Buffer.alloc(0);
  #inLongLine = false;
  readonly #boundaries: string[] = [];
  /** Set while in the body of a binary part; octets that do not fill a line of base64 yet. */
  #binary: Buffer | undefined;
  /** The line end that belongs to a boundary that may follow. */
  #heldEnd: Buffer = Buffer.alloc(0);

  *push(bytes: Buffer): Generator<Buffer> {
    for (let from = 0; from < bytes.length;) {
      const lf = bytes.indexOf(LF, from);
      const end = lf === -1 ? bytes.length : lf + 1;
      const piece = bytes.subarray(from, end);
      from = end;
      yield* this.#take(piece, lf !== -1);
    }
  }

  *end(): Generator<Buffer> {
    if (this.#line.length > 0) yield* this.#wholeLine(this.#line);
    this.#line = Buffer.alloc(0);
    if (this.#binary === undefined) return;
    // No boundary took the last line end: it was content.
    yield* this.#encode(this.#heldEnd, true);
    this.#binary = undefined;
  }

  *#take(piece: Buffer, ended: boolean): Generator<Buffer> {
    if (this.#inLongLine) {
      this.#inLongLine = !ended;
      yield* this.#content(piece);
      return;
    }
    const line = this.#line.length === 0 ? piece : Buffer.concat([this.#line, piece]);
    if (ended) {
      this.#line = Buffer.alloc(0);
      yield* this.#wholeLine(line);
    } else if (line.length > (this.#header === undefined ? MAX_BOUNDARY_LINE : MAX_HEADER)) {
      this.#line = Buffer.alloc(0);
      this.#inLongLine = true;
      if (this.#header !== undefined) this.#header = 'x'.repeat(MAX_HEADER);
      yield* this.#content(line);
    } else {
      this.#line = Buffer.from(line);
    }
  }

  *#wholeLine(line: Buffer): Generator<Buffer> {
    if (line[0] === DASH && line[1] === DASH && this.#header === undefined) {
      const text = line.toString('latin1').trimEnd();
      const at = this.#boundaries.findLastIndex((boundary) => text === boundary || text === `${boundary}--`);
      if (at !== -1) {
        yield* this.#endBinary();
        this.#boundaries.length = text.endsWith('--') && text !== this.#boundaries[at] ? at : at + 1;
        this.#header = this.#boundaries.length === at + 1 ? '' : undefined;
        yield line;
        return;
      }
    }
    if (this.#header === undefined) return yield* this.#content(line);
    if (line.length === 1 || (line.length === 2 && line[0] === CR)) {
      const header = this.#header;
      this.#header = undefined;
      const { text, isBinary } = this.#readHeader(header);
      yield Buffer.from(text, 'latin1');
      yield line;
      if (isBinary) this.#binary = Buffer.alloc(0);
      return;
    }
    // Kept until its end, where it is known what it says of the body.
    if (this.#header.length + line.length <= MAX_HEADER) {
      this.#header += line.toString('latin1');
      return;
    }
    yield Buffer.from(this.#header, 'latin1');
    yield line;
    this.#header = undefined;
  }

  #readHeader(header: string): { readonly text: string; readonly isBinary: boolean } {
    const unfolded = header.replaceAll(/\r?\n[ \t]+/g, ' ');
    const type = /^content-type[ \t]*:[ \t]*([^;\r\n]*)([^\r\n]*)/im.exec(unfolded);
    const boundary = /;[ \t]*boundary[ \t]*=[ \t]*(?:"([^"]{1,100})"|([^\s;"]{1,100}))/i.exec(
      type?.[2] ?? '',
    );
    const kind = type?.[1]?.trim().toLowerCase() ?? '';
    if (kind.startsWith('multipart/') && boundary !== null && this.#boundaries.length < MAX_BOUNDARIES)
      this.#boundaries.push(`--${(boundary[1] ?? boundary[2] ?? '').trimEnd()}`);
    if (kind.startsWith('message/rfc822')) this.#header = '';
    const encoding = /^content-transfer-encoding[ \t]*:[ \t]*binary[ \t]*(?:\([^)\r\n]*\)[ \t]*)?(?=\r?$)/im;
    if (!encoding.test(unfolded)) return { text: header, isBinary: false };
    const isLeaf = !kind.startsWith('multipart/') && !kind.startsWith('message/');
    // RFC 2045 §6.4: what is made of parts may name no encoding but these; its parts have theirs.
    const word = isLeaf ? 'base64' : '8bit';
    return {
      text: header.replace(
        /^(content-transfer-encoding[ \t]*:(?:[ \t]|\r?\n[ \t])*)binary/im,
        (_, before: string) => before + word,
      ),
      isBinary: isLeaf,
    };
  }

  *#content(bytes: Buffer): Generator<Buffer> {
    if (this.#binary === undefined) {
      yield bytes;
      return;
    }
    // RFC 2046 §5.1.1: the line end before a boundary belongs to it.
    const held = this.#heldEnd;
    const endLength = bytes.at(-1) !== LF ? 0 : bytes.at(-2) === CR ? 2 : 1;
    this.#heldEnd = Buffer.from(bytes.subarray(bytes.length - endLength));
    yield* this.#encode(Buffer.concat([held, bytes.subarray(0, bytes.length - endLength)]), false);
  }

  *#endBinary(): Generator<Buffer> {
    if (this.#binary === undefined) return;
    yield* this.#encode(Buffer.alloc(0), true);
    yield this.#heldEnd;
    this.#heldEnd = Buffer.alloc(0);
    this.#binary = undefined;
  }

  *#encode(bytes: Buffer, last: boolean): Generator<Buffer> {
    const all = Buffer.concat([this.#binary ?? Buffer.alloc(0), bytes]);
    const whole = last ? all.length : all.length - (all.length % LINE);
    this.#binary = Buffer.from(all.subarray(whole));
    const lines: string[] = [];
    for (let at = 0; at < whole; at += LINE)
      lines.push(all.subarray(at, Math.min(at + LINE, whole)).toString('base64'));
    if (lines.length > 0) yield Buffer.from(`${lines.join('\r\n')}${last ? '' : '\r\n'}`);
  }
}
