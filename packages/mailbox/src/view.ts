// What a session has told its client about a mailbox, and what it has not told yet.
//
// A `MailboxView` is an immutable value. An IMAP session keeps one while a mailbox is selected: sequence number n
// is `view.uids[n - 1]`. After each command that may report changes it does
//
//     const diff = diffView(view, mailbox);            // or { holdExpunges: true } in FETCH, STORE, SEARCH
//     …send diff.expunged, diff.exists, diff.changed, in this order…
//     view = diff.view;
//
// When nothing changed, this costs two comparisons and returns the same view. `packView` makes it plain JSON for
// putting a session away; `unpackView` takes it up again. Everything here is linear, and free of I/O.

import type { Mailbox, MessageRecord } from './port.ts';

export interface MailboxView {
  readonly uidValidity: number;
  /** Ascending. Never mutated. */
  readonly uids: Uint32Array;
  /** Changes up to this modseq have been told, except what is owed when `holding`. */
  readonly modseq: number;
  /** Something is known and not told yet: an EXPUNGE or EXISTS is owed. */
  readonly holding: boolean;
}

export interface ChangedMessage {
  /** Sequence number in the new view. */
  readonly seq: number;
  readonly record: MessageRecord;
}

export interface ViewDiff {
  /** Sequence numbers for EXPUNGE responses, highest first, so that each is right as it stands (RFC 3501 §7.4.1). */
  readonly expunged: readonly number[];
  /** The same messages as UIDs, ascending, for VANISHED (RFC 7162 §3.2.10). */
  readonly vanished: readonly number[];
  /** The new number of messages when messages arrived, for EXISTS. */
  readonly exists: number | undefined;
  /** Messages the client knows whose flags changed, ascending; for FETCH. */
  readonly changed: readonly ChangedMessage[];
  /** The mailbox is another one than the view was of (UIDVALIDITY): nothing above is filled, the view is fresh. */
  readonly reset: boolean;
  readonly view: MailboxView;
}

type Viewed = Pick<Mailbox, 'uidValidity' | 'highestModseq' | 'records'>;

export function openView(mailbox: Viewed): MailboxView {
  const { records } = mailbox;
  const uids = new Uint32Array(records.length);
  for (let i = 0; i < records.length; i++) uids[i] = (records[i] as MessageRecord).uid;
  return { uidValidity: mailbox.uidValidity, uids, modseq: mailbox.highestModseq, holding: false };
}

export interface DiffOptions {
  /** Where EXPUNGE may not be sent (RFC 3501 §5.5, §7.4.1): keep the gone messages in the view. */
  readonly holdExpunges?: boolean;
  /** Messages that are new to the view stay out of it for now. */
  readonly holdNew?: boolean;
}

const NOTHING = { expunged: [], vanished: [], exists: undefined, changed: [], reset: false } as const;

export function diffView(view: MailboxView, mailbox: Viewed, options: DiffOptions = {}): ViewDiff {
  const hold = options.holdExpunges === true;
  if (view.uidValidity !== mailbox.uidValidity) return { ...NOTHING, reset: true, view: openView(mailbox) };
  if (view.modseq === mailbox.highestModseq && (hold || !view.holding)) return { ...NOTHING, view };
  const { records } = mailbox;
  const old = view.uids;
  const uids = new Uint32Array(old.length + records.length);
  const goneSeqs: number[] = [];
  const vanished: number[] = [];
  const changed: ChangedMessage[] = [];
  let kept = 0;
  let held = false;
  let i = 0;
  let j = 0;
  while (i < old.length) {
    const uid = old[i] as number;
    const record = records[j];
    if (record !== undefined && record.uid < uid) {
      // Below a UID the client knows, yet new to it: UIDs only grow, so this was given back by an earlier
      // store's mistake. It cannot be told in order; the client learns of it at its next SELECT.
      j++;
      continue;
    }
    i++;
    if (record !== undefined && record.uid === uid) {
      j++;
      uids[kept++] = uid;
      if (record.modseq > view.modseq) changed.push({ seq: kept, record });
    } else if (hold) {
      uids[kept++] = uid;
      held = true;
    } else {
      goneSeqs.push(i);
      vanished.push(uid);
    }
  }
  const known = kept;
  if (options.holdNew === true) held ||= j < records.length;
  else for (; j < records.length; j++) uids[kept++] = (records[j] as MessageRecord).uid;
  return {
    expunged: goneSeqs.reverse(),
    vanished,
    exists: kept > known ? kept : undefined,
    changed,
    reset: false,
    view: {
      uidValidity: view.uidValidity,
      uids: kept === uids.length ? uids : uids.slice(0, kept),
      modseq: mailbox.highestModseq,
      holding: held,
    },
  };
}

/** Sequence number of `uid`, 0 when the view does not hold it. */
export function seqOfUid(view: MailboxView, uid: number): number {
  const at = lowerBound(view.uids, uid);
  return view.uids[at] === uid ? at + 1 : 0;
}

/** Index of the first UID not below `uid`. */
export function lowerBound(uids: Uint32Array, uid: number): number {
  let low = 0;
  let high = uids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((uids[middle] as number) < uid) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The record of `uid` among `records`, by binary search. */
export function findRecord(records: readonly MessageRecord[], uid: number): MessageRecord | undefined {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((records[middle] as MessageRecord).uid < uid) low = middle + 1;
    else high = middle;
  }
  const record = records[low];
  return record !== undefined && record.uid === uid ? record : undefined;
}

/** A view as plain JSON: UIDs as `first, last` pairs. */
export interface PackedView {
  readonly uidValidity: number;
  readonly ranges: readonly number[];
  readonly modseq: number;
  readonly holding: boolean;
}

export function packView(view: MailboxView): PackedView {
  const ranges: number[] = [];
  const { uids } = view;
  for (let i = 0; i < uids.length;) {
    const first = uids[i] as number;
    let last = first;
    while (++i < uids.length && uids[i] === last + 1) last++;
    ranges.push(first, last);
  }
  return { uidValidity: view.uidValidity, ranges, modseq: view.modseq, holding: view.holding };
}

export function unpackView(packed: PackedView): MailboxView {
  const { ranges } = packed;
  let count = 0;
  for (let i = 0; i + 1 < ranges.length; i += 2)
    count += (ranges[i + 1] as number) - (ranges[i] as number) + 1;
  const uids = new Uint32Array(count);
  let at = 0;
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const last = ranges[i + 1] as number;
    for (let uid = ranges[i] as number; uid <= last; uid++) uids[at++] = uid;
  }
  return { uidValidity: packed.uidValidity, uids, modseq: packed.modseq, holding: packed.holding };
}
