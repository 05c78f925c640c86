// Octets received and not yet taken. Grows by doubling, so that input which comes octet by octet costs no more
// than its length; the search for a line's end goes on where it stopped.

const EMPTY = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;

export class InputBuffer {
  #buffer: Buffer = EMPTY;
  #start = 0;
  #end = 0;
  #scanned = 0;
  /** Whether `#buffer` is ours to write into; a chunk taken over whole is not. */
  #owned = false;

  get length(): number {
    return this.#end - this.#start;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#start === this.#end) {
      this.#buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.#start = 0;
      this.#scanned = 0;
      this.#end = chunk.length;
      this.#owned = false;
      return;
    }
    const pending = this.length;
    if (!this.#owned || this.#end + chunk.length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(256, (pending + chunk.length) * 2));
      this.#buffer.copy(grown, 0, this.#start, this.#end);
      this.#scanned -= this.#start;
      this.#buffer = grown;
      this.#start = 0;
      this.#end = pending;
      this.#owned = true;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The next line without its CRLF or LF, or undefined until its end is here. */
  takeLine(): Buffer | undefined {
    const from = Math.max(this.#scanned, this.#start);
    const found = this.#buffer.subarray(from, this.#end).indexOf(LF);
    if (found === -1) {
      this.#scanned = this.#end;
      return undefined;
    }
    const end = from + found;
    const crlf = end > this.#start && this.#buffer[end - 1] === CR;
    const line = this.#buffer.subarray(this.#start, crlf ? end - 1 : end);
    this.#start = end + 1;
    this.#scanned = this.#start;
    return line;
  }

  /** Up to `count` octets of what is here. They stay valid: taken octets are never written over. */
  take(count: number): Buffer {
    const size = Math.min(count, this.length);
    const bytes = this.#buffer.subarray(this.#start, this.#start + size);
    this.#start += size;
    this.#scanned = Math.max(this.#scanned, this.#start);
    return bytes;
  }

  /** Looks at up to `count` octets without taking them. */
  peek(count: number): Buffer {
    return this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + count));
  }

  clear(): void {
    this.#buffer = EMPTY;
    this.#start = 0;
    this.#end = 0;
    this.#scanned = 0;
    this.#owned = false;
  }
}
