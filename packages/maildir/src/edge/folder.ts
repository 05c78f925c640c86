// One folder of a Maildir as this process knows it: the uidlist's records matched with the files in new/ and cur/.
// Shared by all sessions of the user; `records` is replaced as a whole with each change.
//
// Looking (stat, list, compare) is synchronous and takes no lock. The lock is taken where UIDs are given to files
// that have none, and by those who add messages (`locked`). A file that a listing lacks is believed to be gone only
// when a second listing, of directories that stood still, lacks it too: other programs rename without locks.

import { readdirSync, renameSync, lstatSync } from 'node:fs';
import {
  MailboxError,
  sameFlags,
  type Flag,
  type MailboxName,
  type MailboxStatus,
  type MessageRecord,
} from '@postcote/mailbox';
import { baseOf, compareArrival, keywordIndex } from '../file-name.ts';
import { formatUidlistRecord, MAX_UID, type UidlistHeader } from '../uidlist.ts';
import { warn, type StoreContext } from './context.ts';
import { DirectoryState } from './directory-state.ts';
import { makeDirectory, pathOf } from './disk.ts';
import { acquireLock } from './dotlock.ts';
import { errorCode, isMissing, toMailboxError } from './errors.ts';
import { FolderWatch } from './folder-watch.ts';
import { KeywordFile } from './keyword-file.ts';
import { ABSENT, CUR, MessageEntry, NEW, type InfoValue, type Place } from './message-entry.ts';
import { nextModseq } from './modseq-clock.ts';
import { nextUidValidity } from './uid-validity.ts';
import { UidlistFile } from './uidlist-file.ts';

/** Listings until directories stand still; then what is missing is believed. */
const MAX_LISTINGS = 6;
/** Stale records make a rewrite worth it from this share on. */
const STALE_SHARE = 0.25;
/** And so do sizes that had to be counted, so that nobody need count them again. */
const COUNTED_SHARE = 0.02;
/** Expunged UIDs remembered for `expungedSince`. */
const MAX_EXPUNGED = 50_000;
/** Looking must not wait for ever on another program's lock: what has a UID is shown meanwhile. */
const LOOK_LOCK_MS = 5000;

/** A file without a UID. */
interface Stranger {
  readonly name: string;
  readonly place: Place;
}

export class MaildirFolder {
  name: MailboxName;
  path: string;
  readonly context: StoreContext;
  records: readonly MessageRecord[] = [];
  entries: readonly MessageEntry[] = [];
  highestModseq: number;
  readonly recent = new Set<number>();
  readonly uidlist: UidlistFile;
  readonly keywordFile: KeywordFile;
  holders = 0;
  /** Sizes were counted that names do not tell: worth writing down. */
  countedSizes = 0;
  gone = false;
  readonly #directories: readonly [DirectoryState, DirectoryState];
  #watch: FolderWatch;
  readonly #listeners = new Set<() => void>();
  readonly #noInfo: InfoValue;
  #byBase = new Map<string, MessageEntry>();
  /** Names that are no regular files. */
  readonly #ignored = new Set<string>();
  #generation = 0;
  #expunged: { uid: number; modseq: number }[] = [];
  #expungedFloor: number;
  #queue: Promise<unknown> = Promise.resolve();
  #notifying = false;

  constructor(context: StoreContext, name: MailboxName, path: string) {
    this.context = context;
    this.name = name;
    this.path = path;
    // Greater than whatever an earlier process gave: see docs/maildir.md.
    this.highestModseq = nextModseq(context.identity.nowMs());
    this.#expungedFloor = this.highestModseq;
    this.uidlist = new UidlistFile(`${path}/dovecot-uidlist`);
    this.keywordFile = new KeywordFile(`${path}/dovecot-keywords`);
    this.#noInfo = this.keywordFile.info('');
    this.#directories = [new DirectoryState(`${path}/new`), new DirectoryState(`${path}/cur`)];
    this.#watch = this.#makeWatch();
  }

  /** The folder was renamed: everything known about it stays true. */
  relocate(name: MailboxName, path: string): void {
    this.name = name;
    this.path = path;
    this.uidlist.path = `${path}/dovecot-uidlist`;
    this.keywordFile.path = `${path}/dovecot-keywords`;
    this.#directories[0].path = `${path}/new`;
    this.#directories[1].path = `${path}/cur`;
    this.#watch.stop();
    this.#watch = this.#makeWatch();
    if (this.#listeners.size > 0) this.#watch.start();
  }

  #makeWatch(): FolderWatch {
    return new FolderWatch({
      paths: [`${this.path}/new`, `${this.path}/cur`],
      pollMs: this.context.pollMs,
      looksChanged: () => this.#needed() !== 0,
      notify: () => this.notify(),
    });
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
    this.#ensureDirectories();
    await this.#look(NEW | CUR);
    if (!this.uidlist.header) throw new MailboxError('unavailable', `${this.name}: no dovecot-uidlist`);
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

  /** The live entry of a UID. */
  entry(uid: number): MessageEntry | undefined {
    const at = this.indexOf(uid);
    return at === -1 ? undefined : this.entries[at];
  }

  indexOf(uid: number): number {
    let low = 0;
    let high = this.entries.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = (this.entries[middle] as MessageEntry).uid;
      if (found === uid) return middle;
      if (found < uid) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  directoryOf(place: Place): string {
    return `${this.path}/${place === NEW ? 'new' : 'cur'}`;
  }

  fileOf(entry: MessageEntry): string | Buffer {
    return pathOf(this.directoryOf(entry.place), entry.base + entry.info.text);
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
    for (const entry of this.entries) infos.add(entry.info);
    const letters = new Set<number>();
    for (const { info } of infos) {
      for (const letter of info.letters) {
        const index = keywordIndex(letter);
        if (index !== -1) letters.add(index);
      }
    }
    return letters;
  }

  expungedSince(modseq: number): readonly number[] | undefined {
    if (modseq < this.#expungedFloor) return undefined;
    const uids: number[] = [];
    for (const e of this.#expunged) if (e.modseq > modseq) uids.push(e.uid);
    return uids.sort((a, b) => a - b);
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
    for (const entry of made) this.#byBase.set(entry.base, entry);
    this.#publish({ expunged: [], appeared: made, check: [] });
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
    const now = this.context.identity.nowMs;
    const ends = this.#directories.map((d) => d.change(now));
    return () => {
      for (const end of ends) end();
    };
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
    for (const directory of this.#directories) directory.forget();
  }

  /** Flags changed, by our doing: of these messages, or of any. */
  publishChanged(uids?: readonly number[]): void {
    this.#publish({ expunged: [], appeared: [], check: uids ?? 'all' });
  }

  publishExpunged(gone: readonly MessageEntry[]): void {
    if (gone.length > 0) this.#publish({ expunged: gone, appeared: [], check: [] });
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
        for (const directory of this.#directories) directory.forget();
      }, LOOK_LOCK_MS);
    } catch (error) {
      warn(this.context, `${this.name}: uidlist not rewritten: ${toMailboxError(error, '').message}`);
    }
  }

  #ensureDirectories(): void {
    const { directory } = this.context.modes();
    for (const state of this.#directories)
      if (state.mtime() === undefined) makeDirectory(state.path, directory);
    makeDirectory(`${this.path}/tmp`, directory);
  }

  /** Which directories must be listed: bits of NEW and CUR. */
  #needed(): number {
    const now = this.context.identity.nowMs();
    const [fresh, current] = this.#directories;
    const freshTime = fresh.mtime();
    const currentTime = current.mtime();
    if (freshTime === undefined || currentTime === undefined) return NEW | CUR;
    let needed = 0;
    if (fresh.needsListing(freshTime, now, this.recent.size)) needed |= NEW;
    if (current.needsListing(currentTime, now, this.entries.length)) needed |= CUR;
    if (this.uidlist.looksChanged()) needed |= NEW | CUR;
    return needed;
  }

  async #look(needed: number): Promise<void> {
    let strangers: Stranger[];
    try {
      const recordsChanged = this.#readUidlist();
      strangers = this.#scan(recordsChanged ? NEW | CUR : needed);
    } catch (error) {
      if (!isMissing(error)) throw toMailboxError(error, this.name);
      this.#recreateOrVanish();
      strangers = this.#scan(NEW | CUR);
    }
    if (strangers.length === 0 && this.uidlist.header && !this.uidlist.irregular) return;
    try {
      const places = strangers.reduce((which: number, s) => which | s.place, NEW);
      await this.locked(
        () => this.#adoptStrangers(places),
        this.uidlist.header ? LOOK_LOCK_MS : this.context.lockTimeoutMs,
      );
    } catch (error) {
      // What is known can be shown although nothing may be written: a read-only disk, a full one, a long lock.
      const problem = toMailboxError(error, this.name);
      if (!this.uidlist.header || this.gone) throw problem;
      warn(this.context, `${this.name}: new files have no UIDs yet: ${problem.message}`);
      for (const directory of this.#directories) directory.forget();
    }
  }

  #recreateOrVanish(): void {
    // DOVECOT: missing cur and new are made again while the folder's own directory stands.
    try {
      lstatSync(this.path);
      this.#ensureDirectories();
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
    const sink = (uid: number, fields: string, base: string): void => {
      const old = (before ?? this.#byBase).get(base);
      if (old && old.uid === uid) {
        old.fields = fields;
        if (before) this.#byBase.set(base, old);
      } else {
        this.#byBase.set(base, new MessageEntry(uid, fields, base, this.#noInfo));
      }
      changed = true;
    };
    const outcome = this.uidlist.read(sink, () => {
      before = this.#byBase;
      this.#byBase = new Map();
    });
    if (outcome === 'unchanged') return false;
    // What is known here outlives the file: it is written again with the same UIDs.
    if (outcome === 'missing' && this.uidlist.header)
      warn(this.context, `${this.name}: dovecot-uidlist went missing`);
    if (outcome === 'damaged')
      warn(this.context, `${this.name}: dovecot-uidlist is damaged, a new one is made`);
    if (!changed && !before) return false;
    // Records that went away, or came back under another UID: their messages are no longer these.
    const doomed = this.entries.filter(
      (e) => this.#byBase.get(e.base) !== e || validity !== this.uidValidity,
    );
    if (doomed.length > 0) {
      if (validity !== this.uidValidity) this.#refreshIdentities();
      this.#publish({ expunged: doomed, appeared: [], check: [] });
      // What another mailbox's UIDs were is no news to this one.
      if (validity !== this.uidValidity) [this.#expunged, this.#expungedFloor] = [[], this.highestModseq];
    }
    return changed || doomed.length > 0;
  }

  /** UIDVALIDITY changed: every message is another one, though records may look alike. */
  #refreshIdentities(): void {
    const fresh = new Map<string, MessageEntry>();
    for (const e of this.#byBase.values())
      fresh.set(e.base, new MessageEntry(e.uid, e.fields, e.base, this.#noInfo));
    this.#byBase = fresh;
  }

  /** Lists the directories, takes over what they say, and returns files that have no UID. */
  #scan(which: number, atLeast = 1): Stranger[] {
    let listing = this.#list(which);
    let { changed } = listing;
    for (let done = 1; done < MAX_LISTINGS; done++) {
      const complete = !this.#lacksSomething(listing);
      const believed = listing.quiet && done >= 2;
      if (done >= atLeast && (complete || believed)) break;
      listing = this.#list(NEW | CUR);
      changed ||= listing.changed;
    }
    const generation = this.#generation;
    const expunged: MessageEntry[] = [];
    for (const entry of this.entries) {
      if (entry.generation !== generation && covers(listing.which, entry.place)) expunged.push(entry);
    }
    const appeared = listing.appeared.filter((e) => e.generation === generation);
    changed = this.keywordFile.refresh() || changed;
    this.#publish({ expunged, appeared, check: changed ? 'all' : [] });
    return listing.strangers;
  }

  /** A known message was not met; or a record has no file, and the file may have moved while we looked. */
  #lacksSomething(listing: Listing): boolean {
    const { entries, uidlist } = this;
    if (!listing.quiet && uidlist.records > entries.length + listing.appeared.length) return true;
    return entries.some((e) => e.generation !== this.#generation && covers(listing.which, e.place));
  }

  #list(which: number): Listing {
    const generation = ++this.#generation;
    const listing: Listing = { which, quiet: true, changed: false, strangers: [], appeared: [] };
    const now = this.context.identity.nowMs();
    for (const place of [NEW, CUR] as const) {
      if ((which & place) === 0) continue;
      const directory = this.#directories[place - 1] as DirectoryState;
      const mtime = directory.mtime() ?? 0;
      const names = readdirSync(directory.path, 'latin1');
      directory.listed(mtime, now);
      for (const name of names) this.#meet(name, place, generation, listing);
      if (directory.mtime() !== mtime) listing.quiet = false;
    }
    return listing;
  }

  #meet(name: string, place: Place, generation: number, listing: Listing): void {
    if (name.charCodeAt(0) === 46) return;
    const colon = name.indexOf(':');
    const base = colon === -1 ? name : name.slice(0, colon);
    const entry = this.#byBase.get(base);
    if (!entry || entry.dead) {
      if (!this.#ignored.has(base) || this.#isMessageFile(name, place))
        listing.strangers.push({ name, place });
      return;
    }
    const info = colon === -1 ? this.#noInfo : this.keywordFile.info(name.slice(colon));
    if (entry.generation === generation) {
      // Seen already in this listing: moved while we looked, or there twice.
      if (entry.place === place && entry.info === info) return;
      if (this.#exists(entry)) {
        if (!this.#sameFile(entry, name, place)) listing.strangers.push({ name, place });
        return;
      }
    }
    entry.generation = generation;
    if (entry.place !== place || entry.info !== info) {
      entry.place = place;
      entry.info = info;
      listing.changed = true;
      if (place === CUR) this.recent.delete(entry.uid);
    }
    if (!entry.live) listing.appeared.push(entry);
  }

  #exists(entry: MessageEntry): boolean {
    return lstatSync(this.fileOf(entry), { throwIfNoEntry: false }) !== undefined;
  }

  #sameFile(entry: MessageEntry, name: string, place: Place): boolean {
    const one = lstatSync(this.fileOf(entry), { throwIfNoEntry: false });
    const other = lstatSync(pathOf(this.directoryOf(place), name), { throwIfNoEntry: false });
    return !one || !other || one.ino === other.ino;
  }

  #isMessageFile(name: string, place: Place): boolean {
    return lstatSync(pathOf(this.directoryOf(place), name), { throwIfNoEntry: false })?.isFile() === true;
  }

  /** Under the lock: gives UIDs to files without one, in the order of their arrival. */
  async #adoptStrangers(places: number): Promise<void> {
    const recordsChanged = this.#readUidlist();
    const strangers = this.#scan(recordsChanged ? NEW | CUR : places | this.#needed());
    if (!this.uidlist.header || this.uidlist.irregular) this.#rewrite();
    const inodes = new Map<string, number>();
    const found = strangers.flatMap((s) => this.#meetStranger(s, inodes));
    if (found.length === 0) return;
    found.sort((a, b) => compareArrival(a.base, b.base));
    const first = this.allocate(found.length);
    const made = found.map((f, i) => {
      const entry = new MessageEntry(first + i, '', f.base, this.keywordFile.info(f.info));
      entry.place = f.place;
      entry.rawSize = f.size;
      entry.mtimeMs = f.mtimeMs;
      return entry;
    });
    await this.addEntries(made);
  }

  /** `inodes` has the bases met before in this round. */
  #meetStranger(stranger: Stranger, inodes: Map<string, number>): FoundFile[] {
    const { name, place } = stranger;
    const directory = this.directoryOf(place);
    const stat = lstatSync(pathOf(directory, name), { throwIfNoEntry: false });
    if (!stat) return [];
    let base = baseOf(name);
    const info = name.slice(base.length);
    if (!stat.isFile()) {
      if (!this.#ignored.has(base))
        warn(this.context, `${this.name}: ${JSON.stringify(name)} is no regular file, ignored`);
      this.#ignored.add(base);
      return [];
    }
    this.#ignored.delete(base);
    // Linked to its second name and not yet unlinked from its first: one message.
    if (inodes.get(base) === stat.ino) return [];
    if (this.#byBase.get(base)?.live || inodes.has(base) || base === '' || /[\r\n]/.test(base)) {
      // The same base twice, or one that no uidlist can hold: the file goes on under a new name.
      base = this.context.names.next();
      renameSync(pathOf(directory, name), pathOf(directory, base + info));
    }
    inodes.set(base, stat.ino);
    return [{ base, info, place, size: stat.size, mtimeMs: stat.mtimeMs }];
  }

  /** Under the lock: the uidlist as it should be, without records of messages that are gone. */
  #rewrite(): void {
    // No record is dropped on the word of one listing.
    if (this.uidlist.records > this.entries.length) this.#scan(NEW | CUR, 2);
    const old = this.uidlist.header;
    const header: UidlistHeader = {
      version: 3,
      uidValidity: old?.uidValidity ?? nextUidValidity(this.context),
      nextUid: this.uidlist.uidNext,
      guid: old?.guid ?? this.context.randomGuid(),
      extra: old?.extra ?? '',
    };
    const text = this.entries.map((e) => formatUidlistRecord(e.uid, e.fields, e.base)).join('');
    const body = { text, lastUid: this.entries.at(-1)?.uid ?? 0, records: this.entries.length };
    this.uidlist.rewrite(header, body, this.context.modes().file);
    // A base that is no longer recorded is a stranger's from now on.
    this.#byBase = new Map(this.entries.map((e) => [e.base, e]));
  }

  /** Makes a new snapshot; the one place that gives out modseqs. */
  #publish(change: Change): void {
    const { expunged, appeared } = change;
    if (expunged.length === 0 && appeared.length === 0 && change.check.length === 0) return;
    const modseq = nextModseq(this.context.identity.nowMs());
    let { records, entries } = this;
    records = this.#recordsWithFlags(change.check, modseq);
    let touched = records !== this.records;
    if (expunged.length > 0) {
      for (const entry of expunged) this.#forgetEntry(entry, modseq);
      const kept = entries.filter((e) => !e.dead);
      if (kept.length < entries.length) {
        records = records.filter((_, i) => !(entries[i] as MessageEntry).dead);
        entries = kept;
        touched = true;
      }
      if (this.#expunged.length > MAX_EXPUNGED) this.#trimExpunged();
    }
    if (appeared.length > 0) {
      const added: MessageEntry[] = [];
      for (const entry of appeared) {
        if (entry.live) continue;
        entry.live = true;
        added.push(entry);
        if (entry.place === NEW) this.recent.add(entry.uid);
      }
      added.sort((a, b) => a.uid - b.uid);
      const fresh = added.map((e): MessageRecord => ({ uid: e.uid, flags: e.info.flags, modseq }));
      const inOrder = entries.length === 0 || (added[0]?.uid ?? 0) > (entries.at(-1) as MessageEntry).uid;
      entries = [...entries, ...added];
      records = [...records, ...fresh];
      if (!inOrder) {
        entries = entries.toSorted((a, b) => a.uid - b.uid);
        records = records.toSorted((a, b) => a.uid - b.uid);
      }
      touched ||= added.length > 0;
    }
    if (!touched) return;
    this.records = records;
    this.entries = entries;
    this.highestModseq = modseq;
    this.notify();
  }

  /** The records with the flags that the files have now; the same array when none differ. */
  #recordsWithFlags(check: Change['check'], modseq: number): readonly MessageRecord[] {
    const { records, entries } = this;
    let next: MessageRecord[] | undefined;
    const count = check === 'all' ? entries.length : check.length;
    for (let i = 0; i < count; i++) {
      const at = check === 'all' ? i : this.indexOf(check[i] as number);
      const record = records[at];
      if (!record) continue;
      const { flags } = (entries[at] as MessageEntry).info;
      if (sameFlags(record.flags, flags)) continue;
      next ??= [...records];
      next[at] = { uid: record.uid, flags, modseq };
    }
    return next ?? records;
  }

  #forgetEntry(entry: MessageEntry, modseq: number): void {
    if (entry.dead) return;
    entry.dead = true;
    entry.live = false;
    entry.place = ABSENT;
    this.recent.delete(entry.uid);
    this.context.contents.forget(entry);
    this.#expunged.push({ uid: entry.uid, modseq });
  }

  #trimExpunged(): void {
    const dropped = this.#expunged.splice(0, this.#expunged.length - MAX_EXPUNGED / 2);
    this.#expungedFloor = dropped.at(-1)?.modseq ?? this.#expungedFloor;
  }
}

interface Listing {
  readonly which: number;
  /** No directory changed while it was listed. */
  quiet: boolean;
  /** Some known message has another name or place. */
  changed: boolean;
  readonly strangers: Stranger[];
  readonly appeared: MessageEntry[];
}

interface FoundFile {
  readonly base: string;
  readonly info: string;
  readonly place: Place;
  readonly size: number;
  readonly mtimeMs: number;
}

interface Change {
  readonly expunged: readonly MessageEntry[];
  readonly appeared: readonly MessageEntry[];
  /** Compare these messages' flags with their records. */
  readonly check: readonly number[] | 'all';
}

function covers(which: number, place: Place): boolean {
  return (which & place) !== 0;
}

/** Whether an error says that a message's file has another name by now. */
export function isMoved(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}
