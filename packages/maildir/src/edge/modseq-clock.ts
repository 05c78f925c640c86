// Modseqs that grow over restarts without anything on disk: the time in milliseconds, and where changes come faster
// than that, one more than the last. The count is the process's, so that a folder closed and opened again within a
// millisecond does not step back either.

let last = 0;

/** A modseq above all that were given before. */
export function nextModseq(nowMs: number): number {
  last = Math.max(last + 1, Math.floor(nowMs));
  return last;
}
