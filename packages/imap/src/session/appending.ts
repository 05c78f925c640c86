// APPEND as a session sees it: from the announcement of the literal to the answer. The reader is told to take or to
// refuse the octets; every way out leaves it in step with the client.

import type { MailStore } from '@postcote/mailbox';
import type { CommandReader, ReaderEvent } from '../codec/command-reader.ts';
import { parseAppendHead } from '../codec/parse/messages.ts';
import { bad, no, type Status } from '../codec/response.ts';
import { beginAppend, EMPTY_MESSAGE, type OpenAppend } from './append.ts';
import { INTERNAL_ERROR } from './mailbox-errors.ts';

export type AppendEvent = Extract<ReaderEvent, { readonly kind: 'append' }>;
export type CommandEvent = Extract<ReaderEvent, { readonly kind: 'command' }>;

export interface AppendingOptions {
  readonly store: MailStore;
  readonly reader: CommandReader;
  /** Octets of one message. */
  readonly maxSize: number;
  /** For what nobody expected. */
  readonly logError: (error: unknown) => void;
}

export interface Answer {
  readonly tag: string;
  readonly status: Status;
}

export class Appending {
  readonly #options: AppendingOptions;
  #open: OpenAppend | undefined;
  #tag = '';

  constructor(options: AppendingOptions) {
    this.#options = options;
  }

  get active(): boolean {
    return this.#open !== undefined;
  }

  /** An answer when the literal is not wanted; undefined when it may come. */
  async begin({ tag, verb, args, literal }: AppendEvent): Promise<Answer | undefined> {
    const refuse = (status: Status): Answer => {
      this.#options.reader.refuseLiteral();
      return { tag, status };
    };
    if (this.#open !== undefined) {
      // A second message: MULTIAPPEND (RFC 3502) is not announced.
      await this.abort();
      return refuse(bad(`Error in IMAP command ${verb}: Only one message can be appended at a time`));
    }
    const head = parseAppendHead(args);
    if (!head.ok) {
      return refuse(
        head.kind === 'no' ? no(head.text, head.code) : bad(`Error in IMAP command ${verb}: ${head.text}`),
      );
    }
    if (literal.size === 0) return refuse(EMPTY_MESSAGE);
    if (literal.size > this.#options.maxSize) return refuse(no('Message is too large.', 'LIMIT'));
    try {
      const start = await beginAppend(this.#options.store, head.value);
      if (start.kind === 'refused') return refuse(start.status);
      this.#open = start.append;
    } catch (error) {
      this.#options.logError(error);
      return refuse(INTERNAL_ERROR);
    }
    this.#tag = tag;
    this.#options.reader.acceptLiteral();
    return undefined;
  }

  /** An answer when the message cannot be kept; what still comes of it is swallowed. */
  async write(bytes: Buffer): Promise<Answer | undefined> {
    let problem: Status | undefined;
    try {
      problem = await this.#open?.write(bytes);
    } catch (error) {
      this.#options.logError(error);
      problem = INTERNAL_ERROR;
    }
    if (problem === undefined) return undefined;
    this.#open = undefined;
    this.#options.reader.abandonLiteral();
    return { tag: this.#tag, status: problem };
  }

  /** The command is whole. Throws what `OpenAppend.commit` throws. */
  async end({ verb, args }: CommandEvent): Promise<Status> {
    const open = this.#open;
    if (open === undefined) return INTERNAL_ERROR;
    if (args.length > 0) {
      await this.abort();
      return bad(`Error in IMAP command ${verb}: Invalid arguments`);
    }
    this.#open = undefined;
    return open.commit();
  }

  async abort(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.abort();
  }
}
