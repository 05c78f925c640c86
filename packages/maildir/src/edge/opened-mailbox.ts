// What one holder of an opened folder has: the shared folder, and an end of its own.

import {
  MailboxError,
  type CopyResult,
  type Flag,
  type Mailbox,
  type MailboxName,
  type MessageHandle,
  type MessageRecord,
  type StoreChange,
  type StoreResult,
  type TextScope,
  type TextVerdicts,
} from '@postcote/mailbox';
import { MAX_KEYWORDS } from '../file-name.ts';
import { toMailboxError } from './errors.ts';
import type { MaildirFolder } from './folder.ts';
import { claimRecent, expungeMessages, storeFlags } from './folder-changes.ts';
import { MaildirMessage } from './message-file.ts';

/** What the store does for its mailboxes. */
export interface FolderOwner {
  transfer(
    source: MaildirFolder,
    target: MailboxName,
    what: { readonly mode: 'copy' | 'move'; readonly uids: readonly number[] },
  ): Promise<CopyResult>;
  release(folder: MaildirFolder): Promise<void>;
}

export class OpenedMailbox implements Mailbox {
  readonly #folder: MaildirFolder;
  readonly #owner: FolderOwner;
  readonly #watches = new Set<() => void>();
  #keywords:
    | { readonly records: readonly MessageRecord[]; readonly table: unknown; readonly names: Flag[] }
    | undefined;
  #closed = false;

  constructor(folder: MaildirFolder, owner: FolderOwner) {
    this.#folder = folder;
    this.#owner = owner;
  }

  get name(): MailboxName {
    return this.#folder.name;
  }
  get guid(): string {
    return this.#folder.guid;
  }
  get uidValidity(): number {
    return this.#folder.uidValidity;
  }
  get uidNext(): number {
    return this.#folder.uidNext;
  }
  get highestModseq(): number {
    return this.#folder.highestModseq;
  }
  get records(): readonly MessageRecord[] {
    return this.#folder.records;
  }
  get keywords(): readonly Flag[] {
    const { records } = this.#folder;
    const { table } = this.#folder.keywordFile;
    if (this.#keywords?.records !== records || this.#keywords.table !== table) {
      this.#keywords = { records, table, names: this.#folder.keywords() };
    }
    return this.#keywords.names;
  }
  get acceptsNewKeywords(): boolean {
    return this.keywords.length < MAX_KEYWORDS;
  }
  get unclaimedRecent(): readonly number[] {
    return [...this.#folder.recent].sort((a, b) => a - b);
  }

  refresh(): Promise<void> {
    return this.#do('refresh', () => this.#folder.refresh());
  }

  claimRecent(): Promise<readonly number[]> {
    return this.#do('claim recent', () => claimRecent(this.#folder));
  }

  message(uid: number): MessageHandle | undefined {
    const entry = this.#folder.entry(uid);
    this.#folder.context.lastUse = performance.now();
    return entry && new MaildirMessage(this.#folder, entry);
  }

  store(
    uids: readonly number[],
    change: StoreChange,
    options: { readonly unchangedSince?: number } = {},
  ): Promise<StoreResult> {
    return this.#do('store', () => storeFlags(this.#folder, uids, change, options.unchangedSince));
  }

  expunge(uids: readonly number[]): Promise<void> {
    return this.#do('expunge', () => expungeMessages(this.#folder, uids));
  }

  copy(uids: readonly number[], target: MailboxName): Promise<CopyResult> {
    return this.#do('copy', () => this.#owner.transfer(this.#folder, target, { mode: 'copy', uids }));
  }

  move(uids: readonly number[], target: MailboxName): Promise<CopyResult> {
    return this.#do('move', () => this.#owner.transfer(this.#folder, target, { mode: 'move', uids }));
  }

  expungedSince(modseq: number): readonly number[] | undefined {
    return this.#folder.expungedSince(modseq);
  }

  get keepsModseqs(): boolean {
    return this.#folder.keepsModseqs;
  }

  get watchPaths(): readonly string[] {
    return this.#folder.watchPaths;
  }

  async searchText(scope: TextScope, folded: string): Promise<TextVerdicts | undefined> {
    const { texts } = this.#folder.context;
    if (!texts) return undefined;
    this.#folder.context.wantsIndexing(this.#folder.name);
    return texts.search(this.#folder, { scope, folded });
  }

  watch(listener: () => void): () => void {
    const stop = this.#folder.watch(listener);
    this.#watches.add(stop);
    return () => {
      stop();
      this.#watches.delete(stop);
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const stop of this.#watches) stop();
    this.#watches.clear();
    await this.#owner.release(this.#folder);
  }

  async #do<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new MailboxError('unavailable', `${what} on a closed mailbox`);
    this.#folder.alive();
    const { context } = this.#folder;
    context.lastUse = performance.now();
    try {
      return await work();
    } catch (error) {
      throw toMailboxError(error, `${what} in ${this.#folder.name}`);
    } finally {
      context.lastUse = performance.now();
    }
  }
}
