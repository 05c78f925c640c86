// One message on its way into a mailbox: octets go to the store as they come, never the whole message in memory.

import type { AppendResult, MailboxError } from '@postcote/mailbox';
import type { MessageWriter } from '@postcote/wire';
import type { AppendHead } from '../codec/command.ts';
import { no, type Status } from '../codec/response.ts';
import { BinaryToBase64 } from './binary-to-base64.ts';
import { missingMailbox, statusOfError } from './mailbox-errors.ts';

const CR = 0x0d;
const LF = 0x0a;

/** What the client reads when a message cannot be kept. */
export function appendRefusal(mailbox: string, error: MailboxError): Status {
  return error.code === 'nonexistent' ? missingMailbox(mailbox, 'TRYCREATE') : statusOfError(error);
}

export interface OpenAppendOptions {
  readonly writer: MessageWriter<AppendResult>;
  readonly head: AppendHead;
  /** Octets the message may have. */
  readonly maxSize: number;
}

export class OpenAppend {
  readonly head: AppendHead;
  readonly #writer: MessageWriter<AppendResult>;
  readonly #maxSize: number;
  #afterCr = false;
  #settled = false;
  #octets = 0;
  #binary: BinaryToBase64 | undefined;

  constructor({ writer, head, maxSize }: OpenAppendOptions) {
    this.#writer = writer;
    this.head = head;
    this.#maxSize = maxSize;
  }

  /** Octets taken so far. */
  get octets(): number {
    return this.#octets;
  }

  /** Whether so many octets more fit. */
  hasRoomFor(octets: number): boolean {
    return this.#octets + octets <= this.#maxSize;
  }

  /** RFC 3516 §4.4: what follows may hold parts in binary; a Maildir keeps lines, so they become base64. */
  expectBinary(): void {
    this.#binary = new BinaryToBase64();
  }

  /** Throws what storage throws. */
  async write(bytes: Buffer): Promise<void> {
    this.#octets += bytes.length;
    if (this.#binary === undefined) await this.#keep(bytes);
    else for (const piece of this.#binary.push(bytes)) await this.#keep(piece);
  }

  /** The message is whole. */
  async close(): Promise<void> {
    for (const piece of this.#binary?.end() ?? []) await this.#keep(piece);
    this.#binary = undefined;
  }

  async commit(): Promise<AppendResult> {
    this.#settled = true;
    return this.#writer.commit();
  }

  async abort(): Promise<void> {
    if (this.#settled) return;
    this.#settled = true;
    await this.#writer.abort();
  }

  async #keep(bytes: Buffer): Promise<void> {
    for (const piece of this.#normal(bytes)) await this.#writer.write(piece);
  }

  /**
   * Lines get CRLF: the store's form. DOVECOT: a NUL, which RFC 3501 forbids in a literal, becomes 0x80 rather than
   * an error, for clients send such spam along with everything else.
   */
  *#normal(bytes: Buffer): Generator<Buffer> {
    let clean = bytes;
    if (bytes.includes(0)) {
      clean = Buffer.from(bytes);
      for (let at = clean.indexOf(0); at !== -1; at = clean.indexOf(0, at + 1)) clean[at] = 0x80;
    }
    let from = 0;
    for (let at = clean.indexOf(LF); at !== -1; at = clean.indexOf(LF, at + 1)) {
      const crlf = at > 0 ? clean[at - 1] === CR : this.#afterCr;
      if (crlf) continue;
      if (at > from) yield clean.subarray(from, at);
      yield CRLF;
      from = at + 1;
    }
    if (clean.length > from) yield from === 0 ? clean : clean.subarray(from);
    if (clean.length > 0) this.#afterCr = clean.at(-1) === CR;
  }
}

const CRLF = Buffer.from('\r\n');

export const EMPTY_MESSAGE: Status = no("Can't save a zero byte message");
