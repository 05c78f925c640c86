// The two ways a message comes in: APPEND, which gives it a UID at once, and delivery, which only puts the file
// where every Maildir reader finds it.

import { storableFlags, type AppendOptions, type MailboxName, type AppendResult } from '@postcote/mailbox';
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
import type { Reservation } from './quota.ts';
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
  readonly #quota: StoreContext['quota'];
  readonly #name: MailboxName;
  #failure: unknown;

  constructor(context: StoreContext, folder: { name: MailboxName; path: string }, what: string) {
    this.#what = what;
    if (context.index) this.#passing = new PassingMessage();
    this.#quota = context.quota;
    this.#name = folder.name;
    this.incoming = new IncomingMessage(context, folder.path);
  }

  write(chunk: Uint8Array): undefined {
    if (this.#failure !== undefined) return undefined;
    try {
      this.incoming.write(chunk);
      this.#quota?.checkSize(this.incoming.size);
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

  /** Throws when there is no place for it any more. */
  protected check(): void {}

  /** Settled, in a limit of its own, then placed by `work`. */
  protected async finish<T>(date: Date | undefined, work: () => Promise<T>): Promise<T> {
    let held: Reservation | undefined;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      this.check();
      this.incoming.finish();
      this.#quota?.checkSize(this.incoming.size);
      held = await this.#quota?.reserve(this.#name, { octets: this.incoming.size, messages: 1 });
      await this.incoming.settle(date);
      const made = await work();
      held?.keep();
      return made;
    } catch (error) {
      held?.release();
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
    super(folder.context, folder, `append to ${folder.name}`);
    this.#folder = folder;
    this.#flags = storableFlags(options.flags);
    this.#date = options.internalDate;
    this.#done = done;
  }

  async commit(): Promise<AppendResult> {
    try {
      return await this.finish(this.#date, () => this.#commit());
    } finally {
      await this.#done();
    }
  }

  protected override check(): void {
    this.#folder.alive();
  }

  override async abort(): Promise<void> {
    await super.abort();
    await this.#done();
  }

  async #commit(): Promise<AppendResult> {
    const folder = this.#folder;
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
      if (!folder.context.quota) forgetQuota(folder.context);
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
  constructor(
    context: StoreContext,
    folder: { readonly name: MailboxName; readonly path: string },
    delivered: () => void,
  ) {
    super(context, folder, `delivery to ${folder.path}`);
    this.#context = context;
    this.#path = folder.path;
    this.#delivered = delivered;
  }

  commit(): Promise<Delivered> {
    return this.finish(undefined, async () => {
      const fileName = this.incoming.finalBase;
      const arrival = this.learned();
      if (arrival) this.#context.arrivals.put(fileName, arrival);
      this.incoming.place(`${this.#path}/new`, fileName);
      this.#delivered();
      await this.#context.directories.sync(`${this.#path}/new`);
      if (!this.#context.quota) forgetQuota(this.#context);
      return { fileName };
    });
  }
}
