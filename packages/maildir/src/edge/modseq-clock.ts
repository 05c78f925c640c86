// Modseqs that grow over restarts even where nothing was kept of them: the time in milliseconds, and where changes come
// faster than that, one more than the last. The count is the process's, so that a folder closed and opened again within
// a millisecond does not step back either; what a folder's journal knows of raises it, whatever the clock says.

let last = 0;

/** A modseq above all that were given before. */
export function nextModseq(nowMs: number): number {
  last = Math.max(last + 1, Math.floor(nowMs));
  return last;
}

/** Modseqs up to here were given by an earlier process. */
export function raiseModseqs(known: number): void {
  if (Number.isSafeInteger(known)) last = Math.max(last, known);
}
