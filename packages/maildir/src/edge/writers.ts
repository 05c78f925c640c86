// The two ways a message comes in: APPEND, which gives it a UID at once, and delivery, which only puts the file
// where every Maildir reader finds it.

import { storableFlags, type AppendOptions, type AppendResult } from '@postcote/mailbox';
import type { MessageWriter } from '@postcote/wire';
import { formatInfo, keywordLetter, LETTER_OF_FLAG, NO_INFO } from '../file-name.ts';
import { forgetQuota, type StoreContext } from './context.ts';
import { PassingMessage, type Arrival } from './arrivals.ts';
import { toMailboxError } from './errors.ts';
import type { MaildirFolder } from './folder.ts';
import { IncomingMessage } from './incoming.ts';
import { CUR, MessageEntry, NEW } from './message-entry.ts';
import { isSystemFlag, type FlagSet } from '@postcote/mailbox';
import { pathOf } from './disk.ts';
import { unlinkSync } from 'node:fs';

export interface Delivered {
  /** The file's name in new/. */
  readonly fileName: string;
}

/** Keeps the first error of a writer, so that `write` never throws and `commit` tells. */
abstract class Writer {
  protected readonly incoming: IncomingMessage;
  readonly #what: string;
  readonly #passing: PassingMessage | undefined;
  #failure: unknown;

  constructor(context: StoreContext, directory: string, what: string) {
    this.#what = what;
    if (context.index) this.#passing = new PassingMessage();
    this.incoming = new IncomingMessage(context, directory);
  }

  write(chunk: Uint8Array): undefined {
    if (this.#failure !== undefined) return undefined;
    try {
      this.incoming.write(chunk);
      this.#passing?.push(chunk);
    } catch (error) {
      this.#failure = error;
      this.incoming.discard();
    }
    return undefined;
  }

  async abort(): Promise<void> {
    this.incoming.discard();
  }

  /** What was learned of the message as it passed. */
  protected learned(): Arrival | undefined {
    return this.#passing?.finish(this.incoming.crlfSize);
  }

  protected async finish<T>(work: () => Promise<T>): Promise<T> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      return await work();
    } catch (error) {
      this.incoming.discard();
      throw toMailboxError(error, this.#what);
    }
  }
}

export class AppendWriter extends Writer implements MessageWriter<AppendResult> {
  readonly #folder: MaildirFolder;
  readonly #flags: FlagSet;
  readonly #date: Date | undefined;
  readonly #done: () => Promise<void>;

  /** `done` gives the folder back. Throws `cannot` for flags that cannot be stored. */
  constructor(folder: MaildirFolder, options: AppendOptions, done: () => Promise<void>) {
    super(folder.context, folder.path, `append to ${folder.name}`);
    this.#folder = folder;
    this.#flags = storableFlags(options.flags);
    this.#date = options.internalDate;
    this.#done = done;
  }

  async commit(): Promise<AppendResult> {
    try {
      return await this.finish(() => this.#commit());
    } finally {
      await this.#done();
    }
  }

  override async abort(): Promise<void> {
    await super.abort();
    await this.#done();
  }

  async #commit(): Promise<AppendResult> {
    const folder = this.#folder;
    folder.alive();
    // IMAP dates have whole seconds, and so has INTERNALDATE.
    await this.incoming.settle(this.#date);
    return folder.locked(async () => {
      folder.prepareToAppend();
      const letters = await this.#letters();
      const uid = folder.allocate(1);
      const info = folder.keywordFile.info(letters === '' ? '' : formatInfo(NO_INFO, letters));
      const entry = new MessageEntry(uid, '', this.incoming.finalBase, info);
      entry.place = letters === '' ? NEW : CUR;
      entry.rawSize = this.incoming.size;
      entry.crlfSize = this.incoming.crlfSize;
      entry.counted = true;
      const directory = folder.directoryOf(entry.place);
      const end = folder.ownChange();
      this.incoming.place(directory, entry.base + info.text);
      end();
      folder.recent.add(uid);
      // Name and record become durable side by side: after a crash, either without the other does no harm.
      const [named, recorded] = await Promise.allSettled([
        folder.context.directories.sync(directory),
        folder.addEntries([entry]),
      ]);
      for (const result of [named, recorded]) {
        if (result.status === 'fulfilled') continue;
        folder.recent.delete(uid);
        unlinkSync(pathOf(directory, entry.base + info.text));
        throw result.reason;
      }
      forgetQuota(folder.context);
      const arrival = this.learned();
      if (arrival) folder.keepArrival(entry, arrival);
      folder.context.wantsIndexing(folder.name);
      return { uidValidity: folder.uidValidity, uid };
    });
  }

  async #letters(): Promise<string> {
    const folder = this.#folder;
    const keywords = this.#flags.filter((f) => !isSystemFlag(f));
    if (keywords.length > 0) {
      const lettersInUse = folder.lettersInUse();
      await folder.keywordFile.define(keywords, {
        lettersInUse,
        mode: folder.context.modes().file,
        partly: false,
      });
      folder.publishChanged();
    }
    return this.#flags
      .map((f) => LETTER_OF_FLAG.get(f) ?? keywordLetter(folder.keywordFile.find(f)))
      .join('');
  }
}

export class DeliveryWriter extends Writer implements MessageWriter<Delivered> {
  readonly #context: StoreContext;
  readonly #path: string;
  readonly #delivered: () => void;

  /** `delivered` is called when the file is in new/, before it is known to be durable. */
  constructor(context: StoreContext, path: string, delivered: () => void) {
    super(context, path, `delivery to ${path}`);
    this.#context = context;
    this.#path = path;
    this.#delivered = delivered;
  }

  commit(): Promise<Delivered> {
    return this.finish(async () => {
      await this.incoming.settle(undefined);
      const fileName = this.incoming.finalBase;
      const arrival = this.learned();
      if (arrival) this.#context.arrivals.put(fileName, arrival);
      this.incoming.place(`${this.#path}/new`, fileName);
      this.#delivered();
      await this.#context.directories.sync(`${this.#path}/new`);
      forgetQuota(this.#context);
      return { fileName };
    });
  }
}
