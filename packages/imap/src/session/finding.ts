// Finds the messages of the selected mailbox that match a search key: for SEARCH, SORT and THREAD alike. Gives way to
// other sessions as it goes.

import type { SearchKey } from '../codec/search-key.ts';
import { SearchProgram } from '../search/search-program.ts';
import type { SessionCore } from './core.ts';
import type { Selected } from './selected.ts';

export function programFor(core: SessionCore, selected: Selected, key: SearchKey): SearchProgram {
  return new SearchProgram(key, {
    count: selected.uids.length,
    lastUid: selected.uids.at(-1) ?? 0,
    now: core.clock.now(),
    zone: core.settings.zone,
    isSaved: (uid) => selected.isSaved(uid),
  });
}

/** Indices into `selected.uids`, ascending. */
export async function findMessages(
  core: SessionCore,
  selected: Selected,
  program: SearchProgram,
): Promise<number[]> {
  await program.consult(selected.mailbox);
  const found: number[] = [];
  const { uids } = selected;
  const progress = { done: 0, goal: uids.length };
  core.progress = progress;
  for (let index = 0; index < uids.length && !core.over; index++) {
    progress.done = index;
    if (core.shouldBreathe) await core.breathe();
    const uid = uids[index] as number;
    const record = selected.record(uid, index);
    if (record === undefined) continue;
    const matched = program.matches({
      seq: index + 1,
      record,
      recent: selected.isRecent(uid),
      open: () => selected.mailbox.message(uid),
    });
    if (typeof matched === 'boolean' ? matched : await matched) found.push(index);
  }
  core.progress = undefined;
  return found;
}

/** The highest modification sequence among messages (RFC 7162 §3.1.5). */
export function highestModseq(selected: Selected, indices: readonly number[]): number {
  let highest = 0;
  for (const index of indices) {
    const modseq = selected.record(selected.uids[index] as number, index)?.modseq ?? 0;
    if (modseq > highest) highest = modseq;
  }
  return highest;
}
