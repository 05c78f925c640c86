// The queue as the front process sees it: acceptance, delivery in the background, and what an administrator
// asks of it. See docs/queue.md.

import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { Log } from '@postcote/wire';
import type {
  Destination,
  EnvelopeRecipient,
  MessageEnvelope,
  QueueEnvelope,
  QueuedRecipient,
} from '../envelope.ts';
import type { Deliverer, MessageBody, QueueClock, Resolve, Route } from '../ports.ts';
import { parseQueueId } from '../queue-id.ts';
import type { QueuedMessage } from '../schedule-store.ts';
import { QueueError } from '../ports.ts';
import { Notifier, type NoticeWriter } from '../notifier.ts';
import { isExpanded } from '../expanded.ts';
import { Scheduler } from '../scheduler.ts';
import { defaultQueueSettings } from '../settings.ts';
import type { QueueSettings } from '../settings.ts';
import { systemClock } from './clock.ts';
import { MessageIntake } from './intake.ts';
import type { IntakeContext } from './intake.ts';
import { SPOOL_FOLDER } from './protocol.ts';
import type { KnownMessage, QueueCounts } from './protocol.ts';
import { QueueReader } from './reader.ts';
import { QueueStore } from './store.ts';

export interface QueueOptions {
  /** Made when missing (its parent must exist), for this process alone. */
  readonly directory: string;
  readonly settings?: Partial<QueueSettings>;
  readonly clock?: QueueClock;
  readonly log: Log;
  readonly resolve: Resolve;
  readonly route?: Route;
  readonly deliverer: Deliverer;
  /** How notifications come in; straight into the queue by default. What it rejects is notified of later. */
  beginNotice?(envelope: QueueEnvelope): Promise<NoticeWriter>;
  /** The thread's compiled entry; from sources it is found by itself. */
  readonly threadUrl?: URL;
  /** A thread that `startQueueThread` started, in place of one from `threadUrl`. */
  readonly thread?: Worker;
  /** The thread died: nothing can be accepted any more. The process should end and start anew. */
  readonly onFailure?: (error: Error) => void;
}

/** A message being received; the shape of `MessageWriter` with the id known from the start. */
export interface QueueWriter {
  readonly queueId: string;
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** Before `commit`: another envelope in place of the first. */
  amend(envelope: QueueEnvelope): void;
  /** Settles when the message is durable. Throws `QueueError`; nothing is kept then. */
  commit(): Promise<{ readonly queueId: string }>;
  abort(): Promise<void>;
}

export interface QueueListEntry {
  readonly queueId: string;
  readonly status: 'active' | 'hold' | 'deferred';
  readonly sender: string;
  readonly size: number;
  readonly arrivedAt: number;
  readonly nextAttempt: number | undefined;
  readonly recipients: readonly (QueuedRecipient & {
    readonly dsn: string | undefined;
    readonly reason: string | undefined;
  })[];
}

/** One message as an administrator looks at it. */
export interface QueuedContent {
  readonly queueId: string;
  readonly status: QueueListEntry['status'];
  readonly envelope: MessageEnvelope;
  readonly size: number;
  readonly arrivedAt: number;
  readonly recipients: readonly QueuedRecipient[];
  /** Throws when the octets cannot be read. */
  open(): Promise<MessageBody>;
}

/** Milliseconds between looks, and altogether, for the deliveries of a message that is being requeued. */
const REQUEUE_LOOK = 25;
const REQUEUE_PATIENCE = 30_000;

/** Free space is asked for this often at most. */
const STATFS_MS = 1000;
const LIST_WINDOW = 200;

/** Opens the queue and recovers what the last run left. Deliveries begin with `start`. */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const clock = options.clock ?? systemClock;
  const store = await QueueStore.open({
    directory: options.directory,
    threadUrl: options.threadUrl ?? new URL('./queue-thread.ts', import.meta.url),
    thread: options.thread,
    clock,
    onFailure: (error) => {
      options.log('fatal', 'postfix/qmgr', `the queue failed: ${error.message}`);
      options.onFailure?.(error);
    },
  });
  return new Queue(options, clock, store);
}

export class Queue {
  readonly #directory: string;
  readonly #store: QueueStore;
  readonly #reader: QueueReader;
  readonly #scheduler: Scheduler;
  readonly #intake: IntakeContext;
  readonly #clock: QueueClock;
  #settings: QueueSettings;
  #space: { readonly at: number; readonly free: number; readonly block: number } | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: QueueOptions, clock: QueueClock, store: QueueStore) {
    this.#directory = options.directory;
    this.#clock = clock;
    this.#store = store;
    this.#settings = { ...defaultQueueSettings, ...options.settings };
    const spoolFolder = join(options.directory, SPOOL_FOLDER);
    this.#reader = new QueueReader(store, spoolFolder, options.route);
    const { log, deliverer, resolve } = options;
    const settings = (): QueueSettings => this.#settings;
    const notifier = new Notifier({
      begin: (envelope) => options.beginNotice?.(envelope) ?? this.begin(envelope),
      openBody: (message) => this.#reader.openBody(message),
      clock,
      log,
      settings,
    });
    this.#scheduler = new Scheduler({
      store: this.#reader,
      deliverer,
      clock,
      log,
      notify: (message, notices) => notifier.notify(message, notices),
      settings,
    });
    this.#intake = { store, scheduler: this.#scheduler, spoolFolder, clock, log, resolve, settings };
  }

  start(): void {
    this.#scheduler.start();
  }

  /** New settings for what happens from now on. */
  configure(settings: Partial<QueueSettings>): void {
    this.#settings = { ...defaultQueueSettings, ...settings };
  }

  /** Throws `QueueError`. Recipients are resolved while the message comes in. */
  async begin(envelope: QueueEnvelope): Promise<QueueWriter> {
    return new MessageIntake(this.#intake, envelope);
  }

  /**
   * POSTFIX: smtpd_check_queue: the message must leave `queue_minfree`, and there must be room for one and a
   * half messages of the largest size. What cannot be asked is taken as room: the commit has the last word.
   */
  async hasRoomFor(octets: number): Promise<boolean> {
    const now = this.#clock.now();
    if (this.#space === undefined || now - this.#space.at >= STATFS_MS || now < this.#space.at) {
      try {
        const { bavail, bsize } = await statfs(this.#directory);
        this.#space = { at: now, free: bavail * bsize, block: bsize };
      } catch {
        return true;
      }
    }
    const { free } = this.#space;
    const { queueMinfree, messageSizeLimit } = this.#settings;
    return free > queueMinfree && octets < free - queueMinfree && messageSizeLimit * 1.5 < free;
  }

  /** Tries all that waits, but what is held, now. */
  flush(): void {
    this.#scheduler.flush();
  }

  async counts(): Promise<QueueCounts & { readonly active: number; readonly running: number }> {
    const stored = await this.#reader.counts();
    const { active, running } = this.#scheduler.counts;
    return { ...stored, active, running };
  }

  /** All messages in order of arrival, read in windows. */
  async *list(): AsyncGenerator<QueueListEntry, void, undefined> {
    let after = 0;
    for (;;) {
      const window = await this.#reader.list(after, LIST_WINDOW);
      for (const stored of window) {
        const active = this.#scheduler.isActive(stored.id);
        yield {
          queueId: stored.queueId,
          status: stored.held ? 'hold' : active ? 'active' : 'deferred',
          sender: stored.sender,
          size: stored.size,
          arrivedAt: stored.arrivedAt,
          nextAttempt: stored.nextAttempt ?? undefined,
          recipients: stored.recipients,
        };
        after = stored.id;
      }
      if (window.length === 0) return;
    }
  }

  /** Tries one message now, and what it waits for with it. False: no such message, or it is held. */
  async flushMessage(queueId: string): Promise<boolean> {
    const id = await this.#find(queueId);
    if (id === undefined) return false;
    if (this.#scheduler.isActive(id)) return true;
    const message = await this.#reader.readMore(id, -1);
    if (message === undefined || (await this.#reader.message(id))?.held === true) return false;
    this.#scheduler.forget(message.recipients.map(({ destination }) => destination));
    this.#scheduler.insist(id);
    await this.#store.hold([id], false);
    this.#scheduler.noteWaiting();
    return true;
  }

  /** Tries these now, and what they wait for with them; not what is held. Gives the ids of those there were. */
  async flushAll(queueIds: readonly string[], destinations: readonly Destination[]): Promise<string[]> {
    const known = await this.#known(queueIds);
    this.#scheduler.forget(destinations);
    await this.#store.makeDue(idsOf(known));
    if (known.length > 0) this.#scheduler.noteWaiting();
    return known.map(({ queueId }) => queueId);
  }

  /** The message with its octets, or undefined. */
  async show(queueId: string): Promise<QueuedContent | undefined> {
    const id = await this.#find(queueId);
    if (id === undefined) return undefined;
    const stored = await this.#reader.message(id);
    const message = await this.#readWhole(id);
    if (stored === undefined || message === undefined) return undefined;
    const active = this.#scheduler.isActive(id);
    const { envelope, size, arrivedAt, recipients } = message;
    return {
      queueId,
      status: stored.held ? 'hold' : active ? 'active' : 'deferred',
      envelope,
      size,
      arrivedAt,
      recipients,
      open: () => this.#reader.openBody(message),
    };
  }

  /**
   * POSTFIX: `postsuper -r`: the message is taken in anew under a new id, so that its remaining recipients are
   * looked up in the tables as they are now. Gives the new id; undefined: no such message. Throws `QueueError`;
   * the message is as it was then. A crash in between leaves the old one on hold beside the new one.
   */
  async requeue(queueId: string): Promise<string | undefined> {
    const id = await this.#find(queueId);
    if (id === undefined) return undefined;
    const wasHeld = (await this.#reader.message(id))?.held === true;
    await this.#store.hold([id], true);
    this.#scheduler.drop(id);
    try {
      await this.#untilInactive(id);
      await this.#store.flush();
      const message = await this.#readWhole(id);
      if (message === undefined) return undefined;
      const again = await this.#acceptAgain(message);
      await this.#store.remove([id]);
      return again;
    } catch (error) {
      if (!wasHeld) {
        await this.#store.hold([id], false);
        this.#scheduler.noteWaiting();
      }
      throw error;
    }
  }

  /** Keeps messages from being tried; a delivery under way goes on. Gives the ids of those there were. */
  async holdAll(queueIds: readonly string[]): Promise<string[]> {
    const known = await this.#known(queueIds);
    await this.#store.hold(idsOf(known), true);
    for (const { id } of known) this.#scheduler.drop(id);
    return known.map(({ queueId }) => queueId);
  }

  async releaseAll(queueIds: readonly string[]): Promise<string[]> {
    const known = await this.#known(queueIds);
    await this.#store.hold(idsOf(known), false);
    if (known.length > 0) this.#scheduler.noteWaiting();
    return known.map(({ queueId }) => queueId);
  }

  /** Deletes messages; a delivery under way goes on. */
  async removeAll(queueIds: readonly string[]): Promise<string[]> {
    const known = await this.#known(queueIds);
    for (const { id } of known) this.#scheduler.drop(id);
    await this.#store.remove(idsOf(known));
    return known.map(({ queueId }) => queueId);
  }

  /** As `holdAll`, `releaseAll` and `removeAll` for one. False: no such message. */
  async hold(queueId: string): Promise<boolean> {
    return (await this.holdAll([queueId])).length > 0;
  }

  async release(queueId: string): Promise<boolean> {
    return (await this.releaseAll([queueId])).length > 0;
  }

  async remove(queueId: string): Promise<boolean> {
    return (await this.removeAll([queueId])).length > 0;
  }

  /**
   * Ends deliveries and closes the database. `drain`: milliseconds to wait for those under way; what did not
   * end by then is tried again at the next start.
   */
  close(options: { readonly drain?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.drain ?? 0);
    return this.#closing;
  }

  async #close(drain: number): Promise<void> {
    const stopped = this.#scheduler.stop();
    await Promise.race([
      stopped,
      new Promise<void>((resolve) => {
        const cancel = this.#clock.after(drain, resolve);
        void stopped.then(cancel);
      }),
    ]);
    await this.#store.close();
  }

  async #untilInactive(id: number): Promise<void> {
    const until = this.#clock.now() + REQUEUE_PATIENCE;
    while (this.#scheduler.isActive(id)) {
      if (this.#clock.now() > until)
        throw new QueueError('unavailable', 'a delivery of this message is under way');
      await new Promise<void>((resolve) => this.#clock.after(REQUEUE_LOOK, resolve));
    }
  }

  async #acceptAgain(message: QueuedMessage): Promise<string> {
    const before = new Map<EnvelopeRecipient, QueuedRecipient>();
    for (const recipient of message.recipients) {
      // Its members are recipients of their own, and expanding it again would add them once more.
      if (isExpanded(recipient.destination)) continue;
      const { address, notify, originalRecipient } = recipient;
      before.set(
        {
          address,
          ...(notify === undefined ? {} : { notify }),
          ...(originalRecipient === undefined ? {} : { originalRecipient }),
        },
        recipient,
      );
    }
    const resolve: Resolve = async (recipient, envelope) => {
      const resolution = await this.#intake.resolve(recipient, envelope);
      const old = before.get(recipient);
      if (resolution.kind !== 'expanded' || old === undefined) return resolution;
      const { original, sender, via } = old;
      return {
        kind: 'expanded',
        recipients: resolution.recipients.map((one) => ({
          ...(sender === undefined ? {} : { sender }),
          ...(via === undefined ? {} : { via }),
          ...one,
          original,
        })),
      };
    };
    const intake = new MessageIntake(
      { ...this.#intake, resolve },
      { ...message.envelope, recipients: [...before.keys()] },
      message.arrivedAt,
    );
    try {
      const body = await this.#reader.openBody(message);
      if (body.kind === 'octets') await intake.write(body.octets);
      else for await (const chunk of body.stream()) await intake.write(chunk);
    } catch (error) {
      await intake.abort();
      throw error;
    }
    return (await intake.commit()).queueId;
  }

  /** With all its recipients. */
  async #readWhole(id: number): Promise<QueuedMessage | undefined> {
    let message = await this.#reader.readMore(id, -1);
    while (message?.partial === true) {
      const more = await this.#reader.readMore(id, message.recipients.at(-1)?.index ?? -1);
      if (more === undefined) break;
      message = {
        ...message,
        recipients: [...message.recipients, ...more.recipients],
        partial: more.partial,
      };
    }
    return message;
  }

  async #known(queueIds: readonly string[]): Promise<readonly KnownMessage[]> {
    const asked = queueIds.flatMap((queueId) => {
      const id = parseQueueId(queueId);
      return id === undefined ? [] : [{ id, queueId }];
    });
    return asked.length === 0 ? [] : await this.#reader.known(asked);
  }

  async #find(queueId: string): Promise<number | undefined> {
    const id = parseQueueId(queueId);
    if (id === undefined) return undefined;
    const message = await this.#reader.message(id);
    return message?.queueId === queueId ? id : undefined;
  }
}

const idsOf = (messages: readonly KnownMessage[]): number[] => messages.map(({ id }) => id);
