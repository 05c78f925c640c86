// The front half of the queue's database: collects writes and hands them to the thread in batches.
//
// Group commit: while one batch is being committed, what comes in gathers for the next, so the cost of a flush
// is shared by all who wait. Acceptances never wait for company; deletions and deferrals ride along with them,
// or go by themselves after a short while. A settlement that could not be written is kept and tried again; an
// acceptance that could not is refused to its sender. When the thread dies everything is refused from then on
// and `onFailure` is told.

import { Worker } from 'node:worker_threads';
import { QueueError } from '../ports.ts';
import type { QueueClock } from '../ports.ts';
import type {
  AcceptWrite,
  FromThread,
  Read,
  SettleWrite,
  ThreadData,
  ToThread,
  Write,
  WriteFailure,
} from './protocol.ts';

/** How long settlements wait for an acceptance to share a commit with. */
const SETTLE_DELAY = 10;
/** So many settlements do not wait any longer. */
const SETTLE_ENOUGH = 500;
/** After a failed settlement (a full disk, as a rule). */
const RETRY_DELAY = 2000;
const BATCH_ACCEPTS = 256;
const BATCH_OCTETS = 8 * 1024 * 1024;
/** Ids left when the next block is asked for. */
const RESERVE_BELOW = 16_384;

interface PendingWrite {
  readonly write: Exclude<Write, SettleWrite>;
  readonly octets: Uint8Array | undefined;
  readonly resolve: () => void;
  readonly reject: (error: QueueError) => void;
}

interface PendingRead {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: QueueError) => void;
}

interface Batch {
  readonly pending: readonly PendingWrite[];
  readonly settles: ReadonlyMap<number, SettleWrite>;
}

export interface StoreOptions {
  readonly directory: string;
  readonly threadUrl: URL;
  /** Of `startQueueThread`; in place of one from `threadUrl`. */
  readonly thread?: Worker | undefined;
  readonly clock: QueueClock;
  readonly onFailure: (error: Error) => void;
}

/**
 * Starts the queue's thread without a queue and settles when all its code is loaded. For a process that then
 * gives up the rights to read that code, and opens the queue afterwards.
 */
export function startQueueThread(threadUrl: URL): Promise<Worker> {
  const thread = new Worker(threadUrl, { name: 'queue' });
  return new Promise((resolve, reject) => {
    thread.once('error', reject);
    thread.once('message', () => {
      thread.off('error', reject);
      resolve(thread);
    });
  });
}

export class QueueStore {
  readonly #worker: Worker;
  readonly #options: StoreOptions;
  #nextId = 0;
  #reservedTo = 0;
  #reserving = false;
  #waiting: PendingWrite[] = [];
  #settles = new Map<number, SettleWrite>();
  #settlesDurable = false;
  #batch: Batch | undefined;
  #batchNumber = 0;
  readonly #reads = new Map<number, PendingRead>();
  #readNumber = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #cancelTimer: (() => void) | undefined;
  #failure: QueueError | undefined;
  #idle: (() => void)[] = [];
  #afterBatch: (() => void)[] = [];
  #closed: (() => void) | undefined;

  /** Rejects when the database cannot be opened: in use, damaged, or no such place. */
  static open(options: StoreOptions): Promise<QueueStore> {
    return new Promise((resolve, reject) => {
      const store: QueueStore = new QueueStore(options, (error) => {
        if (error === undefined) resolve(store);
        else reject(error);
      });
    });
  }

  private constructor(options: StoreOptions, opened: (error?: Error) => void) {
    this.#options = options;
    const { directory, thread, threadUrl } = options;
    const data: ThreadData = { directory };
    this.#worker = thread ?? new Worker(threadUrl, { workerData: data, name: 'queue' });
    thread?.postMessage({ kind: 'open', directory } satisfies ToThread, []);
    let ready = false;
    this.#worker.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'loaded':
          return;
        case 'ready':
          ready = true;
          this.#nextId = message.reservedFrom;
          this.#reservedTo = message.reservedTo;
          return opened();
        case 'failed':
          ready = true;
          this.#failure = new QueueError('unavailable', message.message);
          return opened(this.#failure);
        case 'batched':
          return this.#batchDone(message.failures, message.reservedTo);
        case 'answer':
          this.#takeRead(message.number)?.resolve(message.value);
          return;
        case 'refused':
          this.#takeRead(message.number)?.reject(new QueueError('unavailable', message.message));
          return;
        case 'closed':
          this.#closed?.();
      }
    });
    const fail = (error: Error): void => {
      if (this.#failure !== undefined || this.#closed !== undefined) return;
      this.#fail(error);
      if (ready) options.onFailure(error);
      else opened(error);
    };
    this.#worker.on('error', fail);
    this.#worker.on('exit', (code) => fail(new Error(`the queue's thread ended with ${code}`)));
  }

  /** A fresh id; throws when the thread has not kept up, which takes thousands of acceptances at once. */
  nextId(): number {
    if (this.#reservedTo - this.#nextId < RESERVE_BELOW && !this.#reserving) {
      this.#reserving = true;
      this.#push({ kind: 'reserve' }, undefined).then(
        () => (this.#reserving = false),
        () => (this.#reserving = false),
      );
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#nextId >= this.#reservedTo) throw new QueueError('unavailable', 'no queue ids left');
    return this.#nextId++;
  }

  /** Settles when the message is durable; rejects with `QueueError` when nothing of it was kept. */
  accept(write: AcceptWrite, octets: Uint8Array | undefined): Promise<void> {
    return this.#push(write, octets);
  }

  hold(ids: readonly number[], held: boolean): Promise<void> {
    return this.#push({ kind: 'hold', ids, held, now: this.#options.clock.now() }, undefined);
  }

  makeDue(ids: readonly number[]): Promise<void> {
    return this.#push({ kind: 'due', ids, now: this.#options.clock.now() }, undefined);
  }

  remove(ids: readonly number[]): Promise<void> {
    return this.#push({ kind: 'remove', ids }, undefined);
  }

  /**
   * Records what became of recipients; several for one message are merged until written. `durable`: a spool
   * file goes with the row, so the row's end must be on the disk before the file's.
   */
  settle(write: SettleWrite, durable: boolean): void {
    if (durable) this.#settlesDurable = true;
    this.#mergeSettle(write);
    if (this.#settles.size >= SETTLE_ENOUGH) this.#schedule();
    else this.#scheduleLater(SETTLE_DELAY);
  }

  /** Whether something about this message is not written yet: what a read says of it may be out of date. */
  isUnsettled(id: number): boolean {
    return this.#settles.has(id) || (this.#batch?.settles.has(id) ?? false);
  }

  read(read: Read): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const number = ++this.#readNumber;
      this.#reads.set(number, { resolve, reject });
      this.#post({ kind: 'read', number, read });
    });
  }

  /** As `read`, but after what was settled so far has been written, or has failed once. */
  async readSettled(read: Read): Promise<unknown> {
    if (this.#settles.size > 0) {
      if (this.#batch !== undefined) await new Promise<void>((resolve) => this.#afterBatch.push(resolve));
      this.#sendBatch();
    }
    return this.read(read);
  }

  /** Settles when everything handed in so far is written or has failed. */
  async flush(): Promise<void> {
    if (this.#failure !== undefined || this.#isIdle()) return;
    this.#schedule();
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    await this.flush();
    this.#cancelTimer?.();
    if (this.#failure !== undefined) {
      await this.#worker.terminate();
      return;
    }
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      this.#post({ kind: 'close' });
    });
    this.#failure = new QueueError('unavailable', 'the queue is closed');
  }

  #push(write: Exclude<Write, SettleWrite>, octets: Uint8Array | undefined): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, octets, resolve, reject });
      this.#schedule();
    });
  }

  #mergeSettle(write: SettleWrite): void {
    const known = this.#settles.get(write.id);
    if (known === undefined) {
      this.#settles.set(write.id, write);
      return;
    }
    known.done.push(...write.done);
    known.added.push(...write.added);
    known.deferred.push(...write.deferred);
    if (write.nextAttempt !== undefined) known.nextAttempt = write.nextAttempt;
    if (write.attemptedAt !== undefined) known.attemptedAt = write.attemptedAt;
    known.remove ||= write.remove;
  }

  /** Runs after this turn's input was handled, so that all of it shares the batch. */
  #schedule(): void {
    if (this.#batch !== undefined) return;
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#sendBatch();
    });
  }

  #scheduleLater(milliseconds: number): void {
    if (this.#batch !== undefined || this.#scheduled !== undefined) return;
    this.#cancelTimer ??= this.#options.clock.after(milliseconds, () => {
      this.#cancelTimer = undefined;
      this.#schedule();
    });
  }

  #sendBatch(): void {
    if (this.#batch !== undefined || this.#failure !== undefined || this.#isIdle()) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const { pending, octets } = this.#takeWaiting();
    const settles = this.#settles;
    const durable = pending.length > 0 || this.#settlesDurable;
    this.#settles = new Map();
    this.#settlesDurable = false;
    this.#batch = { pending, settles };
    const bodies = octets === 0 ? undefined : gatherBodies(pending, octets);
    // Settlements first: what an administrator asked for came after them.
    const writes: Write[] = [...settles.values(), ...pending.map((one) => one.write)];
    this.#post(
      { kind: 'batch', number: ++this.#batchNumber, writes, bodies, durable },
      bodies === undefined ? [] : [bodies.buffer],
    );
  }

  #takeWaiting(): { pending: PendingWrite[]; octets: number } {
    let octets = 0;
    let count = 0;
    for (const { octets: body } of this.#waiting) {
      if (count === BATCH_ACCEPTS || octets >= BATCH_OCTETS) break;
      octets += body?.length ?? 0;
      count++;
    }
    const pending = this.#waiting.splice(0, count);
    return { pending, octets };
  }

  #batchDone(failures: readonly WriteFailure[], reservedTo: number): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    // Ids below the old mark go on being used: the counter has no gaps within a run.
    this.#reservedTo = reservedTo;
    const failed = new Map(failures.map((failure) => [failure.index, failure]));
    for (const [index, pending] of batch.pending.entries()) {
      const failure = failed.get(batch.settles.size + index);
      if (failure === undefined) pending.resolve();
      else pending.reject(writeError(failure));
    }
    if (failures.length > 0) this.#keepFailedSettles(batch, failed);
    for (const resolve of this.#afterBatch.splice(0)) resolve();
    if (this.#waiting.length > 0) this.#sendBatch();
    else if (this.#settles.size >= SETTLE_ENOUGH || this.#idle.length > 0) this.#schedule();
    else if (this.#settles.size > 0) this.#scheduleLater(failed.size > 0 ? RETRY_DELAY : SETTLE_DELAY);
    if (this.#isIdle() || (this.#idle.length > 0 && failed.size > 0)) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #keepFailedSettles(batch: Batch, failed: ReadonlyMap<number, WriteFailure>): void {
    let index = 0;
    for (const settle of batch.settles.values()) {
      if (!failed.has(index++)) continue;
      const newer = this.#settles.get(settle.id);
      this.#settles.set(settle.id, settle);
      if (newer !== undefined) this.#mergeSettle(newer);
      this.#settlesDurable = true;
    }
  }

  #isIdle(): boolean {
    return this.#batch === undefined && this.#waiting.length === 0 && this.#settles.size === 0;
  }

  #takeRead(number: number): PendingRead | undefined {
    const pending = this.#reads.get(number);
    this.#reads.delete(number);
    return pending;
  }

  #post(message: ToThread, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #fail(error: Error): void {
    const failure = new QueueError('unavailable', error.message, { cause: error });
    this.#failure = failure;
    for (const { reject } of [...(this.#batch?.pending ?? []), ...this.#waiting.splice(0)]) reject(failure);
    for (const { reject } of this.#reads.values()) reject(failure);
    this.#reads.clear();
    for (const resolve of [...this.#idle.splice(0), ...this.#afterBatch.splice(0)]) resolve();
  }
}

function gatherBodies(pending: readonly PendingWrite[], octets: number): Uint8Array<ArrayBuffer> {
  const bodies = new Uint8Array(octets);
  let offset = 0;
  for (const { write, octets: body } of pending) {
    if (write.kind !== 'accept' || body === undefined) continue;
    write.offset = offset;
    bodies.set(body, offset);
    offset += body.length;
  }
  return bodies;
}

function writeError(failure: WriteFailure): QueueError {
  return new QueueError(failure.code === 'ENOSPC' ? 'noSpace' : 'unavailable', failure.message);
}
