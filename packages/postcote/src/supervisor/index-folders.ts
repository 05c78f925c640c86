// Where the mailbox indexes lie unless the configuration has a place for them (INDEX= of mail_location): one folder for
// each user, made by root and then that user's alone. The folder above is root's, so nobody can put a link there.

import { chownSync, lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Account } from '../ipc.ts';

export const INDEX_FOLDER = 'index';

export class IndexFolders {
  readonly #root: string;
  readonly #changesIdentity: boolean;

  constructor(dataFolder: string, changesIdentity: boolean) {
    this.#root = join(dataFolder, INDEX_FOLDER);
    this.#changesIdentity = changesIdentity;
  }

  /** Made where it is missing. Undefined, with a reason, where there can be none. */
  open(account: Account): { readonly path: string } | { readonly problem: string } {
    const path = indexPathOf(this.#root, account);
    try {
      // Users pass through to what is theirs, and see nobody else's name.
      mkdirSync(this.#root, { recursive: true, mode: 0o711 });
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
        mkdirSync(path, { mode: 0o700 });
        if (this.#changesIdentity) chownSync(path, account.uid, account.gid);
      }
      const stat = lstatSync(path);
      if (!stat.isDirectory() || stat.uid !== account.uid) return { problem: `${path}: is not that user's` };
      return { path };
    } catch (error) {
      return { problem: error instanceof Error ? error.message : String(error) };
    }
  }
}

/** An account that gets another uid gets another index; names from elsewhere stay within one path component. */
function indexPathOf(root: string, { name, uid }: Account): string {
  const safe = encodeURIComponent(name).replace(/\./g, '%2E').slice(0, 200);
  return join(root, `${safe}-${uid}`);
}
