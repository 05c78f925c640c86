// Searches the texts of one mailbox: trigrams name candidates, their texts decide.

import type { TextScope, TextVerdicts } from '@postcote/mailbox';
import { trigramQuery, verdictsIn, type Needle } from '../../message-texts.ts';
import type { TextDatabase } from './text-database.ts';
import type { Turns } from './turns.ts';

/** Messages asked for at once: the answer to a common needle takes a few milliseconds. */
const RANGE = 20_000;
const BLOCKS_AT_ONCE = 64;
const LAST_UID = 0xffff_ffff;

/** Which messages of a mailbox are known, and in which blocks their texts are. */
export interface BoxMap {
  readonly box: number;
  /** Ascending. */
  readonly uids: Uint32Array;
  /** Indices into `blocks`, for each of `uids`. */
  readonly blockOf: Uint32Array;
  readonly blocks: readonly number[];
  /** Those of which nothing is kept. */
  readonly opaque: readonly number[];
}

export async function readBoxMap(database: TextDatabase, box: number, turns: Turns): Promise<BoxMap> {
  const blocks: number[] = [];
  const pairs: number[] = [];
  const opaque: number[] = [];
  let inOrder = true;
  for (let after = 0; ;) {
    const read = database.blocks(box, after, BLOCKS_AT_ONCE);
    const last = read.at(-1);
    if (!last) break;
    for (const block of read) {
      const index = blocks.push(block.id) - 1;
      for (const uid of block.uids) {
        if (pairs.length > 0 && uid <= (pairs.at(-2) as number)) inOrder = false;
        pairs.push(uid, index);
      }
      for (const uid of block.opaque) opaque.push(uid);
    }
    after = last.id;
    if (turns.isOver) await turns.next();
  }
  const count = pairs.length / 2;
  const uids = new Uint32Array(count);
  const blockOf = new Uint32Array(count);
  const order = inOrder ? undefined : Array.from({ length: count }, (_, i) => i);
  order?.sort((a, b) => (pairs[a * 2] as number) - (pairs[b * 2] as number));
  for (let i = 0; i < count; i++) {
    const at = (order?.[i] ?? i) * 2;
    uids[i] = pairs[at] as number;
    blockOf[i] = pairs[at + 1] as number;
  }
  return { box, uids, blockOf, blocks, opaque };
}

const YES = 1;
const OPEN = 2;

export async function searchBox(
  database: TextDatabase,
  map: BoxMap,
  search: { readonly scope: TextScope; readonly folded: string; readonly turns: Turns },
): Promise<TextVerdicts> {
  const { uids, blockOf, blocks } = map;
  const { scope, folded, turns } = search;
  const verdicts = new Uint8Array(uids.length);
  const wanted = new Set<number>();
  const ask = (index: number): void => {
    verdicts[index] = OPEN;
    wanted.add(blockOf[index] as number);
  };
  const query = trigramQuery(folded);
  if (query === undefined) for (let i = 0; i < uids.length; i++) ask(i);
  else {
    for (let start = 0; start < uids.length; start += RANGE) {
      const first = start === 0 ? 0 : (uids[start] as number);
      const last = start + RANGE < uids.length ? (uids[start + RANGE] as number) - 1 : LAST_UID;
      for (const uid of database.candidates(map.box, query, { first, last })) {
        const index = indexIn(uids, uid);
        if (index !== -1) ask(index);
      }
      if (turns.isOver) await turns.next();
    }
  }
  const needle: Needle = { scope, octets: Buffer.from(folded, 'utf8') };
  for (const index of wanted) {
    const texts = database.packedTexts(blocks[index] as number);
    if (texts) {
      for (const { uid, found } of verdictsIn(texts, needle)) {
        const at = indexIn(uids, uid);
        // Which field it is in, the message itself has to tell.
        if (verdicts[at] === OPEN) verdicts[at] = found ? (scope === 'header' ? OPEN : YES) : 0;
      }
    }
    if (turns.isOver) await turns.next();
  }
  for (const uid of map.opaque) verdicts[indexIn(uids, uid)] = OPEN;
  return (uid) => {
    const index = indexIn(uids, uid);
    if (index === -1 || verdicts[index] === OPEN) return undefined;
    return verdicts[index] === YES;
  };
}

function indexIn(uids: Uint32Array, uid: number): number {
  let low = 0;
  let high = uids.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = uids[middle] as number;
    if (found === uid) return middle;
    if (found < uid) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
