// A folder's messages in the order of their UIDs. An immutable list; a message that came out of a journal becomes an object
// only when somebody asks for it, so that a folder of a hundred thousand is shown without making as many.

import type { JournalMessage } from '../folder-journal.ts';
import type { InfoValue, MessageEntry } from './message-entry.ts';

/** Messages known by number: the same object for the same number, every time. */
export interface EntrySource {
  uidOf(row: number): number;
  infoOf(row: number): InfoValue;
  entryOf(row: number): MessageEntry;
  /** The object, if somebody has asked for it already. */
  madeOf(row: number): MessageEntry | undefined;
  /** What the journal is told of a message that nobody has asked for. */
  journalRowOf(row: number, modseq: number): JournalMessage;
}

/** A message, or its number in the source. */
type Slot = MessageEntry | number;

export class EntryList implements Iterable<MessageEntry> {
  readonly #slots: readonly Slot[];
  readonly #source: EntrySource | undefined;

  private constructor(slots: readonly Slot[], source: EntrySource | undefined) {
    this.#slots = slots;
    this.#source = source;
  }

  static readonly EMPTY = new EntryList([], undefined);

  /** The source's messages with these numbers, ascending by UID. */
  static from(source: EntrySource, rows: readonly number[]): EntryList {
    return new EntryList(rows, source);
  }

  get length(): number {
    return this.#slots.length;
  }

  get(index: number): MessageEntry | undefined {
    const slot = this.#slots[index];
    return typeof slot === 'number' ? this.#source?.entryOf(slot) : slot;
  }

  /** For the journal; the message itself where somebody has asked for it. */
  rowAt(index: number, modseq: number): JournalMessage | MessageEntry | undefined {
    const slot = this.#slots[index];
    if (typeof slot !== 'number') return slot;
    return this.#source?.madeOf(slot) ?? this.#source?.journalRowOf(slot, modseq);
  }

  uidAt(index: number): number {
    const slot = this.#slots[index] as Slot;
    return typeof slot === 'number' ? (this.#source as EntrySource).uidOf(slot) : slot.uid;
  }

  infoAt(index: number): InfoValue {
    const slot = this.#slots[index] as Slot;
    return typeof slot === 'number' ? (this.#source as EntrySource).infoOf(slot) : slot.info;
  }

  /** -1 when there is none. */
  indexOf(uid: number): number {
    let low = 0;
    let high = this.#slots.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.uidAt(middle);
      if (found === uid) return middle;
      if (found < uid) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  *[Symbol.iterator](): Iterator<MessageEntry> {
    for (let i = 0; i < this.#slots.length; i++) yield this.get(i) as MessageEntry;
  }

  /** Those that somebody has asked for: no other can differ from what the journal says. */
  *made(): Generator<readonly [index: number, entry: MessageEntry]> {
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[i] as Slot;
      const entry = typeof slot === 'number' ? this.#source?.madeOf(slot) : slot;
      if (entry) yield [i, entry];
    }
  }

  /** Without those that are dead. The same list when none is. */
  living(): EntryList {
    const isLiving = (slot: Slot): boolean =>
      typeof slot === 'number' ? this.#source?.madeOf(slot)?.dead !== true : !slot.dead;
    const kept = this.#slots.filter(isLiving);
    return kept.length === this.#slots.length ? this : new EntryList(kept, this.#source);
  }

  isDead(index: number): boolean {
    const slot = this.#slots[index] as Slot;
    return (typeof slot === 'number' ? this.#source?.madeOf(slot) : slot)?.dead === true;
  }

  /** With more, whose UIDs are higher than all here unless `sort` is set. */
  with(added: readonly MessageEntry[], sort: boolean): EntryList {
    const list = new EntryList([...this.#slots, ...added], this.#source);
    if (!sort) return list;
    const order = list.#slots.map((slot, i) => ({ slot, uid: list.uidAt(i) }));
    order.sort((a, b) => a.uid - b.uid);
    return new EntryList(
      order.map((o) => o.slot),
      this.#source,
    );
  }
}
