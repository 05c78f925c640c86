// Splits a byte stream into lines with a limit, and lets its owner take counted bytes in between (literals,
// BDAT chunks, message data). It works on bytes and knows no protocol.
//
// Pull style: `push` bytes, then call `next` (or `takeBytes`) until it answers undefined. An over-long line is
// reported once, when its end is seen; its bytes are dropped as they come, so memory stays within the limit.

export type Framed =
  | { readonly kind: 'line'; readonly line: Buffer; readonly terminator: 'crlf' | 'lf' }
  | { readonly kind: 'tooLong'; readonly length: number };

const CR = 0x0d;
const LF = 0x0a;
const EMPTY = Buffer.alloc(0);

export class LineFramer {
  readonly #maxLength: number;
  #buffer: Buffer = EMPTY;
  #start = 0;
  /** Where the search for LF goes on, so that a line arriving byte by byte is scanned once. */
  #scanned = 0;
  #dropped = 0;
  /** The buffer is nobody else's. */
  #owned = true;

  /** `maxLength`: octets a line may have without its terminator. */
  constructor(options: { readonly maxLength: number }) {
    this.#maxLength = options.maxLength;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#start === this.#buffer.length) {
      this.#buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.#start = 0;
      this.#scanned = 0;
      this.#owned = false;
      return;
    }
    if (this.#dropped > 0 && this.pending === this.#maxLength + 1 && chunk.indexOf(LF) === -1) {
      this.#dropMore(chunk);
      return;
    }
    const rest = this.#buffer.subarray(this.#start);
    this.#scanned -= this.#start;
    this.#buffer = Buffer.concat([rest, chunk]);
    this.#start = 0;
    this.#owned = true;
  }

  /** Needs the memory of what was pushed no longer: what is left of it is copied. */
  keep(): void {
    if (this.#owned) return;
    this.#scanned = Math.max(0, this.#scanned - this.#start);
    this.#buffer = this.pending === 0 ? EMPTY : Buffer.from(this.#buffer.subarray(this.#start));
    this.#start = 0;
    this.#owned = true;
  }

  /** Octets received and not yet taken. */
  get pending(): number {
    return this.#buffer.length - this.#start;
  }

  next(): Framed | undefined {
    const from = Math.max(this.#scanned, this.#start);
    const end = this.#buffer.indexOf(LF, from);
    if (end === -1) {
      this.#scanned = this.#buffer.length;
      this.#dropExcess();
      return undefined;
    }
    const crlf = end > this.#start && this.#buffer[end - 1] === CR;
    const line = this.#buffer.subarray(this.#start, crlf ? end - 1 : end);
    const length = this.#dropped + line.length;
    this.#start = end + 1;
    this.#scanned = this.#start;
    this.#dropped = 0;
    if (length > this.#maxLength) return { kind: 'tooLong', length };
    return { kind: 'line', line, terminator: crlf ? 'crlf' : 'lf' };
  }

  /** The next `count` octets whole, or undefined until they are here. */
  takeBytes(count: number): Buffer | undefined {
    if (this.pending < count) return undefined;
    const bytes = this.#buffer.subarray(this.#start, this.#start + count);
    this.#start += count;
    this.#scanned = this.#start;
    return bytes;
  }

  /** Up to `count` octets of what is here (possibly none): for bodies that are streamed on. */
  takeUpTo(count: number): Buffer {
    return this.takeBytes(Math.min(count, this.pending)) ?? EMPTY;
  }

  /** Everything not yet taken. */
  takeRest(): Buffer {
    return this.takeUpTo(this.pending);
  }

  /** Forgets everything (RFC 3207 §4.2: what came before TLS counts for nothing after it). */
  discard(): void {
    this.#buffer = EMPTY;
    this.#owned = true;
    this.#start = 0;
    this.#scanned = 0;
    this.#dropped = 0;
  }

  /** More of a line that is too long: its last octet is all that can matter. No memory is taken for it. */
  #dropMore(chunk: Uint8Array): void {
    this.keep();
    this.#buffer[this.#buffer.length - 1] = chunk[chunk.length - 1] as number;
    this.#scanned = this.#buffer.length;
    this.#dropped += chunk.length;
  }

  #dropExcess(): void {
    // Keep one octet back: it may be the CR of the terminator.
    const excess = this.pending - (this.#maxLength + 1);
    if (excess <= 0) return;
    this.#dropped += excess;
    this.#buffer = Buffer.from(this.#buffer.subarray(this.#start + excess));
    this.#owned = true;
    this.#start = 0;
    this.#scanned = this.#buffer.length;
  }
}
