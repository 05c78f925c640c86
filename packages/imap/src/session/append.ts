// APPEND while its literal streams in: octets go to the store as they come, never the whole message in memory.
//
// A failure on the way is remembered and answered once; the rest of the literal is swallowed by the reader.

import { type AppendResult, MailboxError, type MailStore } from '@postcote/mailbox';
import type { MessageWriter } from '@postcote/wire';
import type { AppendHead } from '../codec/command.ts';
import { no, ok, type Status } from '../codec/response.ts';
import { missingMailbox, statusOfError } from './mailbox-errors.ts';

const CR = 0x0d;
const LF = 0x0a;

export type AppendStart =
  | { readonly kind: 'open'; readonly append: OpenAppend }
  | { readonly kind: 'refused'; readonly status: Status };

export async function beginAppend(store: MailStore, head: AppendHead): Promise<AppendStart> {
  const { mailbox, flags, internalDate } = head;
  try {
    const writer = await store.beginAppend(mailbox, {
      flags,
      ...(internalDate === undefined ? {} : { internalDate }),
    });
    return { kind: 'open', append: new OpenAppend(mailbox, writer) };
  } catch (error) {
    if (!(error instanceof MailboxError)) throw error;
    return { kind: 'refused', status: refusal(mailbox, error) };
  }
}

function refusal(mailbox: string, error: MailboxError): Status {
  return error.code === 'nonexistent' ? missingMailbox(mailbox, 'TRYCREATE') : statusOfError(error);
}

export class OpenAppend {
  readonly #mailbox: string;
  readonly #writer: MessageWriter<AppendResult>;
  #afterCr = false;
  #settled = false;

  constructor(mailbox: string, writer: MessageWriter<AppendResult>) {
    this.#mailbox = mailbox;
    this.#writer = writer;
  }

  /** Undefined while all is well; a status when the message cannot be kept. */
  async write(bytes: Buffer): Promise<Status | undefined> {
    try {
      for (const piece of this.#normal(bytes)) await this.#writer.write(piece);
      return undefined;
    } catch (error) {
      await this.abort();
      if (error instanceof MailboxError) return refusal(this.#mailbox, error);
      throw error;
    }
  }

  async commit(): Promise<Status> {
    this.#settled = true;
    try {
      const { uidValidity, uid } = await this.#writer.commit();
      return ok('Append completed.', `APPENDUID ${uidValidity} ${uid}`);
    } catch (error) {
      if (error instanceof MailboxError) return refusal(this.#mailbox, error);
      throw error;
    }
  }

  async abort(): Promise<void> {
    if (this.#settled) return;
    this.#settled = true;
    await this.#writer.abort();
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
