// Where one user's index lies: a folder of its own, outside the Maildir, for that user alone. Everything in it can be thrown
// away at any time. Whatever goes wrong here is told once, and the store goes on without an index.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import type { Log } from '@postcote/wire';
import { createFile } from './disk.ts';
import { errorCode } from './errors.ts';

const DAY_MS = 24 * 3600 * 1000;

export interface IndexFolderOptions {
  /** Made when missing, with mode 0700, and used only if it is the process's own. */
  readonly path: string;
  readonly log: Log;
}

export class IndexFolder {
  readonly path: string;
  readonly boot: string;
  readonly #log: Log;
  #told = false;

  private constructor({ path, log }: IndexFolderOptions) {
    this.path = path;
    this.#log = log;
    this.boot = bootId();
  }

  /** Undefined where it cannot be used. */
  static open(options: IndexFolderOptions): IndexFolder | undefined {
    const { path, log } = options;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const stat = lstatSync(path);
      const own = process.geteuid?.() ?? stat.uid;
      if (!stat.isDirectory() || stat.uid !== own) {
        log('warn', 'maildir', `${path}: is no folder of uid ${own}; working without an index`);
        return undefined;
      }
      if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
      return new IndexFolder(options);
    } catch (error) {
      log('warn', 'maildir', `${path}: ${errorCode(error)}; working without an index`);
      return undefined;
    }
  }

  /**
   * What the files of a folder begin with: its inode, which stays through renames by whomever. A folder that got the inode
   * of another one is told by its GUID, which stands in the files.
   */
  keyOf(folder: string): string | undefined {
    try {
      return statSync(folder, { bigint: true }).ino.toString(36);
    } catch {
      return undefined;
    }
  }

  get texts(): string {
    return `${this.path}/text.db`;
  }

  /** Tells one index of texts from the one that was made in its place; undefined when there is none. */
  textId(): string | undefined {
    try {
      return existsSync(this.texts) ? readFileSync(`${this.path}/text.id`, 'latin1') : undefined;
    } catch {
      return undefined;
    }
  }

  /** A new index of texts begins: an empty file for nobody else to read. */
  beginTexts(): void {
    this.forgetTexts();
    writeFileSync(`${this.path}/text.id`, randomBytes(16).toString('hex'), { mode: 0o600 });
    closeSync(createFile(this.texts, 0o600));
  }

  forgetTexts(): void {
    for (const name of ['text.id', 'text.db', 'text.db-wal', 'text.db-shm'])
      this.remove(`${this.path}/${name}`);
  }

  /** All folders were gone through less than a day ago, for the index of texts there is. */
  walkedLately(nowMs: number): boolean {
    try {
      const path = `${this.path}/walked`;
      return statSync(path).mtimeMs > nowMs - DAY_MS && readFileSync(path, 'latin1') === this.textId();
    } catch {
      return false;
    }
  }

  noteWalked(): void {
    const path = `${this.path}/walked`;
    const id = this.textId();
    try {
      if (id !== undefined) writeFileSync(path, id, { mode: 0o600 });
    } catch (error) {
      this.complain(path, error);
    }
  }

  file(key: string, kind: 'state' | 'parts'): string {
    return `${this.path}/${key}.${kind}`;
  }

  /** All that is kept of a folder. */
  forget(key: string): void {
    for (const kind of ['state', 'parts'] as const) this.remove(this.file(key, kind));
  }

  remove(path: string): void {
    try {
      unlinkSync(path);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.complain(path, error);
    }
  }

  /** An index that cannot be written is no reason to stop. */
  complain(path: string, error: unknown): void {
    if (this.#told) return;
    this.#told = true;
    this.#log('warn', 'maildir', `${path}: ${errorCode(error) || String(error)}; working without this index`);
  }
}

/** Another one after each start of the machine; '' where it is not to be had, which counts as always another. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}
