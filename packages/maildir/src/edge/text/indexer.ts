// Fills the index of texts in the background: folders that got mail or were opened first, then all others. It works in short
// slices with pauses between them, goes on where an earlier process stopped, and never waits for anybody.

import { setTimeout as sleep } from 'node:timers/promises';
import { MailboxError, type MailboxName } from '@postcote/mailbox';
import { gatherTexts, opaqueTexts, type MessageTexts } from '../../message-texts.ts';
import { yieldTurn } from '../disk.ts';
import type { MaildirFolder } from '../folder.ts';
import { MaildirMessage } from '../message-file.ts';
import type { TextIndex } from './text-index.ts';

export interface IndexerHost {
  /** The folder, loaded and looked at; `release` gives it back. */
  hold(name: MailboxName): Promise<MaildirFolder>;
  release(folder: MaildirFolder): Promise<void>;
  /** All folders that can hold messages. */
  names(): readonly MailboxName[];
  /** When a session asked for something last, or mail came, in milliseconds of `performance.now()`. */
  lastUse(): number;
  /** Another process went through all folders lately. */
  walkedLately(): boolean;
  noteWalked(): void;
  warn(message: string): void;
}

export interface IndexerOptions {
  readonly host: IndexerHost;
  readonly texts: TextIndex;
  /** Folders are filled without being asked for by name. */
  readonly all: boolean;
}

/** Mail that comes in a burst is taken together; sessions that were just opened have better to do. */
const SOON_MS = 500;
const SLICE_MS = 8;
/** Pauses are this many times as long as the work before: a third of a processor at most. */
const PAUSE = 2;
/** A session that asked for something so lately will ask for more, and gets the processor but for a slice now and then. */
const IN_USE_MS = 1000;
const PAUSE_IN_USE_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const BATCH_MESSAGES = 64;
const BATCH_OCTETS = 256 * 1024;

export class Indexer {
  readonly #options: IndexerOptions;
  readonly #wanted = new Set<MailboxName>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #walk: 'no' | 'begun' = 'no';
  #stopped = false;

  constructor(options: IndexerOptions) {
    this.#options = options;
  }

  /** Something is to be done: a worker should not leave yet. */
  get busy(): boolean {
    return this.#running !== undefined || this.#wanted.size > 0;
  }

  /** This folder may have messages that are not indexed. */
  soon(name: MailboxName): void {
    if (this.#stopped) return;
    this.#wanted.add(name);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#running ??= this.#run().finally(() => {
        this.#running = undefined;
        if (this.#wanted.size > 0) this.soon([...this.#wanted][0] as MailboxName);
      });
    }, SOON_MS);
    this.#timer.unref();
  }

  /** All anew, without pauses: for whoever waits for it. */
  async rebuild(progress: (name: MailboxName, done: number, all: number) => void): Promise<void> {
    await this.#alone(async () => this.#options.texts.renew());
    for (const name of this.#options.host.names())
      await this.#alone(() => this.#fill(name, { pause: false, progress }));
  }

  /** One at a time: what is missing is found out first and added then. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => {});
    return result;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#wanted.clear();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const [name] = this.#wanted;
      if (name === undefined) {
        const { host, all } = this.#options;
        if (this.#walk === 'begun') host.noteWalked();
        if (this.#walk !== 'no' || !all || host.walkedLately()) return;
        this.#walk = 'begun';
        for (const other of host.names()) this.#wanted.add(other);
        continue;
      }
      this.#wanted.delete(name);
      await this.#waitForRest();
      try {
        await this.#alone(() => this.#fill(name, { pause: true }));
      } catch (error) {
        const gone = error instanceof MailboxError && error.code === 'nonexistent';
        if (!gone) this.#options.host.warn(`${name} not indexed: ${String(error)}`);
      }
    }
  }

  #isInUse(): boolean {
    return performance.now() - this.#options.host.lastUse() < IN_USE_MS;
  }

  /** Loading SQLite alone takes longer than a slice: a client's first synchronisation goes before. */
  async #waitForRest(): Promise<void> {
    const begun = performance.now();
    while (!this.#stopped && this.#isInUse() && performance.now() - begun < LONGEST_WAIT_MS)
      await sleep(PAUSE_IN_USE_MS, undefined, { ref: false });
  }

  async #fill(name: MailboxName, how: Filling): Promise<void> {
    const { host, texts } = this.#options;
    const folder = await host.hold(name);
    try {
      if (folder.isIndexed()) return;
      const known = await texts.known(folder);
      const missing: number[] = [];
      let here = 0;
      for (const { uid } of folder.records) {
        if (known.has(uid)) here++;
        else missing.push(uid);
      }
      if (here < known.size) await texts.forget(folder, (uid) => folder.indexOf(uid) === -1);
      const { length } = folder.records;
      if (await this.#add(folder, missing, how)) folder.noteIndexed();
      else if (!this.#stopped) host.warn(`${name}: the index of texts is full or cannot be written`);
      how.progress?.(name, length, length);
    } finally {
      texts.commit();
      await host.release(folder);
    }
  }

  /** False when not all was taken. */
  async #add(folder: MaildirFolder, uids: readonly number[], how: Filling): Promise<boolean> {
    const { texts } = this.#options;
    let batch: MessageTexts[] = [];
    let octets = 0;
    let begun = performance.now();
    const pause = async (): Promise<void> => {
      const worked = performance.now() - begun;
      const length = this.#isInUse() ? PAUSE_IN_USE_MS : worked * PAUSE;
      if (how.pause && !this.#stopped) await sleep(length, undefined, { ref: false });
      else await yieldTurn();
      begun = performance.now();
    };
    const { length } = folder.records;
    for (const [at, uid] of uids.entries()) {
      if (this.#stopped || folder.gone) return false;
      const gathered = await this.#gather(folder, uid);
      if (gathered) {
        batch.push(gathered);
        octets += gathered.head.length + gathered.body.length;
      }
      if (performance.now() - begun > SLICE_MS) await pause();
      if (batch.length < BATCH_MESSAGES && octets < BATCH_OCTETS && at < uids.length - 1) continue;
      if (!(await texts.add(folder, batch, pause))) return false;
      how.progress?.(folder.name, length - uids.length + at + 1, length);
      batch = [];
      octets = 0;
      await pause();
    }
    return true;
  }

  /** Undefined when the message is gone, or cannot be read now. */
  async #gather(folder: MaildirFolder, uid: number): Promise<MessageTexts | undefined> {
    const entry = folder.entry(uid);
    if (!entry) return undefined;
    const message = new MaildirMessage(folder, entry);
    try {
      const source = { read: async (range: { start: number; end: number }) => message.read(range) };
      const limits = { uid, limit: this.#options.texts.maxMessage };
      return (await gatherTexts(source, await message.structure(), limits)) ?? opaqueTexts(uid);
    } catch (error) {
      if (error instanceof MailboxError) return undefined;
      throw error;
    } finally {
      // Nobody asked for it; what sessions look at keeps its place.
      folder.context.contents.forget(entry);
    }
  }
}

interface Filling {
  readonly pause: boolean;
  readonly progress?: (name: MailboxName, done: number, all: number) => void;
}
