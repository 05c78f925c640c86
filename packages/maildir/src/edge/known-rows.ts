// The messages that a journal tells of, kept in the journal's own columns until somebody asks for one.

import type { MessageRecord } from '@postcote/mailbox';
import { COUNTED, type JournalMessage, type JournalMessages, type JournalRows } from '../folder-journal.ts';
import { EntryList, type EntrySource } from './entry-list.ts';
import type { RestoredFolder } from './folder-snapshot.ts';
import type { KeywordFile } from './keyword-file.ts';
import { CUR, MessageEntry, NEW, type InfoValue } from './message-entry.ts';

const REMOVED = 255;

export class KnownRows implements EntrySource {
  readonly #keywords: KeywordFile;
  #frames: JournalMessages[] = [];
  #count = 0;
  /** Of each row: modseq, size of the file, size in CRLF form, mtime. */
  #numbers = new Float64Array(0);
  #uids = new Uint32Array(0);
  /** Indices into `#infos`. */
  #ends = new Uint32Array(0);
  #infoAt = new Uint32Array(0);
  #places = new Uint8Array(0);
  #text = '';
  readonly #infos: InfoValue[] = [];
  readonly #infoIndices = new Map<string, number>();
  #made: (MessageEntry | undefined)[] = [];
  #inOrder = true;
  /** Row numbers by UID, where rows are out of order. */
  #order: number[] | undefined;

  constructor(keywords: KeywordFile) {
    this.#keywords = keywords;
  }

  /** More messages, in the order of the journal. */
  add(frame: JournalMessages): void {
    this.#frames.push(frame);
    this.#count += frame.count;
  }

  change(rows: JournalRows): void {
    this.#settle();
    const infos = rows.infos.map((text) => this.#infoIndex(text));
    for (let i = 0; i < rows.count; i++) {
      const row = this.#rowOf(rows.small[i * 2] as number);
      if (row === -1) continue;
      this.#numbers.set(rows.numbers.subarray(i * 4, i * 4 + 4), row * 4);
      this.#infoAt[row] = infos[rows.small[i * 2 + 1] as number] ?? 0;
      this.#places[row] = rows.places[i] as number;
    }
  }

  remove(uid: number): void {
    this.#settle();
    const row = this.#rowOf(uid);
    if (row !== -1) this.#places[row] = REMOVED;
  }

  setModseqs(modseq: number): void {
    this.#settle();
    for (let row = 0; row < this.#count; row++) this.#numbers[row * 4] = modseq;
  }

  finish(): Pick<RestoredFolder, 'entries' | 'records' | 'fresh'> {
    this.#settle();
    const rows: number[] = [];
    const records: MessageRecord[] = [];
    const fresh: number[] = [];
    for (let i = 0; i < this.#count; i++) {
      const row = this.#order?.[i] ?? i;
      if (this.#places[row] === REMOVED) continue;
      rows.push(row);
      if (((this.#places[row] as number) & 3) === NEW) fresh.push(this.#uids[row] as number);
      const { flags } = this.#infos[this.#infoAt[row] as number] as InfoValue;
      records.push({ uid: this.#uids[row] as number, flags, modseq: this.#numbers[row * 4] as number });
    }
    return { entries: EntryList.from(this, rows), records, fresh };
  }

  uidOf(row: number): number {
    return this.#uids[row] as number;
  }

  infoOf(row: number): InfoValue {
    return this.#made[row]?.info ?? (this.#infos[this.#infoAt[row] as number] as InfoValue);
  }

  madeOf(row: number): MessageEntry | undefined {
    return this.#made[row];
  }

  entryOf(row: number): MessageEntry {
    return (this.#made[row] ??= this.#make(row));
  }

  journalRowOf(row: number, modseq: number): JournalMessage {
    const place = this.#places[row] as number;
    return {
      uid: this.uidOf(row),
      modseq,
      place: place & 3,
      info: this.infoOf(row).text,
      ...this.#namesOf(row),
      rawSize: this.#numbers[row * 4 + 1] as number,
      crlfSize: this.#numbers[row * 4 + 2] as number,
      counted: (place & COUNTED) !== 0,
      mtimeMs: this.#numbers[row * 4 + 3] as number,
    };
  }

  #namesOf(row: number): { readonly base: string; readonly fields: string } {
    const start = row === 0 ? 0 : (this.#ends[row * 2 - 1] as number);
    const middle = this.#ends[row * 2] as number;
    const end = this.#ends[row * 2 + 1] as number;
    return {
      base: this.#text.slice(start, middle),
      fields: middle === end ? '' : this.#text.slice(middle, end),
    };
  }

  #make(row: number): MessageEntry {
    const { base, fields } = this.#namesOf(row);
    const info = this.#infos[this.#infoAt[row] as number] as InfoValue;
    const entry = new MessageEntry(this.uidOf(row), fields, base, info);
    const place = this.#places[row] as number;
    entry.place = (place & 3) === NEW ? NEW : CUR;
    entry.rawSize = this.#numbers[row * 4 + 1] as number;
    entry.crlfSize = this.#numbers[row * 4 + 2] as number;
    entry.mtimeMs = this.#numbers[row * 4 + 3] as number;
    entry.counted = (place & COUNTED) !== 0;
    if (!entry.counted) entry.toldSize = entry.crlfSize;
    entry.live = true;
    entry.markSaved();
    return entry;
  }

  /** Puts the frames that came since into the columns. */
  #settle(): void {
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    let row = this.#uids.length;
    const texts = [this.#text];
    let textLength = this.#text.length;
    this.#grow();
    for (const frame of frames) {
      const infos = frame.infos.map((text) => this.#infoIndex(text));
      this.#numbers.set(frame.numbers, row * 4);
      this.#places.set(frame.places, row);
      for (let i = 0; i < frame.count; i++, row++) {
        const uid = frame.small[i * 2] as number;
        if (row > 0 && uid <= (this.#uids[row - 1] as number)) this.#inOrder = false;
        this.#uids[row] = uid;
        this.#infoAt[row] = infos[frame.small[i * 2 + 1] as number] ?? 0;
        this.#ends[row * 2] = textLength + (frame.ends[i * 2] as number);
        this.#ends[row * 2 + 1] = textLength + (frame.ends[i * 2 + 1] as number);
      }
      texts.push(frame.text);
      textLength += frame.text.length;
    }
    this.#text = texts.join('');
    this.#order = this.#inOrder ? undefined : this.#sorted();
  }

  #grow(): void {
    const grow = <T extends Float64Array | Uint32Array | Uint8Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    const count = this.#count;
    this.#numbers = grow(this.#numbers, new Float64Array(count * 4));
    this.#uids = grow(this.#uids, new Uint32Array(count));
    this.#infoAt = grow(this.#infoAt, new Uint32Array(count));
    this.#ends = grow(this.#ends, new Uint32Array(count * 2));
    this.#places = grow(this.#places, new Uint8Array(count));
  }

  #sorted(): number[] {
    const order = Array.from({ length: this.#count }, (_, i) => i);
    return order.sort((a, b) => (this.#uids[a] as number) - (this.#uids[b] as number));
  }

  #rowOf(uid: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const row = this.#order?.[middle] ?? middle;
      const found = this.#uids[row] as number;
      if (found === uid) return row;
      if (found < uid) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #infoIndex(text: string): number {
    const known = this.#infoIndices.get(text);
    if (known !== undefined) return known;
    const index = this.#infos.push(this.#keywords.info(text)) - 1;
    this.#infoIndices.set(text, index);
    return index;
  }
}
