// Watches the header of a message as it streams by: counts `Received:` fields (RFC 5321 §6.3: loops). Works on
// clean CRLF lines, in any chunking.
//
// The header ends at the empty line, or at the first line that is neither a field nor the continuation of one; then an
// empty line is put in, so that such text does not become part of our `Received:`. One pass; holds back at most one
// unfinished line of MAX_HELD octets.

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const EMPTY = Buffer.alloc(0);

/** An unfinished line longer than this is judged by what there is of it. */
const MAX_HELD = 2048;

type LineKind = 'field' | 'continuation' | 'empty' | 'text';

export class HeaderReader {
  #held: Buffer = EMPTY;
  /** Inside a line that was judged before its end came. */
  #midLine = false;
  #done = false;
  /** A field was seen. */
  #fields = false;
  received = 0;

  /** Gives on what may be given on. */
  push(piece: Buffer, emit: (piece: Buffer) => void): void {
    if (this.#done) {
      emit(piece);
      return;
    }
    const octets = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    this.#held = EMPTY;
    const read = this.#readLines(octets);
    if (read > 0) emit(octets.subarray(0, read));
    if (this.#done) {
      if (octets.length > read && octets[read] !== CR) emit(Buffer.from('\r\n'));
      if (octets.length > read) emit(octets.subarray(read));
    } else if (read < octets.length) this.#held = Buffer.from(octets.subarray(read));
  }

  /** The message is over, perhaps within its header. */
  finish(emit: (piece: Buffer) => void): void {
    if (this.#done) return;
    if (this.#held.length > 0) emit(this.#held);
    this.#done = true;
  }

  /** Octets that surely belong to the header; sets `#done` when it ends there. */
  #readLines(octets: Buffer): number {
    let at = 0;
    while (at < octets.length) {
      const end = octets.indexOf(LF, at);
      if (this.#midLine) {
        if (end === -1) return octets.length;
        this.#midLine = false;
        at = end + 1;
        continue;
      }
      if (end === -1 && octets.length - at < MAX_HELD) return at;
      const line = octets.subarray(at, end === -1 ? octets.length : end);
      const kind = this.#judge(line);
      if (kind === 'empty' || kind === 'text') {
        this.#done = true;
        return at;
      }
      if (end === -1) {
        this.#midLine = true;
        return octets.length;
      }
      at = end + 1;
    }
    return at;
  }

  #judge(line: Buffer): LineKind {
    const first = line[0];
    if (first === undefined || (first === CR && line.length === 1)) return 'empty';
    // POSTFIX: what cannot continue anything is text: it must not become part of our own fields.
    if (first === SPACE || first === TAB) return this.#fields ? 'continuation' : 'text';
    const name = fieldName(line);
    if (name === undefined) return 'text';
    this.#fields = true;
    if (name === 'received') this.received++;
    return 'field';
  }
}

// RFC 5322 §3.6.8: field-name = 1*(%d33-57 / %d59-126); §4.5 allows blanks before the colon.
function fieldName(line: Buffer): string | undefined {
  const colon = line.indexOf(COLON);
  if (colon < 1) return undefined;
  let end = colon;
  while (end > 0 && (line[end - 1] === SPACE || line[end - 1] === TAB)) end--;
  if (end === 0) return undefined;
  for (let i = 0; i < end; i++) {
    const octet = line[i] as number;
    if (octet <= SPACE || octet > 0x7e) return undefined;
  }
  return line.toString('latin1', 0, end).toLowerCase();
}
