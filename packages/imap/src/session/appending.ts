// APPEND and REPLACE as a session sees them: from the first stretch of the command to the answer. The reader is told to
// take or to refuse each literal; every way out leaves it in step with the client.
//
// Several messages of one APPEND (RFC 3502) come in together or not at all: they are put into the mailbox when the
// last one is whole, and taken out again when one of them fails there.

import { type AppendResult, MailboxError } from '@postcote/mailbox';
import type { AppendStep } from '../codec/command.ts';
import type { CommandReader, ReaderEvent } from '../codec/command-reader.ts';
import { parseAppendStretch } from '../codec/parse/append.ts';
import { namesFromUtf8 } from '../codec/utf8-names.ts';
import { bad, no, ok, type Status } from '../codec/response.ts';
import { formatNumbers } from '../codec/sequence-set.ts';
import { internalName } from './namespace.ts';
import { appendRefusal, EMPTY_MESSAGE, OpenAppend } from './append.ts';
import { copyUrl } from './catenate.ts';
import type { SessionCore } from './core.ts';
import { INTERNAL_ERROR, statusOfError } from './mailbox-errors.ts';

export type AppendEvent = Extract<ReaderEvent, { readonly kind: 'append' }>;
export type CommandEvent = Extract<ReaderEvent, { readonly kind: 'command' }>;

/** Verbs that go here. */
export const APPENDING: ReadonlySet<string> = new Set(['APPEND', 'REPLACE', 'UID REPLACE']);

/** Messages of one command; each holds up to 256 KiB or a file until the last has come. */
const MAX_MESSAGES = 100;

export interface AppendingOptions {
  readonly core: SessionCore;
  readonly reader: CommandReader;
  /** For what nobody expected. */
  readonly logError: (error: unknown) => void;
}

export interface Answer {
  readonly tag: string;
  readonly status: Status;
}

/** A status as an exception, within this file: the command is over. */
class Refused extends Error {
  readonly status: Status;
  constructor(status: Status) {
    super(status.text);
    this.status = status;
  }
}

interface Target {
  readonly mailbox: string;
  /** UID, in the selected mailbox, of the message that is replaced. */
  readonly replaced?: number;
}

export class Appending {
  readonly #options: AppendingOptions;
  #tag: string | undefined;
  #target: Target | undefined;
  #messages: OpenAppend[] = [];

  constructor(options: AppendingOptions) {
    this.#options = options;
  }

  get active(): boolean {
    return this.#tag !== undefined;
  }

  /** An answer when the literal is not wanted; undefined when it may come. */
  async begin(event: AppendEvent): Promise<Answer | undefined> {
    const { literal, tag } = event;
    const problem = await this.#attempt(async () => {
      await this.#take(event, true);
      const open = this.#current();
      const { form } = open.head;
      if (form === 'plain' && literal.size === 0) throw new Refused(EMPTY_MESSAGE);
      if (!open.hasRoomFor(literal.size)) throw new Refused(no('Message is too large.', 'TOOBIG'));
      if (form === 'utf8' && !literal.binary) throw new Refused(invalid(event.verb, 'Invalid arguments'));
      if (form === 'plain' && literal.binary) open.expectBinary();
    });
    if (problem === undefined) {
      this.#options.reader.acceptLiteral();
      return undefined;
    }
    this.#options.reader.refuseLiteral();
    return { tag, status: problem };
  }

  /** An answer when the message cannot be kept; what still comes of it is swallowed. */
  async write(bytes: Buffer): Promise<Answer | undefined> {
    const tag = this.#tag ?? '*';
    const problem = await this.#attempt(() => this.#current().write(bytes));
    if (problem === undefined) return undefined;
    this.#options.reader.abandonLiteral();
    return { tag, status: problem };
  }

  /** The command is whole. */
  async end(event: CommandEvent): Promise<Status> {
    let answer: Status = INTERNAL_ERROR;
    const problem = await this.#attempt(async () => {
      await this.#take(event, false);
      answer = await this.#commit();
    });
    this.#forget();
    return problem ?? answer;
  }

  async abort(): Promise<void> {
    const messages = this.#messages;
    this.#forget();
    for (const message of messages) await message.abort();
  }

  #forget(): void {
    this.#tag = undefined;
    this.#target = undefined;
    this.#messages = [];
  }

  /** A status when it failed; everything is given up then. */
  async #attempt(work: () => Promise<void>): Promise<Status | undefined> {
    try {
      await work();
      return undefined;
    } catch (error) {
      const mailbox = this.#target?.mailbox ?? '';
      await this.abort();
      if (error instanceof Refused) return error.status;
      if (error instanceof MailboxError) {
        if (error.code === 'unavailable') this.#options.logError(error);
        return appendRefusal(mailbox, error);
      }
      this.#options.logError(error);
      return INTERNAL_ERROR;
    }
  }

  #current(): OpenAppend {
    const open = this.#messages.at(-1);
    if (open === undefined) throw new Error('no message is open');
    return open;
  }

  async #take(event: AppendEvent | CommandEvent, literal: boolean): Promise<void> {
    const { verb, tag } = event;
    const args =
      this.#target === undefined && this.#options.core.utf8Names
        ? namesFromUtf8(verb, event.args)
        : event.args;
    const list = event.kind === 'append' ? event.list : undefined;
    const form = this.#messages.at(-1)?.head.form;
    const steps = parseAppendStretch({ verb, args, literal, ...(list === undefined ? {} : { list }) }, form);
    if (!steps.ok)
      throw new Refused(steps.kind === 'no' ? no(steps.text, steps.code) : invalid(verb, steps.text));
    this.#tag = tag;
    for (const step of steps.value) await this.#step(step, verb);
  }

  async #step(step: AppendStep, verb: string): Promise<void> {
    const { core } = this.#options;
    switch (step.kind) {
      case 'target':
        this.#target = this.#findTarget(step, verb);
        return;
      case 'open': {
        const { mailbox } = this.#target ?? { mailbox: '' };
        const { head } = step;
        if (head.form === 'utf8' && !core.enabled.has('UTF8=ACCEPT'))
          throw new Refused(invalid(verb, 'UTF8=ACCEPT is not enabled'));
        if (this.#messages.length >= MAX_MESSAGES)
          throw new Refused(no('Too many messages at once.', 'LIMIT'));
        if (this.#messages.length > 0 && verb !== 'APPEND')
          throw new Refused(invalid(verb, 'Only one message replaces one'));
        const { flags, internalDate } = head;
        const options = { flags, ...(internalDate === undefined ? {} : { internalDate }) };
        const writer = await core.store.beginAppend(mailbox, options);
        this.#messages.push(new OpenAppend({ writer, head, maxSize: core.settings.maxAppend }));
        return;
      }
      case 'url': {
        const problem = await copyUrl(core, step.text, this.#current());
        if (problem !== undefined) throw new Refused(problem);
        return;
      }
      case 'close':
        await this.#current().close();
        if (this.#current().octets === 0) throw new Refused(EMPTY_MESSAGE);
        return;
      case 'literal':
        return;
      default:
        step satisfies never;
    }
  }

  #findTarget(step: Extract<AppendStep, { kind: 'target' }>, verb: string): Target {
    const { replaces } = step;
    const inside = internalName(step.mailbox, this.#options.core.settings.namespace);
    if (!inside.ok) throw new Refused(no(inside.text, inside.code));
    const mailbox = inside.name;
    if (replaces === undefined) return { mailbox };
    const { selected } = this.#options.core;
    if (selected === undefined) throw new Refused(bad('No mailbox selected'));
    if (selected.readOnly) throw new Refused(no('Mailbox is read-only.', 'READ-ONLY'));
    const ranges = selected.resolve(replaces.set, replaces.numbering);
    if (ranges === undefined) throw new Refused(invalid(verb, 'Invalid messageset'));
    const [uid, ...more] = selected.uidsOf(
      ranges.slice(0, 2).map(({ first, last }) => ({ first, last: Math.min(last, first + 1) })),
    );
    if (uid === undefined) throw new Refused(no('No such message.', 'NONEXISTENT'));
    if (more.length > 0) throw new Refused(invalid(verb, 'Only one message can be replaced'));
    return { mailbox, replaced: uid };
  }

  async #commit(): Promise<Status> {
    const { core } = this.#options;
    const target = this.#target;
    const results: AppendResult[] = [];
    try {
      for (const message of this.#messages) results.push(await message.commit());
    } catch (error) {
      await this.#takeBack(target?.mailbox ?? '', results);
      throw error;
    }
    const code = `APPENDUID ${results[0]?.uidValidity ?? 0} ${formatNumbers(results.map(({ uid }) => uid))}`;
    if (target?.replaced === undefined) return ok('Append completed.', code);
    // RFC 8508 §3.4: before the EXPUNGE.
    core.out.text(`* OK [${code}] Replacement Message ready.\r\n`);
    try {
      await core.selected?.mailbox.expunge([target.replaced]);
    } catch (error) {
      if (!(error instanceof MailboxError)) throw error;
      // Both are there: the client can see that, and nothing is lost.
      return statusOfError(error);
    }
    core.counters.expunged += 1;
    return ok('Replace completed.');
  }

  async #takeBack(name: string, results: readonly AppendResult[]): Promise<void> {
    if (results.length === 0) return;
    const mailbox = await this.#options.core.store.open(name);
    try {
      await mailbox.expunge(results.map(({ uid }) => uid));
    } finally {
      await mailbox.close();
    }
  }
}

function invalid(verb: string, text: string): Status {
  return bad(`Error in IMAP command ${verb}: ${text}`);
}
