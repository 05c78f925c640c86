// The files of one folder: lists new/ and cur/ when that is needed, matches names with entries, and makes files that
// nobody knows yet fit to get a UID.

import { lstatSync, readdirSync, renameSync, type Stats } from 'node:fs';
import { baseOf } from '../file-name.ts';
import { warn, type StoreContext } from './context.ts';
import { type DirectoryStanding, DirectoryState } from './directory-state.ts';
import { makeDirectory, pathOf } from './disk.ts';
import type { KeywordFile } from './keyword-file.ts';
import { CUR, type InfoValue, type MessageEntry, NEW, type Place } from './message-entry.ts';

/** A file without a UID. */
export interface Stranger {
  readonly name: string;
  readonly place: Place;
}

export interface Listing {
  readonly which: number;
  /** No directory changed while it was listed. */
  quiet: boolean;
  /** Some known message has another name or place. */
  changed: boolean;
  readonly strangers: Stranger[];
  /** Names that are no regular files, where the listing was asked for kinds. */
  readonly irregular: Irregular | undefined;
  readonly appeared: MessageEntry[];
}

type Irregular = Readonly<Record<Place, Set<string>>>;

/** A file that gets a UID. */
export interface FoundFile {
  readonly base: string;
  readonly info: string;
  readonly place: Place;
}

/** One round of giving names to strangers. */
interface Settling {
  isTaken(base: string): boolean;
  /** The files whose bases were met before in this round. */
  readonly met: Map<string, Stranger>;
  /** Names that are no regular files. */
  readonly irregular: Irregular | undefined;
}

const DOT = 46;
/** This many strangers make another listing cheaper than a look at each. */
const LISTED_FROM = 32;

/** What a listing asks and tells. */
export interface ListingHost {
  entryOf(base: string): MessageEntry | undefined;
  /** Somebody moved the message to cur/. */
  takenFromNew(entry: MessageEntry): void;
}

export class FolderFiles {
  #path: string;
  readonly #context: StoreContext;
  readonly #keywordFile: KeywordFile;
  readonly #directories: readonly [DirectoryState, DirectoryState];
  readonly #noInfo: InfoValue;
  /** Bases of names that are no regular files. */
  readonly #ignored = new Set<string>();
  #generation = 0;

  constructor(context: StoreContext, keywordFile: KeywordFile, path: string) {
    this.#context = context;
    this.#keywordFile = keywordFile;
    this.#path = path;
    this.#noInfo = keywordFile.info('');
    this.#directories = [new DirectoryState(`${path}/new`), new DirectoryState(`${path}/cur`)];
  }

  relocate(path: string): void {
    this.#path = path;
    this.#directories[0].path = `${path}/new`;
    this.#directories[1].path = `${path}/cur`;
  }

  /** Makes what is missing beside `cur`. */
  ensure(): void {
    const { directory } = this.#context.modes();
    for (const state of this.#directories) {
      if (state.mtime() === undefined) makeDirectory(state.path, directory);
    }
    makeDirectory(`${this.#path}/tmp`, directory);
  }

  forget(): void {
    for (const directory of this.#directories) directory.forget();
  }

  /** How far the directories were read: entries are as they were then. */
  get standing(): readonly [DirectoryStanding, DirectoryStanding] {
    const [fresh, current] = this.#directories;
    return [fresh.standing, current.standing];
  }

  restore([fresh, current]: readonly [DirectoryStanding, DirectoryStanding]): void {
    this.#directories[0].restore(fresh);
    this.#directories[1].restore(current);
  }

  /** A change of our own to files in new/ or cur/ begins; call the result when it is done. */
  ownChange(): () => void {
    const ends = this.#directories.map((d) => d.change(this.#context.identity.nowMs));
    return () => {
      for (const end of ends) end();
    };
  }

  /** Which directories must be listed: bits of NEW and CUR. */
  needed(count: { readonly fresh: number; readonly all: number }): number {
    const now = this.#context.identity.nowMs();
    const [fresh, current] = this.#directories;
    const freshTime = fresh.mtime();
    const currentTime = current.mtime();
    if (freshTime === undefined || currentTime === undefined) return NEW | CUR;
    let needed = 0;
    if (fresh.needsListing(freshTime, now, count.fresh)) needed |= NEW;
    if (current.needsListing(currentTime, now, count.all)) needed |= CUR;
    return needed;
  }

  directoryOf(place: Place): string {
    return `${this.#path}/${place === NEW ? 'new' : 'cur'}`;
  }

  fileOf(entry: MessageEntry): string | Buffer {
    return pathOf(this.directoryOf(entry.place), entry.base + entry.info.text);
  }

  /** The last listing met this entry's file. */
  met(entry: MessageEntry): boolean {
    return entry.generation === this.#generation;
  }

  /** The last listing, which was this one, should have met this entry's file and did not. */
  lacks(listing: Listing, entry: MessageEntry): boolean {
    return !this.met(entry) && (listing.which & entry.place) !== 0;
  }

  /** `kinds` says that many strangers are expected: then what is a regular file is asked along. */
  list(which: number, host: ListingHost, kinds = false): Listing {
    this.#generation++;
    const irregular = kinds ? noIrregular() : undefined;
    const listing: Listing = { which, quiet: true, changed: false, strangers: [], irregular, appeared: [] };
    const now = this.#context.identity.nowMs();
    for (const place of [NEW, CUR] as const) {
      if ((which & place) === 0) continue;
      const directory = this.#directories[place - 1] as DirectoryState;
      const mtime = directory.mtime() ?? 0;
      const names = irregular
        ? namesAndKinds(directory.path, irregular[place])
        : readdirSync(directory.path, 'latin1');
      directory.listed(mtime, now);
      for (const name of names) this.#meet(name, place, listing, host);
      if (directory.mtime() !== mtime) listing.quiet = false;
    }
    return listing;
  }

  /**
   * The names of a folder's messages, those in new/ first, where each is a regular file and both directories stood still;
   * undefined otherwise.
   */
  listAnew(): { readonly names: readonly string[]; readonly fresh: number } | undefined {
    const now = this.#context.identity.nowMs();
    const names: string[] = [];
    let fresh = 0;
    for (const directory of this.#directories) {
      const mtime = directory.mtime();
      if (mtime === undefined) return undefined;
      fresh = names.length;
      for (const file of readdirSync(directory.path, { encoding: 'latin1', withFileTypes: true })) {
        if (file.name.charCodeAt(0) === DOT) continue;
        if (!file.isFile()) return undefined;
        names.push(file.name);
      }
      if (directory.mtime() !== mtime) return undefined;
      directory.listed(mtime, now);
    }
    return { names, fresh };
  }

  #meet(name: string, place: Place, listing: Listing, host: ListingHost): void {
    if (name.charCodeAt(0) === DOT) return;
    const colon = name.indexOf(':');
    const base = colon === -1 ? name : name.slice(0, colon);
    const entry = host.entryOf(base);
    if (!entry || entry.dead) {
      if (!this.#ignored.has(base) || this.#isMessageFile(name, place))
        listing.strangers.push({ name, place });
      return;
    }
    const info = colon === -1 ? this.#noInfo : this.#keywordFile.info(name.slice(colon));
    if (this.met(entry)) {
      // Seen already in this listing: moved while we looked, or there twice.
      if (entry.place === place && entry.info === info) return;
      if (this.#exists(entry)) {
        if (!this.#sameFile(entry, name, place)) listing.strangers.push({ name, place });
        return;
      }
    }
    entry.generation = this.#generation;
    if (entry.place !== place || entry.info !== info) {
      entry.place = place;
      entry.info = info;
      listing.changed = true;
      if (place === CUR) host.takenFromNew(entry);
    }
    if (!entry.live) listing.appeared.push(entry);
  }

  #exists(entry: MessageEntry): boolean {
    return lstatSync(this.fileOf(entry), { throwIfNoEntry: false }) !== undefined;
  }

  #sameFile(entry: MessageEntry, name: string, place: Place): boolean {
    const one = lstatSync(this.fileOf(entry), { throwIfNoEntry: false });
    const other = this.#stat({ name, place });
    return !one || !other || one.ino === other.ino;
  }

  #isMessageFile(name: string, place: Place): boolean {
    return this.#stat({ name, place })?.isFile() === true;
  }

  /** Under the lock: those of `strangers` that are messages, each under a base that is its own. */
  settleStrangers(
    { strangers, irregular }: Pick<Listing, 'strangers' | 'irregular'>,
    isTaken: (base: string) => boolean,
  ): FoundFile[] {
    const known = irregular ?? this.#irregularFiles(strangers);
    const settling: Settling = { isTaken, met: new Map(), irregular: known };
    const found: FoundFile[] = [];
    for (const stranger of strangers) {
      const file = this.#settle(stranger, settling);
      if (file) found.push(file);
    }
    return found;
  }

  /** Where many are to be looked at, a listing tells all kinds at once; undefined: look at each. */
  #irregularFiles(strangers: readonly Stranger[]): Irregular | undefined {
    if (strangers.length < LISTED_FROM) return undefined;
    const irregular = noIrregular();
    for (const place of [NEW, CUR] as const) {
      if (strangers.some((s) => s.place === place)) namesAndKinds(this.directoryOf(place), irregular[place]);
    }
    return irregular;
  }

  #settle(stranger: Stranger, { isTaken, met, irregular }: Settling): FoundFile | undefined {
    const { name, place } = stranger;
    let base = baseOf(name);
    const info = name.slice(base.length);
    if (irregular?.[place].has(name) !== false) {
      const stat = this.#stat(stranger);
      if (!stat) return undefined;
      if (!stat.isFile()) {
        if (!this.#ignored.has(base))
          warn(this.#context, `${this.#path}: ${JSON.stringify(name)} is no regular file, ignored`);
        this.#ignored.add(base);
        return undefined;
      }
    }
    this.#ignored.delete(base);
    const other = met.get(base);
    // Linked to its second name and not yet, or just now, unlinked from its first: one message.
    if (other && [undefined, this.#stat(stranger)?.ino].includes(this.#stat(other)?.ino)) return undefined;
    if (isTaken(base) || other || base === '' || /[\r\n]/.test(base)) {
      // The same base twice, or one that no uidlist can hold: the file goes on under a new name.
      base = this.#context.names.next();
      const directory = this.directoryOf(place);
      renameSync(pathOf(directory, name), pathOf(directory, base + info));
      met.set(base, { name: base + info, place });
    } else met.set(base, stranger);
    return { base, info, place };
  }

  #stat({ name, place }: Stranger): Stats | undefined {
    return lstatSync(pathOf(this.directoryOf(place), name), { throwIfNoEntry: false });
  }
}

function noIrregular(): Irregular {
  return [new Set<string>(), new Set<string>(), new Set<string>()];
}

function namesAndKinds(path: string, irregular: Set<string>): string[] {
  return readdirSync(path, { encoding: 'latin1', withFileTypes: true }).map((file) => {
    if (!file.isFile()) irregular.add(file.name);
    return file.name;
  });
}
