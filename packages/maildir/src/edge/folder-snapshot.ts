// A folder's messages as sessions see them: records and, beside each, the file behind it. Replaced as a whole with each
// change; the one place that gives out modseqs and remembers what was expunged.

import { sameFlags, type MessageRecord } from '@postcote/mailbox';
import { EntryList } from './entry-list.ts';
import { ABSENT, type MessageEntry, NEW } from './message-entry.ts';
import { nextModseq } from './modseq-clock.ts';

/** Expunged UIDs remembered for `expungedSince`. */
const MAX_EXPUNGED = 50_000;

export interface Change {
  readonly expunged: readonly MessageEntry[];
  readonly appeared: readonly MessageEntry[];
  /** Compare these messages' flags with their records. */
  readonly check: readonly number[] | 'all';
}

/** What one publication told, for the journal. */
export interface Published {
  readonly modseq: number;
  readonly expunged: readonly number[];
  readonly added: readonly MessageEntry[];
  /** Their records have the modseq. */
  readonly changed: readonly MessageEntry[];
}

/** What another process left of a folder. */
export interface RestoredFolder {
  readonly entries: EntryList;
  readonly records: readonly MessageRecord[];
  /** UIDs in new/. */
  readonly fresh: readonly number[];
  readonly expunged: readonly Expunged[];
  readonly expungedFloor: number;
  readonly highestModseq: number;
}

export interface Expunged {
  readonly uid: number;
  readonly modseq: number;
}

export interface SnapshotHooks {
  /** A message is gone for good. */
  forget(entry: MessageEntry): void;
  /** Before anybody is told. */
  published(what: Published): void;
  /** There is a new snapshot. */
  changed(): void;
}

export class FolderSnapshot {
  /** Both ascending by UID, in step. */
  records: readonly MessageRecord[] = [];
  entries = EntryList.EMPTY;
  highestModseq: number;
  readonly recent = new Set<number>();
  readonly #nowMs: () => number;
  readonly #hooks: SnapshotHooks;
  #expunged: Expunged[] = [];
  #expungedFloor: number;

  constructor(nowMs: () => number, hooks: SnapshotHooks) {
    this.#nowMs = nowMs;
    this.#hooks = hooks;
    // Greater than whatever an earlier process gave: see docs/maildir.md.
    this.highestModseq = nextModseq(nowMs());
    this.#expungedFloor = this.highestModseq;
  }

  get expunged(): readonly Expunged[] {
    return this.#expunged;
  }

  get expungedFloor(): number {
    return this.#expungedFloor;
  }

  /** Goes on where another process stopped. */
  restore(known: RestoredFolder): void {
    this.entries = known.entries;
    this.records = known.records;
    this.#expunged = [...known.expunged];
    this.#expungedFloor = known.expungedFloor;
    this.highestModseq = known.highestModseq;
    for (const uid of known.fresh) this.recent.add(uid);
  }

  indexOf(uid: number): number {
    return this.entries.indexOf(uid);
  }

  expungedSince(modseq: number): readonly number[] | undefined {
    if (modseq < this.#expungedFloor) return undefined;
    const uids: number[] = [];
    for (const e of this.#expunged) if (e.modseq > modseq) uids.push(e.uid);
    return uids.sort((a, b) => a - b);
  }

  /** Another UIDVALIDITY: what UIDs were expunged before means nothing any more. */
  forgetExpunged(): void {
    this.#expunged = [];
    this.#expungedFloor = this.highestModseq;
  }

  /** Makes a new snapshot; the one place that gives out modseqs. */
  publish(change: Change): void {
    const { expunged, appeared } = change;
    if (expunged.length === 0 && appeared.length === 0 && change.check.length === 0) return;
    const modseq = nextModseq(this.#nowMs());
    let { records, entries } = this;
    const changed: MessageEntry[] = [];
    records = this.#recordsWithFlags(change.check, modseq, changed);
    let touched = records !== this.records;
    if (expunged.length > 0) {
      for (const entry of expunged) this.#forgetEntry(entry, modseq);
      const kept = entries.living();
      if (kept !== entries) {
        const before = entries;
        records = records.filter((_, i) => !before.isDead(i));
        entries = kept;
        touched = true;
      }
      if (this.#expunged.length > MAX_EXPUNGED) this.#trimExpunged();
    }
    const added: MessageEntry[] = [];
    if (appeared.length > 0) {
      for (const entry of appeared) {
        if (entry.live) continue;
        entry.live = true;
        added.push(entry);
        if (entry.place === NEW) this.recent.add(entry.uid);
      }
      added.sort((a, b) => a.uid - b.uid);
      const fresh = added.map((e): MessageRecord => ({ uid: e.uid, flags: e.info.flags, modseq }));
      const inOrder = (added[0]?.uid ?? 0) > (records.at(-1)?.uid ?? 0);
      entries = entries.with(added, !inOrder);
      records = [...records, ...fresh];
      if (!inOrder) records = records.toSorted((a, b) => a.uid - b.uid);
      touched ||= added.length > 0;
    }
    if (!touched) return;
    this.records = records;
    this.entries = entries;
    this.highestModseq = modseq;
    this.#hooks.published({ modseq, expunged: expunged.map((e) => e.uid), added, changed });
    this.#hooks.changed();
  }

  /** The records with the flags that the files have now; the same array when none differ. */
  #recordsWithFlags(
    check: Change['check'],
    modseq: number,
    changed: MessageEntry[],
  ): readonly MessageRecord[] {
    const { records, entries } = this;
    let next: MessageRecord[] | undefined;
    const count = check === 'all' ? entries.length : check.length;
    for (let i = 0; i < count; i++) {
      const at = check === 'all' ? i : this.indexOf(check[i] as number);
      const record = records[at];
      if (!record) continue;
      const entry = entries.get(at) as MessageEntry;
      const { flags } = entry.info;
      if (sameFlags(record.flags, flags)) continue;
      changed.push(entry);
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
    this.#hooks.forget(entry);
    this.#expunged.push({ uid: entry.uid, modseq });
  }

  #trimExpunged(): void {
    const dropped = this.#expunged.splice(0, this.#expunged.length - MAX_EXPUNGED / 2);
    this.#expungedFloor = dropped.at(-1)?.modseq ?? this.#expungedFloor;
  }
}
