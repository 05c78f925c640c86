// A merge sort that gives way: sorting a hundred thousand messages in one go would hold up every other session of the
// process for longer than a blink. Stable.

/** Sorted in one go. */
const RUN = 1024;
/** Comparisons between two looks at the clock. */
const BETWEEN_BREATHS = 2048;

export async function sortInSlices<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  breathe: () => Promise<void> | undefined,
): Promise<T[]> {
  let from: T[] = [];
  for (let at = 0; at < items.length; at += RUN) {
    for (const item of items.slice(at, at + RUN).sort(compare)) from.push(item);
    await breathe();
  }
  let steps = 0;
  for (let width = RUN; width < from.length; width *= 2) {
    const to: T[] = [];
    for (let low = 0; low < from.length; low += 2 * width) {
      const middle = Math.min(low + width, from.length);
      const high = Math.min(low + 2 * width, from.length);
      let left = low;
      let right = middle;
      while (left < middle || right < high) {
        const takeLeft = right >= high || (left < middle && compare(from[left] as T, from[right] as T) <= 0);
        to.push(takeLeft ? (from[left++] as T) : (from[right++] as T));
        steps += 1;
        if (steps % BETWEEN_BREATHS === 0) await breathe();
      }
    }
    from = to;
  }
  return from;
}
