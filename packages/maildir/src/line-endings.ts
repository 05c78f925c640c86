// Between the two forms of a message: on the wire every line ends in CRLF, on disk usually in LF. Pure.
//
// A file may hold LF, CRLF or a mixture; the CRLF form puts a CR before each LF that lacks one, and changes nothing
// else. Storing takes the CR of CRLF away, except in CR CR LF, so that the way back gives the same octets.

const CR = 13;
const LF = 10;

/** How many LFs have no CR before them. `previous` is the octet before `bytes`. */
export function countBareLf(bytes: Uint8Array, previous = 0): number {
  let count = 0;
  let last = previous;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i] as number;
    if (c === LF && last !== CR) count++;
    last = c;
  }
  return count;
}

/** Longer stretches are taken in pieces, so that no large strings are made. */
const STRETCH = 32 * 1024;

/** The CRLF form. Returns `bytes` itself when it is that already. */
export function toCrlf(
  bytes: Buffer,
  previous = 0,
  allocate: (length: number) => Buffer = allocateAnew,
): Buffer {
  return isPlainLf(bytes, previous) ? plainToCrlf(bytes, allocate) : mixedToCrlf(bytes, previous, allocate);
}

/** The same, but never in the memory of `bytes`. */
export function crlfCopy(bytes: Buffer, allocate: (length: number) => Buffer): Buffer {
  const crlf = toCrlf(bytes, 0, allocate);
  if (crlf !== bytes) return crlf;
  const copy = allocate(bytes.length);
  bytes.copy(copy);
  return copy;
}

function allocateAnew(length: number): Buffer {
  return Buffer.allocUnsafe(length);
}

/** Every LF is a bare one. */
function isPlainLf(bytes: Buffer, previous: number): boolean {
  return bytes.indexOf(CR) === -1 && !(previous === CR && bytes[0] === LF);
}

/** Replacing in strings is several times as fast as moving octets one by one. */
function plainToCrlf(bytes: Buffer, allocate: (length: number) => Buffer): Buffer {
  const texts: string[] = [];
  let length = 0;
  for (let at = 0; at < bytes.length; at += STRETCH) {
    const text = bytes.toString('latin1', at, at + STRETCH).replace(/\n/g, '\r\n');
    texts.push(text);
    length += text.length;
  }
  if (length === bytes.length) return bytes;
  const out = allocate(length);
  let at = 0;
  for (const text of texts) at += out.write(text, at, 'latin1');
  return out;
}

function mixedToCrlf(bytes: Buffer, previous: number, allocate: (length: number) => Buffer): Buffer {
  const bare = countBareLf(bytes, previous);
  if (bare === 0) return bytes;
  const out = allocate(bytes.length + bare);
  let last = previous;
  let at = 0;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i] as number;
    if (c === LF && last !== CR) out[at++] = CR;
    out[at++] = c;
    last = c;
  }
  return out;
}

function countLf(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

/** Turns CRLF into LF over any chunking. */
export class LfEncoder {
  /** Octets given out so far, and what they will be in CRLF form. */
  size = 0;
  crlfSize = 0;
  /** CRs held back, at most one: it may belong to a CRLF. */
  #heldCr = false;
  /** The octet given out last. */
  #last = 0;

  push(chunk: Uint8Array): Buffer {
    const target = Buffer.allocUnsafe(chunk.length + 1);
    return target.subarray(0, this.pushInto(chunk, target));
  }

  /** Into the caller's memory, which has room for one octet more than the chunk has. Answers how many came out. */
  pushInto(chunk: Uint8Array, target: Buffer): number {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    for (let from = 0; from < octets.length;) {
      let end = Math.min(octets.length, from + STRETCH);
      // A CR at its end waits for what follows; where the state is unusual, one octet gets out of it or goes deeper.
      if (end - from > 1 && octets[end - 1] === CR) end--;
      if (this.#heldCr || this.#last === CR) end = from + 1;
      const written = this.#plainInto(octets, { from, end }, { target, at });
      at += written ?? this.#anyInto(octets.subarray(from, end), target, at);
      from = end;
    }
    return at;
  }

  /**
   * The common case: no CR but before LF; undefined where it is not. Replacing in strings is several times as fast as
   * octet by octet, above all in a process that is just starting, whose code nothing has compiled yet.
   */
  #plainInto(
    octets: Buffer,
    { from, end }: { readonly from: number; readonly end: number },
    { target, at }: { readonly target: Buffer; readonly at: number },
  ): number | undefined {
    if (this.#heldCr || this.#last === CR) return undefined;
    const plain = octets.toString('latin1', from, end).replaceAll('\r\n', '\n');
    if (plain.includes('\r')) return undefined;
    target.write(plain, at, 'latin1');
    this.#last = plain.charCodeAt(plain.length - 1);
    this.size += plain.length;
    this.crlfSize += plain.length + countLf(plain);
    return plain.length;
  }

  #anyInto(chunk: Buffer, out: Buffer, start: number): number {
    let at = start;
    let held = this.#heldCr;
    let last = this.#last;
    let bare = 0;
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i] as number;
      if (held) {
        held = false;
        if (c !== LF || last === CR) {
          out[at++] = CR;
          last = CR;
        }
      }
      if (c === CR) {
        held = true;
        continue;
      }
      if (c === LF && last !== CR) bare++;
      out[at++] = c;
      last = c;
    }
    this.#heldCr = held;
    this.#last = last;
    this.size += at - start;
    this.crlfSize += at - start + bare;
    return at - start;
  }

  end(): Buffer {
    if (!this.#heldCr) return Buffer.alloc(0);
    this.#heldCr = false;
    this.size++;
    this.crlfSize++;
    return Buffer.from([CR]);
  }
}

/** Raw octets between two marks of an `OffsetMap`. */
export const MARK_DISTANCE = 128 * 1024;

/**
 * Where CRLF offsets lie in a file: a mark every `MARK_DISTANCE` raw octets, so that a range in the middle of a
 * large message is found without reading from its start.
 */
export class OffsetMap {
  /** `marks[i]`: the CRLF offset of raw offset `i * MARK_DISTANCE`. */
  readonly #marks: number[] = [0];
  /** The octet before each mark. */
  readonly #before: number[] = [0];
  rawSize = 0;
  crlfSize = 0;
  #last = 0;

  /** Takes the file's octets in order, in any chunking. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const room = MARK_DISTANCE - (this.rawSize % MARK_DISTANCE);
      const piece = chunk.subarray(at, at + room);
      this.crlfSize += piece.length + countBareLf(piece, this.#last);
      this.rawSize += piece.length;
      this.#last = piece[piece.length - 1] as number;
      at += piece.length;
      if (this.rawSize % MARK_DISTANCE === 0) {
        this.#marks.push(this.crlfSize);
        this.#before.push(this.#last);
      }
    }
  }

  /** The last mark at or before `crlfOffset`. */
  locate(crlfOffset: number): { readonly raw: number; readonly crlf: number; readonly previous: number } {
    let low = 0;
    let high = this.#marks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#marks[middle] as number) <= crlfOffset) low = middle;
      else high = middle - 1;
    }
    return {
      raw: low * MARK_DISTANCE,
      crlf: this.#marks[low] as number,
      previous: this.#before[low] as number,
    };
  }
}
