// What one folder keeps between processes: its journal and its messages' structures, in the user's index folder.
//
// The journal is written before anybody is told of a change, so that modseqs told are known after a crash. What it cannot
// know (another program's changes while no process looked) is found by comparing with the files, and gets a modseq then.
// After a crash of the machine, when writing may have been lost that was told, all messages get a new modseq.

import type { MessageRecord } from '@postcote/mailbox';
import {
  formatCeiling,
  formatChanges,
  formatExpunges,
  formatHead,
  formatMessages,
  formatStanding,
  readJournal,
  type JournalChange,
  type JournalHead,
  type JournalMessage,
} from '../folder-journal.ts';
import type { FolderSnapshot, Published, RestoredFolder } from './folder-snapshot.ts';
import type { IndexFolder } from './index-folder.ts';
import { JournalFile } from './journal-file.ts';
import type { KeywordFile } from './keyword-file.ts';
import { MessageEntry } from './message-entry.ts';
import { JournalReader, type FolderStanding } from './journal-reader.ts';
import { nextModseq, raiseModseqs } from './modseq-clock.ts';
import { PartsFile, type FolderIdentity } from './parts-file.ts';

export interface Remembered extends FolderIdentity {
  readonly folder: RestoredFolder;
  /** Undefined after a crash: all must be read and compared. */
  readonly standing: FolderStanding | undefined;
}

/** Modseqs reserved ahead: at most this much is skipped when the clock went back and the end of the journal was lost. */
const CEILING_STEP = 600_000;
/** Added to a journal before it is worth writing anew. */
const GROWTH = 256 * 1024;
/** Messages of one frame. */
const BATCH = 5000;

export class FolderMemory {
  readonly #index: IndexFolder;
  readonly #key: string;
  readonly #journal: JournalFile;
  #parts: PartsFile | undefined;
  #identity: FolderIdentity | undefined;
  #ceiling = 0;
  /** The journal's size when it was written anew. */
  #baseSize = 0;
  /** The standing that ends the journal; '' when something came behind it. */
  #standing = '';

  constructor(index: IndexFolder, key: string) {
    this.#index = index;
    this.#key = key;
    this.#journal = new JournalFile(index, index.file(key, 'state'));
  }

  /** Whether what is told now will be known later. */
  get works(): boolean {
    return !this.#journal.givenUp;
  }

  /** Structures of messages; undefined before the folder has an identity. */
  get parts(): PartsFile | undefined {
    return this.#parts;
  }

  /** Reads what there is. `keywords` must have been read. */
  recall(keywords: KeywordFile, nowMs: number): Remembered | undefined {
    const bytes = this.#journal.read();
    if (!bytes) return undefined;
    const reader = new JournalReader(keywords);
    const end = readJournal(bytes, reader);
    const head = reader.found;
    if (end === -1 || !head) {
      this.#journal.discard();
      return undefined;
    }
    const whole = end === bytes.length;
    const standing = whole ? reader.rest : undefined;
    raiseModseqs(reader.highest);
    const sameBoot = head.boot !== '' && head.boot === this.#index.boot;
    if (standing === undefined && (!whole || !sameBoot)) {
      raiseModseqs(reader.reserved);
      reader.doubt(nextModseq(nowMs));
    }
    this.#ceiling = reader.reserved;
    this.#baseSize = bytes.length;
    this.#standing = standing === undefined ? '' : JSON.stringify(standing);
    // A torn end is not written behind.
    if (!whole) this.#journal.discard();
    this.identify(head);
    return { guid: head.guid, uidValidity: head.uidValidity, folder: reader.folder(), standing };
  }

  /** Whose messages these are; what was kept of another folder's is forgotten. */
  identify({ guid, uidValidity }: FolderIdentity): void {
    if (this.#identity && !sameIdentity(this.#identity, { guid, uidValidity })) this.discard();
    this.#identity = { guid, uidValidity };
    this.#parts ??= new PartsFile(this.#index, this.#index.file(this.#key, 'parts'), this.#identity);
  }

  /** It was another folder's, or this one has become another. */
  discard(): void {
    this.#journal.discard();
    this.#parts?.discard();
    this.#parts = undefined;
    this.#identity = undefined;
    this.#standing = '';
  }

  /** Writes a change down, before anybody hears of it. */
  published(what: Published): void {
    if (!this.#journal.begun) return;
    const frames: Buffer[] = [];
    const { modseq } = what;
    if (modseq > this.#ceiling) {
      this.#ceiling = modseq + CEILING_STEP;
      frames.push(formatCeiling(this.#ceiling));
    }
    if (what.expunged.length > 0) frames.push(formatExpunges(what.expunged.map((uid) => ({ uid, modseq }))));
    if (what.added.length > 0) frames.push(formatMessages(what.added.map((e) => rowOf(e, modseq))));
    if (what.changed.length > 0) frames.push(formatChanges(what.changed.map((e) => rowOf(e, modseq))));
    for (const entry of what.added) entry.markSaved();
    for (const entry of what.changed) entry.markSaved();
    // The first change after a rest is made durable, so that a lost end cannot pass for a whole journal.
    this.#append(frames);
  }

  /** Brings the files up to date: cheap when they are. Called when the folder is given back, and from time to time. */
  save(identity: FolderIdentity, snapshot: FolderSnapshot, standing: FolderStanding | undefined): void {
    this.identify(identity);
    this.#parts?.tidy((uid) => snapshot.indexOf(uid) !== -1);
    if (this.#journal.givenUp) return;
    const limit = this.#baseSize + Math.max(GROWTH, this.#baseSize / 2);
    if (!this.#journal.begun || this.#journal.size > limit) this.#rewrite(identity, snapshot, standing);
    else this.#bringUp(snapshot, standing);
  }

  #bringUp(snapshot: FolderSnapshot, standing: FolderStanding | undefined): void {
    const rows: JournalChange[] = [];
    const { entries, records } = snapshot;
    for (const [i, entry] of entries.made()) {
      if (entry.isSaved) continue;
      rows.push(rowOf(entry, (records[i] as MessageRecord).modseq));
      entry.markSaved();
    }
    const frames: Buffer[] = [];
    for (let at = 0; at < rows.length; at += BATCH) frames.push(formatChanges(rows.slice(at, at + BATCH)));
    if (frames.length > 0) this.#append(frames);
    if (standing === undefined) return;
    const text = JSON.stringify(standing);
    if (text === this.#standing) return;
    this.#journal.append([formatStanding(standing)], true);
    this.#standing = text;
  }

  #rewrite(identity: FolderIdentity, snapshot: FolderSnapshot, standing: FolderStanding | undefined): void {
    const { entries, records, expunged, expungedFloor, highestModseq } = snapshot;
    this.#ceiling = highestModseq + CEILING_STEP;
    const head: JournalHead = {
      guid: identity.guid,
      uidValidity: identity.uidValidity,
      boot: this.#index.boot,
      expungedFloor,
      highestModseq,
    };
    const frames = [formatHead(head), formatCeiling(this.#ceiling)];
    if (expunged.length > 0) frames.push(formatExpunges(expunged));
    for (let at = 0; at < entries.length; at += BATCH) {
      const rows: JournalMessage[] = [];
      for (let i = at; i < Math.min(entries.length, at + BATCH); i++) {
        const { modseq } = records[i] as MessageRecord;
        const row = entries.rowAt(i, modseq);
        if (row instanceof MessageEntry) {
          rows.push(rowOf(row, modseq));
          row.markSaved();
        } else if (row) rows.push(row);
      }
      frames.push(formatMessages(rows));
    }
    if (standing !== undefined) frames.push(formatStanding(standing));
    this.#journal.rewrite(frames);
    this.#baseSize = this.#journal.size;
    this.#standing = standing === undefined ? '' : JSON.stringify(standing);
  }

  #append(frames: readonly Buffer[]): void {
    const first = this.#standing !== '';
    this.#standing = '';
    this.#journal.append(frames, first);
  }
}

function sameIdentity(a: FolderIdentity, b: FolderIdentity): boolean {
  return a.guid === b.guid && a.uidValidity === b.uidValidity;
}

function rowOf(entry: MessageEntry, modseq: number): JournalMessage {
  return {
    uid: entry.uid,
    modseq,
    place: entry.place,
    info: entry.info.text,
    base: entry.base,
    fields: entry.fields,
    rawSize: entry.rawSize,
    crlfSize: entry.crlfSize,
    counted: entry.counted,
    mtimeMs: entry.mtimeMs,
  };
}
