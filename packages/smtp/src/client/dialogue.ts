// Commands and replies with a server, one after the other, each with its time limit and the words for what was being
// done when it broke.
//
// Contract: `command` and `read` reject with `SendError` only. After the connection ended, or a reply that is none,
// everything rejects with the first error there was.

import { filterReply } from './reply-filter.ts';
import { SendError, temporary } from './outcome.ts';
import { ReplyReader, type ServerReply } from './reply-reader.ts';
import type { TransportTable } from './transport.ts';

/** What is being done: for the log, and how long it may take. */
export interface Phase {
  readonly name: string;
  readonly timeout: number;
}

/** What a dialogue asks of its connection. */
export interface DialogueHost {
  write(bytes: string | Uint8Array): boolean;
  /** Settles when the peer has taken what was written, or when the connection ended. */
  drained(): Promise<void>;
  close(): void;
  /** Milliseconds without input or output until the connection timed out. */
  setTimeout(ms: number): void;
}

export interface DialogueOptions {
  /** `mx.example.com[192.0.2.1]`, as log lines show it. */
  readonly hostName: string;
  /** smtp_reply_filter */
  readonly replyFilter?: TransportTable;
}

export class Dialogue {
  readonly #host: DialogueHost;
  readonly #options: DialogueOptions;
  readonly #reader = new ReplyReader();
  #waiting: { resolve(reply: ServerReply): void; reject(error: SendError): void } | undefined;
  #phase: Phase;
  #ended: SendError | undefined;
  /** Something was begun that did not end: no other message goes this way. */
  dirty = false;
  /** The server said that it closes (421): neither does one then. */
  closing = false;

  constructor(host: DialogueHost, first: Phase, options: DialogueOptions) {
    this.#host = host;
    this.#phase = first;
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  /** Octets that came unasked. */
  get pending(): number {
    return this.#reader.pending;
  }

  receive(chunk: Uint8Array): void {
    this.#reader.push(chunk);
    this.#serve();
  }

  /** Forgets what came before TLS. */
  discard(): void {
    this.#reader.discard();
  }

  connectionEnded(): void {
    const text = `lost connection with ${this.#options.hostName} while ${this.#phase.name}`;
    this.fail(new SendError(temporary('4.4.2', text), { broken: true }));
  }

  timedOut(): void {
    const text = `conversation with ${this.#options.hostName} timed out while ${this.#phase.name}`;
    this.fail(new SendError(temporary('4.4.2', text), { broken: true }));
    this.#host.close();
  }

  fail(error: SendError): void {
    this.#ended ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#ended);
  }

  /** Ends it from our side; answers what everything rejects with from here on. */
  breakOff(error: SendError): SendError {
    this.#host.close();
    this.fail(error);
    return error;
  }

  command(line: string, phase: Phase): Promise<ServerReply> {
    this.#host.write(`${line}\r\n`);
    return this.read(phase);
  }

  /** For what is written without a reply to each piece. */
  write(bytes: string | Uint8Array): void {
    this.#host.write(bytes);
  }

  /** What is written from here on belongs to this phase. */
  enter(phase: Phase): void {
    this.#phase = phase;
    this.#host.setTimeout(phase.timeout);
  }

  /** A message's octets; resolves when the peer keeps up, rejects when it is gone. */
  async pour(chunk: Buffer): Promise<void> {
    if (chunk.length > 0 && !this.#host.write(chunk)) await this.#host.drained();
    if (this.#ended !== undefined) throw this.#ended;
  }

  /** The next reply. A 421 ends the session whatever it answers (RFC 5321 §3.8). */
  async read(phase: Phase): Promise<ServerReply> {
    const { replyFilter } = this.#options;
    const reply = await this.#readPlain(phase);
    return replyFilter === undefined ? reply : await filterReply(reply, replyFilter);
  }

  #readPlain(phase: Phase): Promise<ServerReply> {
    this.#phase = phase;
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#host.setTimeout(phase.timeout);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
    });
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const read = this.#reader.next();
    if (read === undefined) return;
    this.#waiting = undefined;
    if (read.kind === 'reply') {
      if (read.reply.code === 421) this.closing = true;
      waiting.resolve(read.reply);
      return;
    }
    const text = `host ${this.#options.hostName} gave a malformed reply while ${this.#phase.name}: ${read.text}`;
    const error = new SendError(temporary('4.5.0', text), { broken: true });
    this.#ended ??= error;
    this.#host.close();
    waiting.reject(error);
  }
}
