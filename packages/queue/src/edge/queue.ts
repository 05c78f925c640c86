// The queue as the front process sees it: acceptance, delivery in the background, and what an administrator
// asks of it. See docs/queue.md.

import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { Log } from '@postcote/wire';
import type { QueueEnvelope, QueuedRecipient } from '../envelope.ts';
import type { Deliverer, QueueClock, Resolve, Route } from '../ports.ts';
import { parseQueueId } from '../queue-id.ts';
import { Scheduler } from '../scheduler.ts';
import { defaultQueueSettings } from '../settings.ts';
import type { QueueSettings } from '../settings.ts';
import { systemClock } from './clock.ts';
import { MessageIntake } from './intake.ts';
import type { IntakeContext } from './intake.ts';
import { SPOOL_FOLDER } from './protocol.ts';
import type { QueueCounts } from './protocol.ts';
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
    this.#scheduler = new Scheduler({ store: this.#reader, deliverer, clock, log, settings });
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

  /** Keeps a message from being tried; a delivery under way goes on. False: no such message. */
  async hold(queueId: string): Promise<boolean> {
    const id = await this.#find(queueId);
    if (id === undefined) return false;
    await this.#store.hold(id, true);
    this.#scheduler.drop(id);
    return true;
  }

  async release(queueId: string): Promise<boolean> {
    const id = await this.#find(queueId);
    if (id === undefined) return false;
    await this.#store.hold(id, false);
    this.#scheduler.noteWaiting();
    return true;
  }

  /** Deletes a message; a delivery under way goes on. */
  async remove(queueId: string): Promise<boolean> {
    const id = await this.#find(queueId);
    if (id === undefined) return false;
    this.#scheduler.drop(id);
    await this.#store.remove(id);
    return true;
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

  async #find(queueId: string): Promise<number | undefined> {
    const id = parseQueueId(queueId);
    if (id === undefined) return undefined;
    const message = await this.#reader.message(id);
    return message?.queueId === queueId ? id : undefined;
  }
}
