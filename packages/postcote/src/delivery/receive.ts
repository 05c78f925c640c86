// The worker's end of the delivery channel, without its socket: bytes in, messages to a port, answers out.

import { FrameError, FrameReader, type MessageWriter, formatFrame } from '@postcote/wire';
import type { ForwardTarget } from '../local/forward-file.ts';
import type { LocalResult } from '../local/outcome.ts';
import {
  type DeliveryAnswer,
  type DeliveryHeader,
  type DeliveryNews,
  readDeliveryHeader,
} from './protocol.ts';

/** What became of one message. */
export type DeliveryVerdict =
  | { readonly kind: 'stored' }
  | { readonly kind: 'result'; readonly result: LocalResult }
  | { readonly kind: 'forwarded'; readonly targets: readonly ForwardTarget[]; readonly propagates: boolean }
  | { readonly kind: 'elsewhere' };

export type DeliveryWriter = MessageWriter<DeliveryVerdict>;

export interface DeliveryPorts {
  /** Opens one message; throws what `explain` understands. */
  begin(header: DeliveryHeader): Promise<DeliveryWriter>;
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
  readonly writer: Promise<DeliveryWriter>;
  /** The writer, once it is there. */
  opened: DeliveryWriter | undefined;
  /** Settles when everything so far is written; failing writes are kept for the end. */
  written: Promise<void>;
  /** Octets handed to the writer and not yet taken. */
  waiting: number;
}

const HIGH_WATER = 1024 * 1024;
/** Messages being made durable at once on one channel; more wait unread. */
const MAX_COMMITTING = 64;
/** Milliseconds between signs of life while a command runs. */
const SIGN_OF_LIFE = 15_000;
/** Octets of targets in one frame. */
const TARGETS_OCTETS = 32 * 1024;

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

  /** The chunk is the caller's again when it returns. */
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
    const part = this.#frames.pending === 0 ? firstFrame(chunk) : chunk;
    this.#frames.push(part);
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
    const writer = this.#ports.begin(header);
    // Heard when the message ends; unheard in between it would end the process.
    const message: Incoming = {
      header,
      left: header.size,
      writer,
      opened: undefined,
      written: Promise.resolve(),
      waiting: 0,
    };
    writer.then(
      (opened) => (message.opened = opened),
      () => {},
    );
    this.#current = message;
    const beyond = this.#frames.takeRest();
    const rest = part === chunk ? beyond : chunk.subarray(part.length);
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
    const { opened, written } = message;
    if (opened !== undefined && message.waiting === 0) {
      const writing = opened.write(bytes);
      if (writing === undefined) return;
      // Heard below, unless something failed before it.
      writing.catch(() => {});
      this.#await(
        message,
        written.then(() => writing),
        bytes.length,
      );
      return;
    }
    const own = Buffer.from(bytes);
    this.#await(
      message,
      written.then(async () => (await message.writer).write(own)),
      bytes.length,
    );
  }

  #await(message: Incoming, writing: Promise<void>, octets: number): void {
    message.waiting += octets;
    if (message.waiting > HIGH_WATER) this.#pause();
    // Also when it failed: what was not taken is forgotten, and the rest must still be read to be answered.
    message.written = writing.finally(() => {
      message.waiting -= octets;
      if (message.waiting <= HIGH_WATER) this.#resume();
    });
    message.written.catch(() => {});
  }

  #finish(message: Incoming): void {
    this.#current = undefined;
    this.#committing += 1;
    if (this.#committing >= MAX_COMMITTING) this.#pause();
    const { id } = message.header;
    const alive = setInterval(
      () => this.#ports.answer(formatFrame({ id, alive: true } satisfies DeliveryNews)),
      SIGN_OF_LIFE,
    );
    void this.#store(message).then((answer) => {
      clearInterval(alive);
      this.#committing -= 1;
      this.#resume();
      this.#ports.answer(formatFrame(answer));
    });
  }

  async #store(message: Incoming): Promise<DeliveryAnswer> {
    const { id } = message.header;
    let writer: DeliveryWriter | undefined;
    try {
      writer = await message.writer;
      await message.written;
      return this.#answerOf(id, await writer.commit());
    } catch (error) {
      // What cannot be removed now is swept later; the answer is what counts.
      await writer?.abort().catch(() => {});
      const reason = error instanceof Error ? error.message : String(error);
      return { id, stored: false, code: this.#ports.explain(error), reason };
    }
  }

  #answerOf(id: number, verdict: DeliveryVerdict): DeliveryAnswer {
    switch (verdict.kind) {
      case 'stored':
        return { id, stored: true };
      case 'result':
        return { id, result: verdict.result };
      case 'elsewhere':
        return { id, elsewhere: true };
      case 'forwarded':
        for (const targets of inFrames(verdict.targets))
          this.#ports.answer(formatFrame({ id, targets } satisfies DeliveryNews));
        return { id, forwarded: true, propagates: verdict.propagates };
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

/** The frame alone, where the chunk begins with a whole one: the message after it need not be copied. */
function firstFrame(chunk: Buffer): Buffer {
  return chunk.length < 4 ? chunk : chunk.subarray(0, 4 + chunk.readUInt32BE(0));
}

function* inFrames(targets: readonly ForwardTarget[]): Generator<ForwardTarget[]> {
  let part: ForwardTarget[] = [];
  let octets = 0;
  for (const target of targets) {
    const length = JSON.stringify(target).length * 3;
    if (octets + length > TARGETS_OCTETS && part.length > 0) {
      yield part;
      part = [];
      octets = 0;
    }
    part.push(target);
    octets += length;
  }
  if (part.length > 0) yield part;
}
