// The worker's end of the delivery channel, without its socket: bytes in, messages to a port, answers out.

import { FrameError, FrameReader, type MessageWriter, formatFrame } from '@postcote/wire';
import {
  type DeliveryAnswer,
  type DeliveryHeader,
  formatDeliveryHeaders,
  readDeliveryHeader,
} from './protocol.ts';

export interface DeliveryPorts {
  /** Opens one message in the user's inbox; throws what `explain` understands. */
  begin(): Promise<MessageWriter<unknown>>;
  /** What an error of `begin`, `write` or `commit` means to the queue. */
  explain(error: unknown): Extract<DeliveryAnswer, { stored: false }>['code'];
  answer(frame: Buffer): void;
  /** Stops reading until `resume`: the disk is slower than the front. */
  pause(): void;
  resume(): void;
  /** The front broke the protocol: close the connection. */
  violation(reason: string): void;
}

interface Incoming {
  readonly header: DeliveryHeader;
  left: number;
  readonly writer: Promise<MessageWriter<unknown>>;
  /** Settles when everything so far is written; failing writes are kept for the end. */
  written: Promise<void>;
  /** Octets handed to the writer and not yet taken. */
  waiting: number;
}

const HIGH_WATER = 1024 * 1024;
/** Messages being made durable at once on one channel; more wait unread. */
const MAX_COMMITTING = 64;

export class DeliveryReceiver {
  readonly #ports: DeliveryPorts;
  #frames = new FrameReader();
  #current: Incoming | undefined;
  #committing = 0;
  #paused = false;
  #broken = false;

  constructor(ports: DeliveryPorts) {
    this.#ports = ports;
  }

  /** Nothing is under way: the worker may leave. */
  get idle(): boolean {
    return this.#current === undefined && this.#committing === 0;
  }

  receive(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && !this.#broken) {
      rest = this.#current === undefined ? this.#readHeader(rest) : this.#readBody(this.#current, rest);
    }
  }

  /** The front is gone: what is half here leaves nothing behind. */
  ended(): void {
    this.#broken = true;
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined) void current.writer.then((writer) => writer.abort()).catch(() => {});
  }

  #readHeader(chunk: Buffer): Buffer {
    this.#frames.push(chunk);
    let header: DeliveryHeader | undefined;
    try {
      const frame = this.#frames.next();
      if (frame === undefined) return Buffer.alloc(0);
      header = readDeliveryHeader(frame.value);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
    }
    if (header === undefined) {
      this.#broken = true;
      this.#ports.violation('malformed delivery request');
      return Buffer.alloc(0);
    }
    const writer = this.#ports.begin();
    // Heard when the message ends; unheard in between it would end the process.
    writer.catch(() => {});
    this.#current = { header, left: header.size, writer, written: Promise.resolve(), waiting: 0 };
    this.#feed(this.#current, Buffer.from(formatDeliveryHeaders(header), 'utf8'));
    const rest = this.#frames.takeRest();
    if (header.size === 0) this.#finish(this.#current);
    return rest;
  }

  #readBody(message: Incoming, chunk: Buffer): Buffer {
    const piece = chunk.subarray(0, message.left);
    message.left -= piece.length;
    this.#feed(message, piece);
    if (message.left === 0) this.#finish(message);
    return chunk.subarray(piece.length);
  }

  #feed(message: Incoming, bytes: Buffer): void {
    message.waiting += bytes.length;
    if (message.waiting > HIGH_WATER) this.#pause();
    message.written = message.written
      .then(async () => (await message.writer).write(bytes))
      // Also when it failed: what was not taken is forgotten, and the rest must still be read to be answered.
      .finally(() => {
        message.waiting -= bytes.length;
        if (message.waiting <= HIGH_WATER) this.#resume();
      });
    message.written.catch(() => {});
  }

  #finish(message: Incoming): void {
    this.#current = undefined;
    this.#committing += 1;
    if (this.#committing >= MAX_COMMITTING) this.#pause();
    void this.#store(message).then((answer) => {
      this.#committing -= 1;
      this.#resume();
      this.#ports.answer(formatFrame(answer));
    });
  }

  async #store(message: Incoming): Promise<DeliveryAnswer> {
    const { id } = message.header;
    let writer: MessageWriter<unknown> | undefined;
    try {
      writer = await message.writer;
      await message.written;
      await writer.commit();
      return { id, stored: true };
    } catch (error) {
      // What cannot be removed now is swept later; the answer is what counts.
      await writer?.abort().catch(() => {});
      const reason = error instanceof Error ? error.message : String(error);
      return { id, stored: false, code: this.#ports.explain(error), reason };
    }
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#ports.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#committing >= MAX_COMMITTING) return;
    if (this.#current !== undefined && this.#current.waiting > HIGH_WATER) return;
    this.#paused = false;
    this.#ports.resume();
  }
}
