// One mailbox of the in-memory store, shared by all who opened it, and the handles they hold.

import type { MessageStructure } from '@postcote/mime';
import { applyChange, hasFlag, isSystemFlag, makeFlagSet, storableFlags } from './flags.ts';
import type { MemoryWorld } from './memory-store.ts';
import { canonicalName } from './names.ts';
import {
  MailboxError,
  type ByteRange,
  type CopyResult,
  type Flag,
  type FlagSet,
  type Mailbox,
  type MailboxName,
  type MailboxStatus,
  type MessageHandle,
  type MessageRecord,
  type StoreChange,
  type StoreResult,
} from './port.ts';

export interface MemoryMessage {
  readonly content: Buffer;
  readonly flags: FlagSet;
  readonly internalDate: Date;
  readonly saveDate: Date;
  readonly guid: string;
  readonly pop3Uidl?: string;
  readonly pop3Order?: number;
}

/** Piece size of `stream`: small, so that tests of protocols meet several pieces. */
const STREAM_PIECE = 4096;

export class MemoryFolder {
  name: MailboxName;
  readonly guid: string;
  readonly uidValidity: number;
  uidNext = 1;
  highestModseq = 1;
  records: readonly MessageRecord[] = [];
  keywords: readonly Flag[] = [];
  readonly recent = new Set<number>();
  readonly #world: MemoryWorld;
  readonly #messages = new Map<number, MemoryMessage>();
  readonly #expunged: { uid: number; modseq: number }[] = [];
  readonly #listeners = new Set<() => void>();
  #pending: (() => void)[] = [];
  #notifying = false;
  #gone = false;

  constructor(world: MemoryWorld, identity: { name: MailboxName; guid: string; uidValidity: number }) {
    this.#world = world;
    this.name = identity.name;
    this.guid = identity.guid;
    this.uidValidity = identity.uidValidity;
  }

  alive(): void {
    if (this.#gone) throw new MailboxError('nonexistent', `${this.name} was deleted`);
  }

  vanish(): void {
    this.#gone = true;
    this.#notify();
  }

  open(): Mailbox {
    this.settle();
    return new OpenedMemoryMailbox(this, this.#world);
  }

  octets(): number {
    let sum = 0;
    for (const message of this.#messages.values()) sum += message.content.length;
    return sum;
  }

  /** Another program's change: done at the next look. */
  later(change: () => void): void {
    this.#pending.push(change);
    this.#notify();
  }

  settle(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const change of pending) change();
  }

  add(message: MemoryMessage, recent: boolean): number {
    const uid = this.uidNext++;
    this.#learnKeywords(message.flags);
    this.#messages.set(uid, message);
    this.records = [...this.records, { uid, flags: message.flags, modseq: ++this.highestModseq }];
    if (recent) this.recent.add(uid);
    this.#notify();
    return uid;
  }

  remove(uids: readonly number[]): void {
    const doomed = new Set(uids.filter((uid) => this.#messages.has(uid)));
    if (doomed.size === 0) return;
    const modseq = ++this.highestModseq;
    for (const uid of doomed) {
      this.#messages.delete(uid);
      this.recent.delete(uid);
      this.#expunged.push({ uid, modseq });
    }
    this.records = this.records.filter((r) => !doomed.has(r.uid));
    this.#notify();
  }

  setFlags(uid: number, flags: FlagSet): void {
    this.changeFlags(new Map([[uid, flags]]));
  }

  changeFlags(changes: ReadonlyMap<number, FlagSet>): void {
    if (changes.size === 0) return;
    const modseq = ++this.highestModseq;
    for (const flags of changes.values()) this.#learnKeywords(flags);
    this.records = this.records.map((r) => {
      const flags = changes.get(r.uid);
      return flags ? { uid: r.uid, flags, modseq } : r;
    });
    this.#notify();
  }

  /** Throws `limit` when the keywords among `flags` would be too many. */
  checkKeywords(flags: FlagSet): void {
    const fresh = flags.filter((f) => !isSystemFlag(f) && !hasFlag(this.keywords, f));
    if (this.keywords.length + fresh.length > this.#world.maxKeywords) {
      throw new MailboxError('limit', `${this.name} holds ${this.#world.maxKeywords} keywords already`);
    }
  }

  /** The keywords as this mailbox spells them, and of those that do not fit none. */
  fitting(flags: FlagSet): FlagSet {
    const out: Flag[] = [];
    let room = this.#world.maxKeywords - this.keywords.length;
    for (const flag of this.spelled(flags)) {
      if (isSystemFlag(flag) || hasFlag(this.keywords, flag) || room-- > 0) out.push(flag);
    }
    return makeFlagSet(out);
  }

  spelled(flags: FlagSet): FlagSet {
    return makeFlagSet(
      flags.map((flag) => this.keywords.find((k) => k.toLowerCase() === flag.toLowerCase()) ?? flag),
    );
  }

  content(uid: number): MemoryMessage | undefined {
    return this.#messages.get(uid);
  }

  expungedSince(modseq: number): readonly number[] {
    return this.#expunged
      .filter((e) => e.modseq > modseq)
      .map((e) => e.uid)
      .sort((a, b) => a - b);
  }

  status(): MailboxStatus {
    this.settle();
    return {
      messages: this.records.length,
      recent: this.recent.size,
      unseen: this.records.filter((r) => !r.flags.includes('\\Seen')).length,
      deleted: this.records.filter((r) => r.flags.includes('\\Deleted')).length,
      uidNext: this.uidNext,
      uidValidity: this.uidValidity,
      highestModseq: this.highestModseq,
    };
  }

  watch(listener: () => void): () => void {
    // A function may be given twice: each registration is its own.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  #learnKeywords(flags: FlagSet): void {
    const fresh = flags.filter((f) => !isSystemFlag(f) && !hasFlag(this.keywords, f));
    if (fresh.length > 0) this.keywords = [...this.keywords, ...fresh];
  }

  #notify(): void {
    if (this.#notifying) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of Array.from(this.#listeners)) listener();
    });
  }
}

/** What one holder has: the shared folder, and an end of its own. */
class OpenedMemoryMailbox implements Mailbox {
  readonly #folder: MemoryFolder;
  readonly #world: MemoryWorld;
  readonly #unwatch = new Set<() => void>();
  #closed = false;

  constructor(folder: MemoryFolder, world: MemoryWorld) {
    this.#folder = folder;
    this.#world = world;
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
  get keywords(): readonly Flag[] {
    return this.#folder.keywords;
  }
  get acceptsNewKeywords(): boolean {
    return this.#folder.keywords.length < this.#world.maxKeywords;
  }
  get records(): readonly MessageRecord[] {
    return this.#folder.records;
  }
  get unclaimedRecent(): readonly number[] {
    return [...this.#folder.recent];
  }

  async refresh(): Promise<void> {
    this.#begin('refresh');
    this.#folder.settle();
  }

  async claimRecent(): Promise<readonly number[]> {
    this.#begin('claimRecent');
    const uids = [...this.#folder.recent];
    this.#folder.recent.clear();
    return uids;
  }

  message(uid: number): MessageHandle | undefined {
    const message = this.#folder.content(uid);
    return message && new MemoryHandle(this.#folder, uid, message, this.#world.parseStructure);
  }

  async store(
    uids: readonly number[],
    change: StoreChange,
    options: { readonly unchangedSince?: number } = {},
  ): Promise<StoreResult> {
    this.#begin('store');
    const wanted = this.#folder.spelled(storableFlags(change.flags));
    if (change.mode !== 'remove') this.#folder.checkKeywords(wanted);
    const modified: number[] = [];
    const expunged: number[] = [];
    const changes = new Map<number, FlagSet>();
    const byUid = new Map(this.records.map((r) => [r.uid, r]));
    for (const uid of uids) {
      const record = byUid.get(uid);
      if (!record) expunged.push(uid);
      else if (options.unchangedSince !== undefined && record.modseq > options.unchangedSince)
        modified.push(uid);
      else {
        const flags = applyChange(record.flags, change.mode, wanted);
        if (flags !== record.flags) changes.set(uid, flags);
      }
    }
    this.#folder.changeFlags(changes);
    return { modified, expunged };
  }

  async expunge(uids: readonly number[]): Promise<void> {
    this.#begin('expunge');
    this.#folder.remove(uids);
  }

  async copy(uids: readonly number[], target: MailboxName): Promise<CopyResult> {
    this.#begin('copy');
    return this.#copy(uids, target);
  }

  async move(uids: readonly number[], target: MailboxName): Promise<CopyResult> {
    this.#begin('move');
    const result = this.#copy(uids, target);
    this.#folder.remove(result.source);
    return result;
  }

  expungedSince(modseq: number): readonly number[] | undefined {
    return this.#folder.expungedSince(modseq);
  }

  readonly keepsModseqs = true;
  readonly watchPaths: readonly string[] = [];

  watch(listener: () => void): () => void {
    const stop = this.#folder.watch(listener);
    this.#unwatch.add(stop);
    return () => {
      stop();
      this.#unwatch.delete(stop);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#unwatch) stop();
    this.#unwatch.clear();
  }

  #begin(operation: string): void {
    if (this.#closed) throw new MailboxError('unavailable', `${operation} on a closed mailbox`);
    this.#folder.alive();
    this.#world.maybeFail(operation);
  }

  #copy(uids: readonly number[], target: MailboxName): CopyResult {
    const folder = this.#world.folder(canonicalName(target));
    const byUid = new Map(this.records.map((r) => [r.uid, r]));
    const existing = uids.filter((uid) => byUid.has(uid));
    let octets = 0;
    for (const uid of existing) octets += this.#folder.content(uid)?.content.length ?? 0;
    this.#world.charge(octets);
    const source: number[] = [];
    const copies: number[] = [];
    for (const uid of existing) {
      const message = this.#folder.content(uid);
      const record = byUid.get(uid);
      if (!message || !record) continue;
      source.push(uid);
      copies.push(
        folder.add({ ...message, flags: folder.fitting(record.flags), saveDate: this.#world.now() }, true),
      );
    }
    return { uidValidity: folder.uidValidity, source, target: copies };
  }
}

class MemoryHandle implements MessageHandle {
  readonly uid: number;
  readonly guid: string;
  readonly storageName: string;
  readonly pop3Uidl?: string;
  readonly pop3Order?: number;
  readonly #folder: MemoryFolder;
  readonly #content: Buffer;
  readonly #date: Date;
  readonly #saveDate: Date;
  readonly #parse: (message: Buffer) => MessageStructure;

  constructor(
    folder: MemoryFolder,
    uid: number,
    message: MemoryMessage,
    parse: (message: Buffer) => MessageStructure,
  ) {
    this.#folder = folder;
    this.#content = message.content;
    this.#date = message.internalDate;
    this.#saveDate = message.saveDate;
    this.#parse = parse;
    this.uid = uid;
    this.guid = message.guid;
    this.storageName = message.guid;
    if (message.pop3Uidl !== undefined) this.pop3Uidl = message.pop3Uidl;
    if (message.pop3Order !== undefined) this.pop3Order = message.pop3Order;
  }

  size(): number {
    this.#alive();
    return this.#content.length;
  }

  saveDate(): Date {
    this.#alive();
    return this.#saveDate;
  }

  internalDate(): Date {
    this.#alive();
    return this.#date;
  }

  header(): Buffer {
    this.#alive();
    if (this.#content.subarray(0, 2).toString('latin1') === '\r\n') return this.#content.subarray(0, 2);
    const end = this.#content.indexOf('\r\n\r\n');
    return end === -1 ? this.#content : this.#content.subarray(0, end + 4);
  }

  structure(): MessageStructure {
    this.#alive();
    return this.#parse(this.#content);
  }

  read(range?: ByteRange): Buffer {
    this.#alive();
    return range ? this.#content.subarray(Math.max(0, range.start), Math.max(0, range.end)) : this.#content;
  }

  async *stream(range?: ByteRange): AsyncIterable<Buffer> {
    const all = this.read(range);
    for (let at = 0; at < all.length; at += STREAM_PIECE) {
      this.#alive();
      yield all.subarray(at, at + STREAM_PIECE);
    }
  }

  #alive(): void {
    if (!this.#folder.content(this.uid)) throw new MailboxError('expunged', `message ${this.uid} is gone`);
  }
}
