// When a directory was listed last, and whether that listing still stands.
//
// A changed mtime means a change. An unchanged one proves nothing while it is as young as the file system's clock
// is coarse: a change within the same tick leaves no trace. So a listing made that soon counts as unproven, and is
// made again: at once where it is cheap, a second later where it is not. Our own changes are entered by `adopt`.

import { statSync } from 'node:fs';

/** Seconds only in mtimes (an old file system): anything within two of them is unproven. */
const COARSE_MS = 2000;
/** The kernel's clock tick for time stamps is at most 10 ms. */
const FINE_MS = 40;
/** Listing this many names takes about a millisecond. */
const CHEAP_ENTRIES = 1000;
const DEAR_INTERVAL_MS = 1000;

export type DirectoryStanding = readonly [mtime: number, listedAt: number];

export class DirectoryState {
  path: string;
  #seenMtime = -1;
  #listedAt = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Undefined when the directory is not there. */
  mtime(): number | undefined {
    return statSync(this.path, { throwIfNoEntry: false })?.mtimeMs;
  }

  needsListing(mtime: number, now: number, entries: number): boolean {
    if (mtime !== this.#seenMtime) return true;
    const age = this.#listedAt - mtime;
    if (age > (mtime % 1000 === 0 ? COARSE_MS : FINE_MS)) return false;
    return entries <= CHEAP_ENTRIES || now - this.#listedAt > DEAR_INTERVAL_MS;
  }

  /** A listing was begun at `now`, when the mtime was `mtime`. */
  listed(mtime: number, now: number): void {
    this.#seenMtime = mtime;
    this.#listedAt = now;
  }

  /** Begins a change of our own; call the result when it is done. Others' changes in between stay visible. */
  change(now: () => number): () => void {
    const undisturbed = this.mtime() === this.#seenMtime;
    return () => {
      if (!undisturbed) return;
      const mtime = this.mtime();
      if (mtime !== undefined) this.listed(mtime, now());
    };
  }

  forget(): void {
    this.#seenMtime = -1;
  }

  /** For another process to go on with. */
  get standing(): DirectoryStanding {
    return [this.#seenMtime, this.#listedAt];
  }

  restore([mtime, listedAt]: DirectoryStanding): void {
    this.#seenMtime = mtime;
    this.#listedAt = listedAt;
  }
}
