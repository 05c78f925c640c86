// A folder's messages as sessions see them: records and, beside each, the file behind it. Replaced as a whole with each
// change; the one place that gives out modseqs and remembers what was expunged.

import { sameFlags, type MessageRecord } from '@postcote/mailbox';
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

export interface SnapshotHooks {
  /** A message is gone for good. */
  forget(entry: MessageEntry): void;
  /** There is a new snapshot. */
  changed(): void;
}

export class FolderSnapshot {
  /** Both ascending by UID, in step. */
  records: readonly MessageRecord[] = [];
  entries: readonly MessageEntry[] = [];
  highestModseq: number;
  readonly recent = new Set<number>();
  readonly #nowMs: () => number;
  readonly #hooks: SnapshotHooks;
  #expunged: { uid: number; modseq: number }[] = [];
  #expungedFloor: number;

  constructor(nowMs: () => number, hooks: SnapshotHooks) {
    this.#nowMs = nowMs;
    this.#hooks = hooks;
    // Greater than whatever an earlier process gave: see docs/maildir.md.
    this.highestModseq = nextModseq(nowMs());
    this.#expungedFloor = this.highestModseq;
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
    this.#hooks.changed();
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
    this.#hooks.forget(entry);
    this.#expunged.push({ uid: entry.uid, modseq });
  }

  #trimExpunged(): void {
    const dropped = this.#expunged.splice(0, this.#expunged.length - MAX_EXPUNGED / 2);
    this.#expungedFloor = dropped.at(-1)?.modseq ?? this.#expungedFloor;
  }
}
