// Sequence sets (RFC 3501 §9) as ranges; nothing walks a range number by number.
//
//   sequence-set = (seq-number / seq-range) ["," sequence-set]
//   seq-number   = nz-number / "*"

/** `*` is the largest number in use. */
export type SequenceBound = number | '*';

export interface SequenceRange {
  readonly from: SequenceBound;
  readonly to: SequenceBound;
}

/** `saved` is `$`, the result of the last SEARCH RETURN (SAVE) (RFC 5182). */
export type SequenceSet =
  | { readonly kind: 'ranges'; readonly ranges: readonly SequenceRange[] }
  | { readonly kind: 'saved' };

/** Inclusive, `first <= last`. */
export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

const MAX_NUMBER = 0xffffffff;

export function parseSequenceSet(text: string): SequenceSet | undefined {
  if (text === '$') return { kind: 'saved' };
  const ranges: SequenceRange[] = [];
  for (const part of text.split(',')) {
    const colon = part.indexOf(':');
    const from = parseBound(colon === -1 ? part : part.slice(0, colon));
    const to = colon === -1 ? from : parseBound(part.slice(colon + 1));
    if (from === undefined || to === undefined) return undefined;
    ranges.push({ from, to });
  }
  return { kind: 'ranges', ranges };
}

function parseBound(text: string): SequenceBound | undefined {
  if (text === '*') return '*';
  if (text.length === 0 || text.length > 10 || !/^[1-9]\d*$/.test(text)) return undefined;
  const number = Number(text);
  return number <= MAX_NUMBER ? number : undefined;
}

export function formatSequenceSet(set: SequenceSet): string {
  if (set.kind === 'saved') return '$';
  return set.ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}:${to}`)).join(',');
}

/** The set's ranges with `*` put in, sorted and merged. `largest` 0 means that nothing is there. */
export function resolveSequenceSet(set: SequenceSet, largest: number): NumberRange[] {
  if (set.kind === 'saved') return [];
  const ranges = set.ranges.map(({ from, to }) => {
    const a = from === '*' ? largest : from;
    const b = to === '*' ? largest : to;
    return { first: Math.min(a, b), last: Math.max(a, b) };
  });
  return mergeRanges(ranges);
}

export function mergeRanges(ranges: readonly NumberRange[]): NumberRange[] {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  const merged: { first: number; last: number }[] = [];
  for (const range of sorted) {
    const top = merged.at(-1);
    if (top !== undefined && range.first <= top.last + 1) top.last = Math.max(top.last, range.last);
    else merged.push({ first: range.first, last: range.last });
  }
  return merged;
}

/** Ascending numbers to ranges. */
export function rangesOf(numbers: Iterable<number>): NumberRange[] {
  const ranges: { first: number; last: number }[] = [];
  for (const number of numbers) {
    const top = ranges.at(-1);
    if (top !== undefined && number === top.last + 1) top.last = number;
    else ranges.push({ first: number, last: number });
  }
  return ranges;
}

/** `1:3,7`, keeping the order given: for COPYUID, whose two sets answer one another. */
export function formatNumbers(numbers: Iterable<number>): string {
  return rangesOf(numbers).map(formatRange).join(',');
}

export function formatRange({ first, last }: NumberRange): string {
  return first === last ? `${first}` : `${first}:${last}`;
}

/** Index of the first element of ascending `numbers` that is at least `value`. */
export function lowerBound(numbers: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
