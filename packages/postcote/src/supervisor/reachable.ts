// Whether the process that faces the network can reach a file after giving up root: every folder on the way must
// be searchable for its account. Asked before it starts, so that the answer is a sentence and not an EACCES.

import { chmodSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Identity } from './accounts.ts';

/** Folders for temporary files, where private folders below are ours to open a little. */
const TEMPORARY = ['/tmp', '/var/tmp', '/dev/shm'];

/**
 * The folders above (and including) `path` that `identity` may not pass, outermost first. Supplementary groups
 * are not counted: the processes have none.
 */
export function barriers(path: string, identity: Identity): string[] {
  const found: string[] = [];
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const { mode, uid, gid } = statSync(folder);
      const shift = uid === identity.uid ? 6 : gid === identity.gid ? 3 : 0;
      if (((mode >> shift) & 1) === 0) found.unshift(folder);
    } catch {
      // Does not exist yet: whoever makes it decides.
    }
    if (folder === dirname(folder)) return found;
  }
}

/**
 * Makes root's own private temporary folders on the way to `path` searchable (not readable) for others, as trials
 * and tests have their configuration there (`mktemp -d` makes 0700). Returns what still bars the way.
 */
export function openTemporaryFolders(path: string, identity: Identity): string[] {
  return barriers(path, identity).filter((folder) => {
    const { mode, uid } = statSync(folder);
    if (uid !== 0 || !TEMPORARY.some((root) => folder.startsWith(`${root}/`))) return true;
    chmodSync(folder, (mode & 0o7777) | 0o011);
    return false;
  });
}
