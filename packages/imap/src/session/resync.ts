// Quick resynchronisation (RFC 7162 §3.2): what a client missed since a modification sequence it remembers.

import { formatFlags } from '../codec/flags.ts';
import type { QresyncParameters } from '../codec/command.ts';
import {
  lowerBound,
  type NumberRange,
  formatRange,
  rangesOf,
  resolveSequenceSet,
  type SequenceSet,
} from '../codec/sequence-set.ts';
import type { SessionCore } from './core.ts';
import type { Selected } from './selected.ts';

/** Ranges of one VANISHED response: a line stays of a size that clients read. */
const RANGES_OF_A_LINE = 500;

/**
 * The UIDs of `asked` that were expunged after `since`. RFC 7162 §3.2.5: where the store does not remember that far,
 * all that are not there. Messages this client still counts are left out: their EXPUNGE is yet to come.
 */
export function formatVanishedEarlier(
  selected: Selected,
  what: { readonly since: number; readonly asked: SequenceSet; readonly above?: number },
): string {
  const { mailbox, uids } = selected;
  const highest = mailbox.uidNext - 1;
  const asked = clip(resolveSequenceSet(what.asked, Math.max(1, uids.at(-1) ?? highest)), {
    first: (what.above ?? 0) + 1,
    last: highest,
  });
  const remembered = mailbox.keepsModseqs === true ? mailbox.expungedSince(what.since) : undefined;
  const gone =
    remembered === undefined
      ? gaps(asked, uids)
      : rangesOf(remembered.filter((uid) => within(asked, uid) && uids[lowerBound(uids, uid)] !== uid));
  let text = '';
  for (let at = 0; at < gone.length; at += RANGES_OF_A_LINE)
    text += `* VANISHED (EARLIER) ${gone
      .slice(at, at + RANGES_OF_A_LINE)
      .map(formatRange)
      .join(',')}\r\n`;
  return text;
}

/** In answer to SELECT: what vanished, and the flags of what changed. */
export async function tellResync(
  core: SessionCore,
  selected: Selected,
  { modseq, knownUids, matches }: QresyncParameters,
): Promise<void> {
  const everything: SequenceSet = { kind: 'ranges', ranges: [{ from: 1, to: 0xffffffff }] };
  const asked = knownUids ?? everything;
  const above = matches === undefined ? 0 : commonUpTo(selected, matches);
  core.out.text(formatVanishedEarlier(selected, { since: modseq, asked, above }));
  const wanted = resolveSequenceSet(asked, 0xffffffff);
  const { uids } = selected;
  for (let index = 0; index < uids.length && !core.over; index++) {
    if (core.shouldBreathe) await core.breathe();
    const uid = uids[index] as number;
    const record = selected.record(uid, index);
    if (record === undefined || record.modseq <= modseq || !within(wanted, uid)) continue;
    const flags = formatFlags(record.flags, selected.isRecent(uid));
    core.out.text(`* ${index + 1} FETCH (UID ${uid} FLAGS (${flags}) MODSEQ (${record.modseq}))\r\n`);
  }
}

/** RFC 7162 §3.2.5.2: the UID up to which the client's numbers are ours: below it nothing vanished. */
function commonUpTo(selected: Selected, matches: NonNullable<QresyncParameters['matches']>): number {
  const uidRanges = resolveSequenceSet(matches.uids, 0);
  let [range, uid, common] = [0, uidRanges[0]?.first ?? 0, 0];
  for (const { first, last } of resolveSequenceSet(matches.numbers, 0)) {
    for (let number = first; number <= last; number++) {
      const here = uidRanges[range];
      if (here === undefined || selected.uids[number - 1] !== uid) return common;
      common = uid;
      if (uid < here.last) uid += 1;
      else uid = uidRanges[++range]?.first ?? 0;
    }
  }
  return common;
}

function clip(ranges: readonly NumberRange[], { first, last }: NumberRange): NumberRange[] {
  return ranges
    .map((range) => ({ first: Math.max(range.first, first), last: Math.min(range.last, last) }))
    .filter((range) => range.first <= range.last);
}

function within(ranges: readonly NumberRange[], number: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as NumberRange).last < number) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && range.first <= number;
}

/** The numbers of `ranges` that are not among ascending `uids`. */
function gaps(ranges: readonly NumberRange[], uids: Uint32Array): NumberRange[] {
  const missing: NumberRange[] = [];
  for (const { first, last } of ranges) {
    let from = first;
    for (let at = lowerBound(uids, first); at < uids.length && (uids[at] as number) <= last; at++) {
      const uid = uids[at] as number;
      if (uid > from) missing.push({ first: from, last: uid - 1 });
      from = uid + 1;
    }
    if (from <= last) missing.push({ first: from, last });
  }
  return missing;
}
