// A folder's keywords on disk, and the flags that name ends mean under them.

import { closeSync, renameSync, statSync, unlinkSync, futimesSync } from 'node:fs';
import { MailboxError, makeFlagSet, type Flag, type FlagSet } from '@postcote/mailbox';
import { keywordIndex, MAX_KEYWORDS, parseInfo, SYSTEM_LETTERS } from '../file-name.ts';
import {
  findKeyword,
  formatKeywords,
  freeIndex,
  keywordName,
  parseKeywords,
  type KeywordTable,
} from '../keywords.ts';
import { createFile, fsyncFile, readText, writeAll } from './disk.ts';
import { errorCode } from './errors.ts';
import type { InfoValue } from './message-entry.ts';

const MAX_SIZE = 64 * 1024;

export class KeywordFile {
  path: string;
  #table: KeywordTable = [];
  #stamp = '';
  #mtimeMs = 0;
  readonly #infos = new Map<string, InfoValue>();

  constructor(path: string) {
    this.path = path;
  }

  get table(): KeywordTable {
    return this.#table;
  }

  /** One object per distinct text, so that comparing ends of names is comparing references. */
  info(text: string): InfoValue {
    const known = this.#infos.get(text);
    if (known) return known;
    const info = parseInfo(text);
    const value = { text, info, flags: this.#flagsOf(info.letters) };
    this.#infos.set(text, value);
    return value;
  }

  /** Reads the file again if it changed; true when flags may mean something else now. */
  refresh(): boolean {
    const stat = statSync(this.path, { throwIfNoEntry: false });
    const stamp = stat ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : '';
    if (stamp === this.#stamp) return false;
    const read = readText(this.path, MAX_SIZE);
    this.#stamp = stamp;
    this.#mtimeMs = stat?.mtimeMs ?? 0;
    return this.#adopt(read ? parseKeywords(read.text) : []);
  }

  /** All keywords defined here or used by a message, in letter order. */
  names(lettersInUse: ReadonlySet<number>): Flag[] {
    const out: Flag[] = [];
    for (let i = 0; i < MAX_KEYWORDS; i++) {
      if (this.#table[i] !== undefined || lettersInUse.has(i)) out.push(keywordName(this.#table, i));
    }
    return out;
  }

  find(keyword: Flag): number {
    return findKeyword(this.#table, keyword);
  }

  /**
   * Gives each keyword a letter; under the folder's lock. Throws `limit` when there are not enough and
   * `partly` is not wanted.
   */
  async define(
    keywords: readonly Flag[],
    options: { readonly lettersInUse: ReadonlySet<number>; readonly mode: number; readonly partly: boolean },
  ): Promise<void> {
    this.refresh();
    const table = [...this.#table];
    let grown = false;
    for (const keyword of keywords) {
      if (findKeyword(table, keyword) !== -1) continue;
      const index = freeIndex(table, options.lettersInUse);
      if (index === -1) {
        if (options.partly) continue;
        throw new MailboxError('limit', `no letter is left for keyword ${keyword}`);
      }
      table[index] = keyword;
      grown = true;
    }
    if (grown) await this.#write(table, options.mode);
  }

  async #write(table: KeywordTable, mode: number): Promise<void> {
    const temporary = `${this.path}.lock`;
    try {
      unlinkSync(temporary);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    const fd = createFile(temporary, mode);
    try {
      writeAll(fd, Buffer.from(formatKeywords(table), 'latin1'));
      // DOVECOT: it compares whole seconds of mtime, so each version needs a second of its own.
      const seconds = Math.max(Math.floor(Date.now() / 1000), Math.floor(this.#mtimeMs / 1000) + 1);
      futimesSync(fd, seconds, seconds);
      await fsyncFile(fd);
      renameSync(temporary, this.path);
    } catch (error) {
      try {
        unlinkSync(temporary);
      } catch {
        // The first error is the one to tell.
      }
      throw error;
    } finally {
      closeSync(fd);
    }
    const stat = statSync(this.path);
    this.#stamp = `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
    this.#mtimeMs = stat.mtimeMs;
    this.#adopt(table);
  }

  #adopt(table: KeywordTable): boolean {
    this.#table = table;
    let changed = false;
    for (const value of this.#infos.values()) {
      const flags = this.#flagsOf(value.info.letters);
      if (flags === value.flags) continue;
      value.flags = flags;
      changed = true;
    }
    return changed;
  }

  #flagsOf(letters: string): FlagSet {
    const flags: Flag[] = [];
    for (const letter of letters) {
      const flag = SYSTEM_LETTERS.get(letter);
      const index = flag === undefined ? keywordIndex(letter) : -1;
      if (flag !== undefined) flags.push(flag);
      else if (index !== -1) flags.push(keywordName(this.#table, index));
    }
    return makeFlagSet(flags);
  }
}
