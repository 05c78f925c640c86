// Puts found messages into the order that SORT asks for (RFC 5256 §3). Equal ones stay in the mailbox's order.

import { MailboxError } from '@postcote/mailbox';
import type { SortCriterion } from '../codec/search-key.ts';
import type { SessionCore } from '../session/core.ts';
import type { Selected } from '../session/selected.ts';
import { compareKeys } from './collation.ts';
import { type SortKey, sortKeysOf } from './sort-key.ts';
import { sortInSlices } from './sort-in-slices.ts';

interface Item {
  readonly index: number;
  readonly keys: readonly SortKey[];
}

export async function sortMessages(
  core: SessionCore,
  selected: Selected,
  what: { readonly found: readonly number[]; readonly criteria: readonly SortCriterion[] },
): Promise<readonly number[]> {
  const { criteria } = what;
  const fields = criteria.map(({ field }) => field);
  const items: Item[] = [];
  const progress = { done: 0, goal: what.found.length };
  core.progress = progress;
  for (const index of what.found) {
    progress.done += 1;
    if (core.over) return [];
    if (core.shouldBreathe) await core.breathe();
    const handle = selected.mailbox.message(selected.uids[index] as number);
    if (handle === undefined) continue;
    try {
      items.push({ index, keys: await sortKeysOf(handle, fields) });
    } catch (error) {
      // Expunged by somebody while we looked: it is in no order any more.
      if (!(error instanceof MailboxError && error.code === 'expunged')) throw error;
    }
  }
  core.progress = undefined;
  const sorted = await sortInSlices(items, comparison(criteria), () =>
    core.shouldBreathe ? core.breathe() : undefined,
  );
  return sorted.map(({ index }) => index);
}

function comparison(criteria: readonly SortCriterion[]): (a: Item, b: Item) => number {
  return (a, b) => {
    for (let at = 0; at < criteria.length; at++) {
      const x = a.keys[at] as SortKey;
      const y = b.keys[at] as SortKey;
      const order =
        typeof x === 'number' && typeof y === 'number' ? x - y : compareKeys(String(x), String(y));
      if (order !== 0) return criteria[at]?.reverse === true ? -order : order;
    }
    return a.index - b.index;
  };
}
