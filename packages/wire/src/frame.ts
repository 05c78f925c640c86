// Length-prefixed frames between our own processes: four octets of length (big endian), then that many of
// JSON. Bounded on both sides; never signals anything by closing.

/** Octets a control frame may have; requests between processes are small and bounded. */
export const MAX_FRAME = 64 * 1024;

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Makes one frame. Throws `FrameError` when the value is larger than `MAX_FRAME`. */
export function formatFrame(value: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(value), 'utf8');
  if (body.length > MAX_FRAME) throw new FrameError(`frame of ${body.length} octets exceeds ${MAX_FRAME}`);
  const frame = Buffer.allocUnsafe(4 + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, 4);
  return frame;
}

/** Collects frames from chunks. `next` throws `FrameError` on an oversized or malformed frame: close then. */
export class FrameReader {
  readonly #limit: number;
  #buffer = Buffer.alloc(0);

  constructor(limit: number = MAX_FRAME) {
    this.#limit = limit;
  }

  /** Octets that belong to no whole frame yet, or were not taken. */
  get pending(): number {
    return this.#buffer.length;
  }

  push(chunk: Uint8Array): void {
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#buffer, chunk]);
  }

  /** The next whole frame's value, or undefined when more octets are needed. */
  next(): { readonly value: unknown } | undefined {
    if (this.#buffer.length < 4) return undefined;
    const length = this.#buffer.readUInt32BE(0);
    if (length > this.#limit) throw new FrameError(`frame of ${length} octets exceeds ${this.#limit}`);
    if (this.#buffer.length < 4 + length) return undefined;
    const body = this.#buffer.toString('utf8', 4, 4 + length);
    this.#buffer = this.#buffer.subarray(4 + length);
    try {
      return { value: JSON.parse(body) as unknown };
    } catch {
      throw new FrameError('frame is not JSON');
    }
  }

  /** Octets after the frames taken so far: the start of whatever follows on the connection. */
  takeRest(): Buffer {
    const rest = this.#buffer;
    this.#buffer = Buffer.alloc(0);
    return rest;
  }
}
