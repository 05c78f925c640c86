// The index of one user's texts: loaded when it is first needed, closed when nobody needed it for a while, made anew when
// anything about it is wrong, done without where that does not help. It never answers what a search through the messages
// would not: what it does not know, it says so of.

import type Database from 'better-sqlite3';
import type { TextScope, TextVerdicts } from '@postcote/mailbox';
import { isSearchable, type MessageTexts } from '../../message-texts.ts';
import { errorCode } from '../errors.ts';
import type { IndexFolder } from '../index-folder.ts';
import { StaleDatabase, TextDatabase, type BoxIdentity } from './text-database.ts';
import { readBoxMap, searchBox, type BoxMap } from './text-search.ts';
import { Turns } from './turns.ts';

export interface TextLimits {
  /** Octets the database may have; beyond, nothing more is added. */
  readonly maxSize: number;
  /** Octets of one message's text; longer ones are searched in the message itself. */
  readonly maxMessage: number;
}

export const DEFAULT_TEXT_LIMITS: TextLimits = { maxSize: 4 * 1024 ** 3, maxMessage: 4 * 1024 * 1024 };

/** Messages added before they are committed. */
const COMMIT_AFTER = 256;
/** Unused for this long, the database is closed: its memory is for others. */
const CLOSE_AFTER_MS = 30_000;
/** Errors of SQLite that say nothing about the database itself. */
const PASSING = new Set(['SQLITE_BUSY', 'SQLITE_LOCKED', 'SQLITE_BUSY_SNAPSHOT']);

export class TextIndex {
  readonly #folder: IndexFolder;
  readonly #limits: TextLimits;
  #database: TextDatabase | undefined;
  #open: typeof Database | undefined;
  #opening: Promise<TextDatabase | undefined> | undefined;
  #givenUp = false;
  #uncommitted = 0;
  #adding = false;
  #closing: NodeJS.Timeout | undefined;
  #renewed = 0;
  #users = 0;
  #map: BoxMap | undefined;

  constructor(folder: IndexFolder, limits: TextLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  get maxMessage(): number {
    return this.#limits.maxMessage;
  }

  get #path(): string {
    return this.#folder.texts;
  }

  /** What is known of a text and the messages of a mailbox; undefined where nothing is. */
  async search(
    identity: BoxIdentity,
    what: { readonly scope: TextScope; readonly folded: string },
  ): Promise<TextVerdicts | undefined> {
    if (!isSearchable(what.folded)) return undefined;
    return this.#use(async (database) => {
      const turns = new Turns();
      return searchBox(database, await this.#mapOf(database, identity, turns), { ...what, turns });
    });
  }

  /** UIDs that are known of a mailbox. */
  async known(identity: BoxIdentity): Promise<ReadonlySet<number>> {
    const map = await this.#use((database) => this.#mapOf(database, identity, new Turns()));
    return new Set(map?.uids);
  }

  /** Kept for the next question about the same mailbox, until something is added or forgotten. */
  async #mapOf(database: TextDatabase, identity: BoxIdentity, turns: Turns): Promise<BoxMap> {
    const box = database.boxOf(identity);
    const known = this.#map;
    if (known?.box === box) return known;
    const { changes } = database;
    const map = await readBoxMap(database, box, turns);
    if (changes === database.changes) this.#map = map;
    return map;
  }

  /** False when no more is taken. `pause` is waited for between slices of the work. */
  async add(
    identity: BoxIdentity,
    messages: readonly MessageTexts[],
    pause: () => Promise<void>,
  ): Promise<boolean> {
    const added = await this.#use(async (database) => {
      if (database.size > this.#limits.maxSize) return false;
      const box = database.boxOf(identity);
      const turn = new Turns();
      this.#map = undefined;
      database.begin();
      this.#adding = true;
      try {
        for (const texts of messages) {
          if (!texts.opaque) database.addTrigrams(box, texts);
          this.#uncommitted++;
          if (!turn.isOver) continue;
          await pause();
          await turn.next();
        }
        database.addBlock(box, messages);
      } finally {
        this.#adding = false;
      }
      if (this.#uncommitted >= COMMIT_AFTER) this.#commit(database);
      return true;
    });
    return added === true;
  }

  /** What was added is there for the next process as well. */
  commit(): void {
    if (!this.#database || this.#adding) return;
    try {
      this.#commit(this.#database);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Forgets messages that are gone from a mailbox. */
  async forget(identity: BoxIdentity, isGone: (uid: number) => boolean): Promise<void> {
    await this.#use(async (database) => {
      const box = database.boxOf(identity);
      const turn = new Turns();
      const map = await this.#mapOf(database, identity, turn);
      const touched = new Set<number>();
      map.uids.forEach((uid, i) => {
        if (isGone(uid)) touched.add(map.blocks[map.blockOf[i] as number] as number);
      });
      this.#map = undefined;
      for (const id of touched) {
        database.begin();
        database.remove(box, id, isGone);
        this.#uncommitted++;
        if (turn.isOver) await turn.next();
      }
      this.#commit(database);
    });
  }

  /** Forgets mailboxes that are gone. */
  async forgetBoxes(isGone: (identity: BoxIdentity) => boolean): Promise<void> {
    const boxes = await this.#use(async (database) => database.boxes().filter(isGone));
    for (const identity of boxes ?? []) {
      await this.forget(identity, () => true);
      await this.#use(async (database) => database.removeBox(identity.box));
    }
  }

  /** Octets on disk. */
  async size(): Promise<number> {
    return (await this.#use(async (database) => database.size)) ?? 0;
  }

  /** Throws all away. */
  renew(): void {
    this.close();
    this.#folder.forgetTexts();
  }

  close(): void {
    clearTimeout(this.#closing);
    const database = this.#database;
    this.#database = undefined;
    this.#map = undefined;
    if (!database) return;
    try {
      // Trigrams without the texts that belong to them are worth nothing.
      if (this.#adding) database.rollBack();
      else this.#commit(database);
      database.close();
    } catch (error) {
      this.#folder.complain(this.#path, error);
    }
  }

  async #use<T>(work: (database: TextDatabase) => Promise<T>): Promise<T | undefined> {
    const database = await this.#opened();
    if (!database) return undefined;
    this.#users++;
    try {
      return await work(database);
    } catch (error) {
      // Thrown away under our hands: there is nothing to be said of that one.
      if (database === this.#database) this.#failed(error);
      return undefined;
    } finally {
      this.#users--;
      this.#closing?.refresh();
    }
  }

  #commit(database: TextDatabase): void {
    this.#uncommitted = 0;
    database.commit();
  }

  #opened(): Promise<TextDatabase | undefined> {
    if (this.#database) return Promise.resolve(this.#database);
    return (this.#opening ??= this.#load().finally(() => {
      this.#opening = undefined;
    }));
  }

  async #load(): Promise<TextDatabase | undefined> {
    if (this.#givenUp) return undefined;
    try {
      // Loaded by those who search, or whose mail is indexed, alone: it costs two MiB and twenty milliseconds.
      this.#open ??= (await import('better-sqlite3')).default;
      this.#database = this.#connect(this.#open);
    } catch (error) {
      this.#failed(error);
      return this.#givenUp || this.#renewed === 0 ? undefined : this.#retry();
    }
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => this.#closeUnused(), CLOSE_AFTER_MS);
    this.#closing.unref();
    return this.#database;
  }

  #connect(open: typeof Database): TextDatabase {
    if (this.#folder.textId() === undefined) this.#folder.beginTexts();
    return new TextDatabase(open, this.#path);
  }

  #closeUnused(): void {
    if (this.#users === 0) this.close();
    else this.#closing?.refresh();
  }

  #retry(): TextDatabase | undefined {
    try {
      if (this.#open) this.#database = this.#connect(this.#open);
    } catch (error) {
      this.#giveUp(error);
    }
    return this.#database;
  }

  /** Damage: thrown away and begun anew, once. Anything else: done without. */
  #failed(error: unknown): void {
    const code = errorCode(error);
    if (PASSING.has(code)) {
      this.#guardedRollBack();
      return;
    }
    const stale = error instanceof StaleDatabase;
    const damaged =
      stale ||
      code.startsWith('SQLITE_CORRUPT') ||
      code.startsWith('SQLITE_NOTADB') ||
      code.startsWith('SQLITE_CONSTRAINT') ||
      code === 'SQLITE_ERROR';
    const unpacked = code.startsWith('ZSTD_') || code.startsWith('ERR_ZSTD');
    this.#guardedRollBack();
    if ((damaged || unpacked) && this.#renewed < 1) {
      if (!stale) this.#folder.complain(this.#path, error);
      this.#renewed++;
      this.renew();
    } else this.#giveUp(error);
  }

  #guardedRollBack(): void {
    this.#uncommitted = 0;
    try {
      this.#database?.rollBack();
    } catch {
      // The error before this one is the one to act on.
    }
  }

  #giveUp(error: unknown): void {
    this.#givenUp = true;
    this.#folder.complain(this.#path, error);
    this.close();
  }
}
