// Messages of one session as they come in: the data of DATA, the chunks of BDAT. Takes octets out of the session's
// input and says what is to be done next; the session waits, replies and counts.
//
// One message at a time. Whatever ends the session calls `drop`: nothing half-received stays in the queue.

import type { LineFramer } from '@postcote/wire';
import {
  type Conversation,
  type Next,
  type Outcome,
  abortMilters,
  failed,
  resetTransaction,
} from './conversation.ts';
import { type MessageForm, MessageReceiver } from './message-receiver.ts';
import { type Reply, reply } from './reply.ts';

export type Chunk = Extract<Next, { kind: 'bdat' }>;

/** What reading brought. */
export type Reading =
  | { readonly kind: 'needMore' }
  | { readonly kind: 'goOn' }
  /** The queue has enough for now. */
  | { readonly kind: 'wait'; readonly until: Promise<void> }
  /** A chunk, or the message, is complete. */
  | { readonly kind: 'done'; readonly outcome: Outcome }
  /** The message is the queue's from here on: a broken connection no longer takes it back. */
  | { readonly kind: 'finish'; readonly outcome: Promise<Outcome> };

/** What the log calls the moment after a message. */
export const END_OF_MESSAGE = 'END-OF-MESSAGE';

const NEED_MORE: Reading = { kind: 'needMore' };
const GO_ON: Reading = { kind: 'goOn' };
const CHUNK_TOO_BIG = reply(552, '3.4', 'Chunk exceeds message size limit');
/** A chunk without a message: a fault of ours. */
const NO_MESSAGE = reply(451, '3.0', 'Error: internal error');

export class MessageIntake {
  readonly #conversation: Conversation;
  #message: MessageReceiver | undefined;
  /** BDAT's chunk in progress; absent for DATA. */
  #chunk: Chunk | undefined;
  #left = 0;
  #dropped = false;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  /** Opens a message for DATA; the reply that says why not, or undefined. */
  openData(): Promise<Reply | undefined> {
    this.#chunk = undefined;
    return this.#open({ dotStuffed: true });
  }

  /** Prepares for a chunk: opens the message with the first. Never refuses: a refused chunk is read and then answered so. */
  openChunk(chunk: Chunk): Promise<void> | undefined {
    const { messageSizeLimit } = this.#conversation.settings;
    this.#start(chunk);
    if (chunk.refused !== undefined) return undefined;
    if (this.#message === undefined) {
      return this.#open({ dotStuffed: false }).then((refused) => {
        if (refused !== undefined) this.#fail(chunk, refused);
      });
    }
    if (messageSizeLimit > 0 && this.#message.size + chunk.size > messageSizeLimit)
      this.#fail(chunk, CHUNK_TOO_BIG);
    return undefined;
  }

  /** Takes what belongs to the message out of the input. */
  read(input: LineFramer): Reading {
    return this.#chunk === undefined ? this.#readData(input) : this.#readChunk(input, this.#chunk);
  }

  /** ` (1234 bytes)` of the log line about a connection that ended in the middle. */
  get progress(): string {
    if (this.#chunk?.refused !== undefined) return '';
    return ` (${this.#message?.size ?? 0} bytes)`;
  }

  /** Forgets a BDAT message whose transaction ended (RSET, EHLO, an error). */
  forgetChunks(): void {
    if (this.#conversation.chunking !== 'receiving' && this.#chunk !== undefined) this.#abort();
  }

  /** The session is over. */
  drop(): void {
    this.#dropped = true;
    this.#abort();
  }

  async #open(form: MessageForm): Promise<Reply | undefined> {
    const { transaction } = this.#conversation;
    if (transaction === undefined) return NO_MESSAGE;
    const message = await MessageReceiver.open(this.#conversation, transaction, form);
    if (!(message instanceof MessageReceiver)) return message;
    if (this.#dropped) await message.abort();
    else this.#message = message;
    return undefined;
  }

  #start(chunk: Chunk): void {
    this.#chunk = chunk;
    this.#left = chunk.size;
  }

  #fail(chunk: Chunk, refused: Reply): void {
    this.#conversation.transaction = undefined;
    abortMilters(this.#conversation);
    this.#conversation.chunking = 'failed';
    this.#abort();
    this.#start({ ...chunk, refused });
  }

  #abort(): void {
    void this.#message?.abort();
    this.#message = undefined;
  }

  #readData(input: LineFramer): Reading {
    const message = this.#message;
    const octets = input.takeRest();
    if (octets.length === 0 || message === undefined) return NEED_MORE;
    const taken = message.push(octets);
    if (taken < octets.length) input.push(octets.subarray(taken));
    if (message.ended) return this.#finish(message, (value) => value);
    return message.waiting === undefined ? GO_ON : { kind: 'wait', until: message.waiting };
  }

  #readChunk(input: LineFramer, chunk: Chunk): Reading {
    const octets = input.takeUpTo(this.#left);
    if (octets.length === 0 && this.#left > 0) return NEED_MORE;
    this.#left -= octets.length;
    const message = chunk.refused === undefined ? this.#message : undefined;
    if (octets.length > 0) message?.push(octets);
    if (this.#left > 0)
      return message?.waiting === undefined ? GO_ON : { kind: 'wait', until: message.waiting };
    if (message === undefined) return { kind: 'done', outcome: failed(chunk.refused ?? NO_MESSAGE) };
    if (chunk.last) return this.#finish(message, (value) => withSize(value, message));
    return { kind: 'done', outcome: { ok: true, reply: reply(250, '0.0', `Ok: ${chunk.size} bytes`) } };
  }

  #finish(message: MessageReceiver, wording: (value: Reply) => Reply): Reading {
    this.#message = undefined;
    this.#chunk = undefined;
    this.#conversation.where = END_OF_MESSAGE;
    const outcome = message.finish().then((value): Outcome => {
      resetTransaction(this.#conversation);
      return value.code < 300 ? { ok: true, reply: wording(value) } : failed(value);
    });
    return { kind: 'finish', outcome };
  }
}

/** POSTFIX: BDAT's answer tells how much came. */
function withSize(value: Reply, message: MessageReceiver): Reply {
  return { ...value, lines: [`Ok: ${message.size} bytes queued as ${message.queueId}`] };
}
