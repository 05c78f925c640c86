// One folder of a Maildir as this process knows it: the uidlist's records matched with the files in new/ and cur/.
// Shared by all sessions of the user; `records` is replaced as a whole with each change.
//
// Looking (stat, list, compare) is synchronous and takes no lock. The lock is taken where UIDs are given to files
// that have none, and by those who add messages (`locked`). A file that a listing lacks is believed to be gone only
// when a second listing, of directories that stood still, lacks it too: other programs rename without locks.

import { existsSync, lstatSync } from 'node:fs';
import {
  MailboxError,
  type Flag,
  type MailboxName,
  type MailboxStatus,
  type MessageRecord,
} from '@postcote/mailbox';
import { keywordIndex, parseSizes, sortByArrival } from '../file-name.ts';
import { firstRows } from '../first-rows.ts';
import { formatUidlistRecord, MAX_UID, type UidlistHeader } from '../uidlist.ts';
import { warn, type StoreContext } from './context.ts';
import { acquireLock } from './dotlock.ts';
import type { EntryList } from './entry-list.ts';
import { errorCode, isMissing, toMailboxError } from './errors.ts';
import type { IndexedTexts } from './journal-reader.ts';
import { FolderMemory } from './folder-memory.ts';
import { MAX_ENCODED, type PartsFile } from './parts-file.ts';
import { encodeStructure } from '../structure-codec.ts';
import type { Arrival } from './arrivals.ts';
import { FolderFiles, type Listing } from './folder-files.ts';
import { FolderSnapshot } from './folder-snapshot.ts';
import { FolderWatch } from './folder-watch.ts';
import { KnownRows } from './known-rows.ts';
import { nextModseq } from './modseq-clock.ts';
import { KeywordFile } from './keyword-file.ts';
import { CUR, MessageEntry, NEW, type InfoValue, type Place } from './message-entry.ts';
import { nextUidValidity } from './uid-validity.ts';
import { UidlistFile } from './uidlist-file.ts';

/** Listings until directories stand still; then what is missing is believed. */
const MAX_LISTINGS = 6;
/** Stale records make a rewrite worth it from this share on. */
const STALE_SHARE = 0.25;
/** And so do sizes that had to be counted, so that nobody need count them again. */
const COUNTED_SHARE = 0.02;
/** After a first look, to write down what was seen. */
const SAVE_AFTER_MS = 1000;
/** Looking must not wait for ever on another program's lock: what has a UID is shown meanwhile. */
const LOOK_LOCK_MS = 5000;

export class MaildirFolder {
  name: MailboxName;
  path: string;
  readonly context: StoreContext;
  readonly #snapshot: FolderSnapshot;
  readonly uidlist: UidlistFile;
  readonly keywordFile: KeywordFile;
  holders = 0;
  /** Sizes were counted that names do not tell: worth writing down. */
  countedSizes = 0;
  gone = false;
  readonly #files: FolderFiles;
  #watch: FolderWatch;
  readonly #listeners = new Set<() => void>();
  readonly #noInfo: InfoValue;
  /** Made when it is first needed: a folder that did not change is shown without. */
  #byBase: Map<string, MessageEntry> | undefined = new Map();
  #memory: FolderMemory | undefined;
  #saving: NodeJS.Timeout | undefined;
  #indexed: IndexedTexts | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #notifying = false;

  constructor(context: StoreContext, name: MailboxName, path: string) {
    this.context = context;
    this.name = name;
    this.path = path;
    this.#snapshot = new FolderSnapshot(context.identity.nowMs, {
      forget: (entry) => context.contents.forget(entry),
      published: (what) => this.#memory?.published(what),
      changed: () => this.notify(),
    });
    this.uidlist = new UidlistFile(`${path}/dovecot-uidlist`);
    this.keywordFile = new KeywordFile(`${path}/dovecot-keywords`);
    this.#noInfo = this.keywordFile.info('');
    this.#files = new FolderFiles(context, this.keywordFile, path);
    this.#watch = this.#makeWatch();
  }

  /** The folder was renamed: everything known about it stays true. */
  relocate(name: MailboxName, path: string): void {
    this.name = name;
    this.path = path;
    this.uidlist.path = `${path}/dovecot-uidlist`;
    this.keywordFile.path = `${path}/dovecot-keywords`;
    this.#files.relocate(path);
    this.#watch.stop();
    this.#watch = this.#makeWatch();
    if (this.#listeners.size > 0) this.#watch.start();
  }

  #makeWatch(): FolderWatch {
    return new FolderWatch({
      paths: this.watchPaths,
      pollMs: this.context.pollMs,
      looksChanged: () => this.#needed() !== 0,
      notify: () => this.notify(),
    });
  }

  get keepsModseqs(): boolean {
    return this.#memory?.works === true;
  }

  get watchPaths(): readonly string[] {
    return [`${this.path}/new`, `${this.path}/cur`];
  }

  get records(): readonly MessageRecord[] {
    return this.#snapshot.records;
  }

  get entries(): EntryList {
    return this.#snapshot.entries;
  }

  /** UIDs that nobody has claimed as \\Recent. */
  get recent(): Set<number> {
    return this.#snapshot.recent;
  }

  get highestModseq(): number {
    return this.#snapshot.highestModseq;
  }

  entry(uid: number): MessageEntry | undefined {
    return this.entries.get(this.indexOf(uid));
  }

  indexOf(uid: number): number {
    return this.#snapshot.indexOf(uid);
  }

  expungedSince(modseq: number): readonly number[] | undefined {
    return this.#snapshot.expungedSince(modseq);
  }

  get uidValidity(): number {
    return this.uidlist.header?.uidValidity ?? 0;
  }

  get uidNext(): number {
    return this.uidlist.uidNext;
  }

  get guid(): string {
    return this.uidlist.header?.guid ?? '';
  }

  /** First look. Throws `nonexistent` when there is no such folder. */
  async load(): Promise<void> {
    this.#files.ensure();
    const needed = this.#recall() ? this.#needed() : NEW | CUR;
    if (needed !== 0) await this.#look(needed);
    if (!this.uidlist.header) throw new MailboxError('unavailable', `${this.name}: no dovecot-uidlist`);
    this.#memory?.identify(this);
    this.saveSoon();
  }

  /** What was learned of a message as it came in. */
  keepArrival(entry: MessageEntry, { structure, bytes }: Arrival): void {
    const size = parseSizes(entry.base).size ?? -1;
    if (entry.rawSize === -1) entry.rawSize = size;
    if (entry.rawSize === -1) return;
    entry.crlfSize = structure.size;
    entry.counted = true;
    const encoding = encodeStructure(structure, MAX_ENCODED);
    if (encoding) this.parts?.put(entry.uid, entry.rawSize, encoding);
    // Whoever indexes its text needs the octets next.
    if (bytes && this.context.texts) this.context.contents.put(entry, { bytes, structure });
  }

  /** Structures kept of this folder's messages. */
  get parts(): PartsFile | undefined {
    return this.#memory?.parts;
  }

  /** Goes on where an earlier process stopped, as far as that one's folder is still this one. */
  #recall(): boolean {
    const { index } = this.context;
    const key = index?.keyOf(this.path);
    if (!index || key === undefined) return false;
    this.#memory = new FolderMemory(index, key);
    this.keywordFile.refresh();
    const known = this.#memory.recall(this.keywordFile, this.context.identity.nowMs());
    if (!known) return false;
    const header = this.uidlist.peekHeader();
    if (!header || header.guid !== known.guid || header.uidValidity !== known.uidValidity) {
      this.#memory.discard();
      return false;
    }
    this.#snapshot.restore(known.folder);
    this.#byBase = undefined;
    const { standing } = known;
    if (standing) {
      this.#indexed = standing.indexed;
      this.uidlist.restore(standing.uidlist);
      this.#files.restore(standing.directories);
    } else this.uidlist.header = header;
    return true;
  }

  /** All texts of this folder are in the index, as far as is known without opening it. */
  isIndexed(): boolean {
    const { index } = this.context;
    const done = this.#indexed;
    if (this.records.length === 0 && done === undefined) return true;
    return (
      done !== undefined &&
      done.uidNext === this.uidNext &&
      done.messages === this.records.length &&
      done.id === index?.textId()
    );
  }

  /** They are now. */
  noteIndexed(): void {
    const id = this.context.index?.textId();
    if (id === undefined) return;
    this.#indexed = { uidNext: this.uidNext, messages: this.records.length, id };
  }

  /** Writes down what the next process can go on with. */
  save(): void {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    const { guid, uidValidity } = this;
    if (this.gone || !this.#memory || guid === '') return;
    const uidlist = this.uidlist.standing;
    const standing = uidlist && {
      uidlist,
      directories: this.#files.standing,
      ...(this.#indexed ? { indexed: this.#indexed } : {}),
    };
    this.#memory.save({ guid, uidValidity }, this.#snapshot, standing);
  }

  /** The same when there is time for it. */
  saveSoon(): void {
    if (!this.#memory || this.#saving) return;
    this.#saving = setTimeout(() => this.save(), SAVE_AFTER_MS);
    this.#saving.unref();
  }

  get #bases(): Map<string, MessageEntry> {
    if (this.#byBase) return this.#byBase;
    this.#byBase = new Map();
    for (const entry of this.entries) this.#byBase.set(entry.base, entry);
    // Records without files are known to the uidlist alone.
    if (this.uidlist.records !== this.entries.length) this.uidlist.forgetPosition();
    this.#readUidlist();
    return this.#byBase;
  }

  async refresh(): Promise<void> {
    this.alive();
    const needed = this.#needed();
    if (needed !== 0) await this.#look(needed);
  }

  alive(): void {
    if (this.gone) throw new MailboxError('nonexistent', `${this.name} was deleted`);
  }

  /** Deleted, or renamed away: whoever holds it learns at the next call. */
  vanish(): void {
    this.gone = true;
    this.#watch.stop();
    this.notify();
  }

  watch(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    if (!this.gone) this.#watch.start();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.#watch.stop();
    };
  }

  notify(): void {
    if (this.#notifying || this.#listeners.size === 0) return;
    this.#notifying = true;
    setImmediate(() => {
      this.#notifying = false;
      for (const listener of Array.from(this.#listeners)) listener();
    });
  }

  directoryOf(place: Place): string {
    return this.#files.directoryOf(place);
  }

  fileOf(entry: MessageEntry): string | Buffer {
    return this.#files.fileOf(entry);
  }

  status(): MailboxStatus {
    let unseen = 0;
    let deleted = 0;
    for (const record of this.records) {
      if (!record.flags.includes('\\Seen')) unseen++;
      if (record.flags.includes('\\Deleted')) deleted++;
    }
    return {
      messages: this.records.length,
      recent: this.recent.size,
      unseen,
      deleted,
      uidNext: this.uidNext,
      uidValidity: this.uidValidity,
      highestModseq: this.highestModseq,
    };
  }

  keywords(): Flag[] {
    return this.keywordFile.names(this.lettersInUse());
  }

  lettersInUse(): Set<number> {
    const infos = new Set<InfoValue>();
    for (let i = 0; i < this.entries.length; i++) infos.add(this.entries.infoAt(i));
    const letters = new Set<number>();
    for (const { info } of infos) {
      for (const letter of info.letters) {
        const index = keywordIndex(letter);
        if (index !== -1) letters.add(index);
      }
    }
    return letters;
  }

  /** Runs `work` while this process and no other program may give out UIDs here. */
  async locked<T>(work: () => Promise<T>, timeoutMs = this.context.lockTimeoutMs): Promise<T> {
    const run = async (): Promise<T> => {
      this.alive();
      const release = await acquireLock(
        {
          path: `${this.path}/dovecot-uidlist.lock`,
          protects: this.uidlist.path,
          mode: this.context.modes().file,
          timeoutMs,
          what: this.name,
        },
        this.context.identity,
      );
      try {
        return await work();
      } finally {
        release();
      }
    };
    const result = this.#queue.then(run, run);
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Under the lock: the uidlist is read to its end, is ours to append to, and nothing in it is unknown here. */
  prepareToAppend(): void {
    if (this.#readUidlist()) this.#scan(NEW | CUR);
    if (!this.uidlist.header || this.uidlist.irregular) this.#rewrite();
  }

  /** Under the lock, after `prepareToAppend`: the next UIDs' records, for files that are in place already. */
  async addEntries(made: readonly MessageEntry[]): Promise<void> {
    const last = made.at(-1);
    if (!last) return;
    const lines = made.map((e) => formatUidlistRecord(e.uid, e.fields, e.base)).join('');
    await this.uidlist.append(lines, { uid: last.uid, records: made.length });
    for (const entry of made) this.#bases.set(entry.base, entry);
    this.#snapshot.publish({ expunged: [], appeared: made, check: [] });
  }

  /** UIDs for `count` messages; throws when there are no more. */
  allocate(count: number): number {
    const first = this.uidNext;
    if (first + count - 1 > MAX_UID)
      throw new MailboxError('limit', `${this.name} has given out its last UID`);
    return first;
  }

  /** A change of our own to files in new/ or cur/ begins; call the result when it is done. */
  ownChange(): () => void {
    return this.#files.ownChange();
  }

  /** Looks again at once, without giving UIDs to strangers; after a file was not where it should be. */
  lookAgain(): void {
    if (this.gone) return;
    try {
      this.#readUidlist();
      this.#scan(NEW | CUR);
    } catch (error) {
      if (isMissing(error)) this.vanish();
      throw error;
    }
    this.#files.forget();
  }

  /** Flags changed, by our doing: of these messages, or of any. */
  publishChanged(uids?: readonly number[]): void {
    this.#snapshot.publish({ expunged: [], appeared: [], check: uids ?? 'all' });
  }

  publishExpunged(gone: readonly MessageEntry[]): void {
    if (gone.length > 0) this.#snapshot.publish({ expunged: gone, appeared: [], check: [] });
  }

  /** Drops stale records when they are many. Best effort: a stale record does no harm. */
  async tidy(): Promise<void> {
    const stale = this.uidlist.records - this.entries.length;
    const worthIt =
      (stale > 0 && stale >= this.uidlist.records * STALE_SHARE) ||
      this.countedSizes > this.entries.length * COUNTED_SHARE;
    if (this.gone || !worthIt) return;
    this.countedSizes = 0;
    try {
      await this.locked(async () => {
        this.#readUidlist();
        this.#rewrite();
        this.#files.forget();
      }, LOOK_LOCK_MS);
    } catch (error) {
      warn(this.context, `${this.name}: uidlist not rewritten: ${toMailboxError(error, '').message}`);
    }
  }

  #needed(): number {
    if (this.uidlist.looksChanged()) return NEW | CUR;
    return this.#files.needed({ fresh: this.recent.size, all: this.entries.length });
  }

  async #look(needed: number): Promise<void> {
    if (!this.uidlist.header && (await this.#firstLook())) return;
    let listing: Listing;
    try {
      const recordsChanged = this.#readUidlist();
      listing = this.#scan(recordsChanged ? NEW | CUR : needed);
    } catch (error) {
      if (!isMissing(error)) throw toMailboxError(error, this.name);
      this.#recreateOrVanish();
      listing = this.#scan(NEW | CUR);
    }
    const { strangers } = listing;
    if (strangers.length === 0 && this.uidlist.header && !this.uidlist.irregular) return;
    try {
      const places = strangers.reduce((which: number, s) => which | s.place, NEW);
      await this.locked(
        () => this.#adoptStrangers(places, listing),
        this.uidlist.header ? LOOK_LOCK_MS : this.context.lockTimeoutMs,
      );
    } catch (error) {
      // What is known can be shown although nothing may be written: a read-only disk, a full one, a long lock.
      const problem = toMailboxError(error, this.name);
      if (!this.uidlist.header || this.gone) throw problem;
      warn(this.context, `${this.name}: new files have no UIDs yet: ${problem.message}`);
      this.#files.forget();
    }
  }

  /** A folder that nobody has opened yet gets its uidlist in one go. False where it takes more than that. */
  async #firstLook(): Promise<boolean> {
    if (this.entries.length > 0 || existsSync(this.uidlist.path)) return false;
    return this.locked(async () => {
      if (existsSync(this.uidlist.path)) return false;
      const listed = this.#files.listAnew();
      this.keywordFile.refresh();
      const modseq = nextModseq(this.context.identity.nowMs());
      const first = listed && firstRows(listed.names, { fresh: listed.fresh, firstUid: 1, modseq });
      if (!first || first.rows.count > MAX_UID) {
        this.#files.forget();
        return false;
      }
      const { count } = first.rows;
      const header: UidlistHeader = {
        version: 3,
        uidValidity: nextUidValidity(this.context),
        nextUid: count + 1,
        guid: this.context.randomGuid(),
        extra: '',
      };
      const body = { text: first.uidlist, lastUid: count, records: count };
      this.uidlist.rewrite(header, body, this.context.modes().file);
      const known = new KnownRows(this.keywordFile);
      known.add(first.rows);
      this.#byBase = undefined;
      this.#snapshot.restore({
        ...known.finish(),
        expunged: [],
        expungedFloor: modseq,
        highestModseq: modseq,
      });
      this.#takeArrivals([...this.recent].map((uid) => this.entry(uid) as MessageEntry));
      this.notify();
      return true;
    });
  }

  /** What was learned of these messages as they came in. */
  #takeArrivals(entries: readonly MessageEntry[]): void {
    if (this.context.arrivals.isEmpty) return;
    this.#memory?.identify(this);
    for (const entry of entries) {
      const arrival = this.context.arrivals.take(entry.base);
      if (arrival) this.keepArrival(entry, arrival);
    }
  }

  #recreateOrVanish(): void {
    // DOVECOT: missing cur and new are made again while the folder's own directory stands.
    try {
      lstatSync(this.path);
      this.#files.ensure();
    } catch (error) {
      if (isMissing(error)) this.vanish();
      throw isMissing(error)
        ? new MailboxError('nonexistent', `${this.name} is gone`)
        : toMailboxError(error, this.name);
    }
  }

  /** Reads what is new in the uidlist; true when records came or went. */
  #readUidlist(): boolean {
    let changed = false;
    let before: Map<string, MessageEntry> | undefined;
    const validity = this.uidValidity;
    let known = this.#bases;
    const sink = (uid: number, fields: string, base: string): void => {
      const old = (before ?? known).get(base);
      if (old && old.uid === uid) {
        old.fields = fields;
        if (before) known.set(base, old);
      } else {
        known.set(base, new MessageEntry(uid, fields, base, this.#noInfo));
      }
      changed = true;
    };
    const outcome = this.uidlist.read(sink, () => {
      before = known;
      this.#byBase = known = new Map();
    });
    if (outcome === 'unchanged') return false;
    // What is known here outlives the file: it is written again with the same UIDs.
    if (outcome === 'missing' && this.uidlist.header)
      warn(this.context, `${this.name}: dovecot-uidlist went missing`);
    if (outcome === 'damaged')
      warn(this.context, `${this.name}: dovecot-uidlist is damaged, a new one is made`);
    if (!changed && !before) return false;
    // Records that went away, or came back under another UID: their messages are no longer these.
    const doomed = [...this.entries].filter((e) => known.get(e.base) !== e || validity !== this.uidValidity);
    if (doomed.length > 0) {
      if (validity !== this.uidValidity) this.#refreshIdentities();
      this.#snapshot.publish({ expunged: doomed, appeared: [], check: [] });
      // What another mailbox's UIDs were is no news to this one.
      if (validity !== this.uidValidity) this.#snapshot.forgetExpunged();
    }
    return changed || doomed.length > 0;
  }

  /** UIDVALIDITY changed: every message is another one, though records may look alike. */
  #refreshIdentities(): void {
    const fresh = new Map<string, MessageEntry>();
    for (const e of this.#bases.values())
      fresh.set(e.base, new MessageEntry(e.uid, e.fields, e.base, this.#noInfo));
    this.#byBase = fresh;
  }

  /** Lists the directories and takes over what they say. Files without a UID stay in the listing. */
  #scan(which: number, atLeast = 1): Listing {
    let listing = this.#list(which);
    let { changed } = listing;
    for (let done = 1; done < MAX_LISTINGS; done++) {
      const complete = !this.#lacksSomething(listing);
      const believed = listing.quiet && done >= 2;
      if (done >= atLeast && (complete || believed)) break;
      listing = this.#list(NEW | CUR);
      changed ||= listing.changed;
    }
    const expunged = [...this.entries].filter((e) => this.#files.lacks(listing, e));
    const appeared = listing.appeared.filter((e) => this.#files.met(e));
    changed = this.keywordFile.refresh() || changed;
    this.#snapshot.publish({ expunged, appeared, check: changed ? 'all' : [] });
    return listing;
  }

  /** A known message was not met; or a record has no file, and the file may have moved while we looked. */
  #lacksSomething(listing: Listing): boolean {
    const { entries, uidlist } = this;
    if (!listing.quiet && uidlist.records > entries.length + listing.appeared.length) return true;
    for (const e of entries) if (this.#files.lacks(listing, e)) return true;
    return false;
  }

  #list(which: number): Listing {
    const bases = this.#bases;
    return this.#files.list(
      which,
      {
        entryOf: (base) => bases.get(base),
        takenFromNew: (entry) => this.recent.delete(entry.uid),
      },
      !this.uidlist.header,
    );
  }

  /** Under the lock: gives UIDs to files without one, in the order of their arrival. */
  async #adoptStrangers(places: number, listed: Listing): Promise<void> {
    const recordsChanged = this.#readUidlist();
    const again = recordsChanged ? NEW | CUR : this.#needed();
    const listing = again === 0 ? listed : this.#scan(places | again);
    const settled = this.#files.settleStrangers(listing, (base) => this.#bases.get(base)?.live === true);
    const unfit = !this.uidlist.header || this.uidlist.irregular;
    if (settled.length === 0) return unfit ? this.#rewrite() : undefined;
    const found = sortByArrival(settled);
    const first = this.allocate(found.length);
    const made = found.map((f, i) => {
      const entry = new MessageEntry(first + i, '', f.base, this.keywordFile.info(f.info));
      entry.place = f.place;
      return entry;
    });
    if (unfit) this.#rewrite(made);
    else await this.addEntries(made);
    this.#takeArrivals(made);
  }

  /** Under the lock: the uidlist as it should be, with these new records and without those of messages gone. */
  #rewrite(made: readonly MessageEntry[] = []): void {
    // No record is dropped on the word of one listing.
    if (this.uidlist.records > this.entries.length) this.#scan(NEW | CUR, 2);
    const old = this.uidlist.header;
    const header: UidlistHeader = {
      version: 3,
      uidValidity: old?.uidValidity ?? nextUidValidity(this.context),
      nextUid: Math.max(this.uidlist.uidNext, (made.at(-1)?.uid ?? 0) + 1),
      guid: old?.guid ?? this.context.randomGuid(),
      extra: old?.extra ?? '',
    };
    const all = [...this.entries, ...made];
    let text = '';
    for (const e of all) text += formatUidlistRecord(e.uid, e.fields, e.base);
    const body = { text, lastUid: all.at(-1)?.uid ?? 0, records: all.length };
    this.uidlist.rewrite(header, body, this.context.modes().file);
    // A base that is no longer recorded is a stranger's from now on; the others are known as messages.
    this.#byBase = undefined;
    if (made.length > 0) this.#snapshot.publish({ expunged: [], appeared: made, check: [] });
  }
}

/** Whether an error says that a message's file has another name by now. */
export function isMoved(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}
