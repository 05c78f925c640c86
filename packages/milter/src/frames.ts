// Milter frames as octets: makes them, and takes them out of a stream in any chunking. Bounded: a frame that says it is
// larger than the limit is never waited for.

/** Octets of one response. Filters built on libmilter send body pieces of 64 KiB; a header value is far less. */
export const MAX_FRAME = 1024 * 1024;

const EMPTY = Buffer.alloc(0);
const NUL = Buffer.alloc(1);

export interface Frame {
  readonly letter: string;
  readonly data: Buffer;
}

export type FrameReading =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'needMore' }
  /** POSTFIX's words for the log. Nothing after it can be understood. */
  | { readonly kind: 'broken'; readonly reason: string };

const NEED_MORE: FrameReading = { kind: 'needMore' };

export class FrameReader {
  #pieces: Buffer[] = [];
  #length = 0;
  #broken: FrameReading | undefined;

  push(octets: Buffer): void {
    if (octets.length === 0) return;
    this.#pieces.push(octets);
    this.#length += octets.length;
  }

  /** Octets that no frame was made of yet. */
  get pending(): number {
    return this.#length;
  }

  next(): FrameReading {
    if (this.#broken !== undefined) return this.#broken;
    if (this.#length < 5) return NEED_MORE;
    const size = this.#peek(4).readUInt32BE(0);
    if (size < 1) return this.#break(`bad packet length: ${size}`);
    if (size > MAX_FRAME) return this.#break(`unreasonable packet length: ${size} > ${MAX_FRAME}`);
    if (this.#length < 4 + size) return NEED_MORE;
    const whole = this.#take(4 + size);
    return {
      kind: 'frame',
      frame: { letter: String.fromCharCode(whole[4] ?? 0), data: whole.subarray(5) },
    };
  }

  #break(reason: string): FrameReading {
    this.#broken = { kind: 'broken', reason };
    this.#pieces = [];
    this.#length = 0;
    return this.#broken;
  }

  /** Makes one piece of what came in: once a frame, not once a chunk. */
  #peek(count: number): Buffer {
    const first = this.#pieces[0] ?? EMPTY;
    if (first.length >= count) return first;
    const joined = Buffer.concat(this.#pieces, this.#length);
    this.#pieces = [joined];
    return joined;
  }

  #take(count: number): Buffer {
    const whole = this.#peek(count);
    this.#pieces.shift();
    if (whole.length > count) this.#pieces.unshift(whole.subarray(count));
    this.#length -= count;
    return whole.subarray(0, count);
  }
}

/** One frame. Its parts are written one after the other. */
export function formatFrame(letter: string, ...parts: readonly Uint8Array[]): Buffer {
  let size = 1;
  for (const part of parts) size += part.length;
  const head = Buffer.allocUnsafe(5);
  head.writeUInt32BE(size, 0);
  head.write(letter, 4, 'latin1');
  return Buffer.concat([head, ...parts], size + 4);
}

/** Text and the NUL that ends it. A NUL within would begin another string, so it is left out. */
export function formatString(text: string | Uint8Array): Buffer {
  const octets = typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(text);
  return Buffer.concat([octets.includes(0) ? octets.filter((octet) => octet !== 0) : octets, NUL]);
}

export function formatLong(value: number): Buffer {
  const octets = Buffer.allocUnsafe(4);
  octets.writeUInt32BE(value >>> 0, 0);
  return octets;
}

export function formatShort(value: number): Buffer {
  const octets = Buffer.allocUnsafe(2);
  octets.writeUInt16BE(value & 0xffff, 0);
  return octets;
}

export type FieldKind = 'long' | 'string' | 'optional';

/**
 * Reads a frame's data as a list of fields; the answer is what is wrong, in Postfix's words, or the values: numbers for
 * `long`, octets without their NUL for `string`. `optional` is a string that may be missing. Nothing may be left over.
 */
export function readFields(data: Buffer, kinds: readonly FieldKind[]): readonly (number | Buffer)[] | string {
  const values: (number | Buffer)[] = [];
  let at = 0;
  for (const kind of kinds) {
    if (kind === 'long') {
      if (data.length - at < 4) return 'input packet too short for network long';
      values.push(data.readUInt32BE(at));
      at += 4;
      continue;
    }
    if (at >= data.length) {
      if (kind === 'optional') {
        values.push(EMPTY);
        continue;
      }
      return 'packet too short for string';
    }
    const end = data.indexOf(0, at);
    if (end === -1) return 'missing string null terminator';
    values.push(data.subarray(at, end));
    at = end + 1;
  }
  return at === data.length ? values : `left-over data ${data.length - at} bytes`;
}
