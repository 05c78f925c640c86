// Counts the `Received:` fields of a message as it streams by (RFC 5321 §6.3: loop detection). Works on clean CRLF
// lines, in any chunking; looks no further than the empty line that ends the header.
//
// One pass, a few octets of memory.

const LF = 0x0a;
const CR = 0x0d;
const FIELD = Buffer.from('received:');

export class HopCounter {
  #count = 0;
  #done = false;
  /** Octets of the line's beginning that agree with the field's name; -1 once they do not. */
  #matched = 0;
  /** The line so far is empty, or holds its CR alone. */
  #empty = true;

  get count(): number {
    return this.#count;
  }

  push(piece: Buffer): void {
    let i = 0;
    while (!this.#done && i < piece.length) {
      if (this.#matched === -1) {
        const end = piece.indexOf(LF, i);
        if (end === -1) return;
        i = end;
      }
      this.#take(piece[i] as number);
      i++;
    }
  }

  #take(octet: number): void {
    if (octet === LF) {
      if (this.#empty) this.#done = true;
      this.#matched = 0;
      this.#empty = true;
      return;
    }
    if (octet !== CR) this.#empty = false;
    // RFC 5322 §2.2 is silent on case; everybody ignores it.
    if (this.#matched === -1 || (octet | 0x20) !== (FIELD[this.#matched] as number | 0x20))
      this.#matched = octet === CR && this.#empty ? 0 : -1;
    else if (++this.#matched === FIELD.length) {
      this.#count++;
      this.#matched = -1;
    }
  }
}
