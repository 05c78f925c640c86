// Who made a file in the maildrop folder, as the kernel tells it. The folder is sticky, for everybody to write and
// nobody to list, and carries the set-group-id bit: a file with the folder's group was made in it by its owner. A hard
// link to somebody's file keeps that file's own group, and so does a file that was moved in; neither passes.

import type { Stats } from 'node:fs';

export type Ownership =
  | { readonly kind: 'owned'; readonly uid: number }
  | { readonly kind: 'foreign'; readonly reason: string };

/** `group`: the folder's. */
export function ownershipOf(stat: Stats, group: number): Ownership {
  if (!stat.isFile()) return { kind: 'foreign', reason: `is ${kindOf(stat)}` };
  if (stat.nlink !== 1) return { kind: 'foreign', reason: 'has several names (hard links)' };
  if (stat.gid !== group) return { kind: 'foreign', reason: 'was not made here' };
  return { kind: 'owned', uid: stat.uid };
}

function kindOf(stat: Stats): string {
  if (stat.isSymbolicLink()) return 'a symbolic link';
  if (stat.isFIFO()) return 'a FIFO';
  if (stat.isSocket()) return 'a socket';
  if (stat.isDirectory()) return 'a folder';
  return 'no regular file';
}
