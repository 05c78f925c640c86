// A folder that nobody has opened yet, from the names of its files: which message gets which UID, in columns, without an
// object for each of a hundred thousand. Pure.

import type { JournalMessages } from './folder-journal.ts';
import { arrivalOf, baseOf } from './file-name.ts';

export interface FirstRows {
  /** With modseqs, sizes and dates that are not known. */
  readonly rows: JournalMessages;
  /** The records of a uidlist. */
  readonly uidlist: string;
}

/**
 * `names` are regular files; the first `fresh` of them lie in new/, the others in cur/. Undefined where a name needs a closer
 * look: the same base twice, or one that no uidlist can hold.
 */
export function firstRows(
  names: readonly string[],
  options: { readonly fresh: number; readonly firstUid: number; readonly modseq: number },
): FirstRows | undefined {
  const { firstUid, modseq } = options;
  const count = names.length;
  const seconds = new Float64Array(count);
  const micros = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const arrival = arrivalOf(names[i] as string);
    seconds[i] = arrival.seconds;
    micros[i] = arrival.micros;
  }
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  order.sort((a, b) => {
    const later =
      (seconds[a] as number) - (seconds[b] as number) || (micros[a] as number) - (micros[b] as number);
    if (later !== 0) return later;
    const one = baseOf(names[a] as string);
    const other = baseOf(names[b] as string);
    return one < other ? -1 : one > other ? 1 : 0;
  });
  const numbers = new Float64Array(count * 4).fill(-1);
  const small = new Uint32Array(count * 2);
  const places = new Uint8Array(count);
  const ends = new Uint32Array(count * 2);
  const infos = new Map<string, number>();
  const bases: string[] = [];
  const lines: string[] = [];
  let length = 0;
  let previous = '';
  let lastInfo = '';
  let lastIndex = -1;
  for (let i = 0; i < count; i++) {
    const at = order[i] as number;
    const name = names[at] as string;
    const base = baseOf(name);
    if (base === '' || base === previous || /[\r\n]/.test(base)) return undefined;
    previous = base;
    if (lastIndex === -1 || name.length - base.length !== lastInfo.length || !name.endsWith(lastInfo)) {
      lastInfo = name.slice(base.length);
      lastIndex = infos.get(lastInfo) ?? infos.size;
      infos.set(lastInfo, lastIndex);
    }
    bases.push(base);
    lines.push(`${firstUid + i} :`, base, '\n');
    length += base.length;
    ends[i * 2] = length;
    ends[i * 2 + 1] = length;
    numbers[i * 4] = modseq;
    small[i * 2] = firstUid + i;
    small[i * 2 + 1] = lastIndex;
    places[i] = at < options.fresh ? 1 : 2;
  }
  const rows = { count, numbers, small, places, infos: [...infos.keys()], ends, text: bases.join('') };
  return { rows, uidlist: lines.join('') };
}
