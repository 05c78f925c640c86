// The file of a folder's journal: read whole, written whole beside and renamed over, or added to at its end. Gives itself up
// for good when anything about it is not as it was left: another process is at work on it, the disk is full.

import { closeSync, constants, fdatasync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { createFile, READ_FLAGS, readAt, writeAll } from './disk.ts';
import { errorCode } from './errors.ts';
import type { IndexFolder } from './index-folder.ts';

/** A million messages with room to spare. */
const MAX_SIZE = 512 * 1024 * 1024;

export class JournalFile {
  readonly path: string;
  readonly #folder: IndexFolder;
  #ino = 0n;
  #size = -1;
  #givenUp = false;

  constructor(folder: IndexFolder, path: string) {
    this.#folder = folder;
    this.path = path;
  }

  /** Something is there to be added to. */
  get begun(): boolean {
    return this.#size !== -1;
  }

  get size(): number {
    return Math.max(0, this.#size);
  }

  get givenUp(): boolean {
    return this.#givenUp;
  }

  read(): Buffer | undefined {
    let fd: number;
    try {
      fd = openSync(this.path, READ_FLAGS);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#giveUp(error);
      return undefined;
    }
    try {
      const stat = fstatSync(fd, { bigint: true });
      if (!stat.isFile() || stat.size > MAX_SIZE) return undefined;
      const bytes = readAt(fd, 0, Number(stat.size));
      this.#ino = stat.ino;
      this.#size = bytes.length;
      return bytes;
    } catch (error) {
      this.#giveUp(error);
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** All anew. */
  rewrite(frames: readonly Buffer[]): void {
    if (this.#givenUp) return;
    const temporary = `${this.path}.tmp`;
    try {
      this.#folder.remove(temporary);
      const fd = createFile(temporary, 0o600);
      try {
        let size = 0;
        for (const bytes of frames) {
          writeAll(fd, bytes);
          size += bytes.length;
        }
        renameSync(temporary, this.path);
        this.#ino = fstatSync(fd, { bigint: true }).ino;
        this.#size = size;
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      this.#folder.remove(temporary);
      this.#giveUp(error);
    }
  }

  /** In one write. With `durably`, the disk has it soon; nobody waits for that. */
  append(frames: readonly Buffer[], durably: boolean): void {
    if (this.#givenUp || !this.begun || frames.length === 0) return;
    try {
      const bytes = frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);
      const fd = openSync(this.path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
      let closing = true;
      try {
        const { ino, size } = fstatSync(fd, { bigint: true });
        if (ino !== this.#ino || Number(size) !== this.#size) {
          // Another process is at work on it, and knows better.
          this.#givenUp = true;
          return;
        }
        if (writeSync(fd, bytes) !== bytes.length)
          throw Object.assign(new Error('short'), { code: 'ENOSPC' });
        this.#size += bytes.length;
        if (durably) {
          closing = false;
          fdatasync(fd, () => closeSync(fd));
        }
      } finally {
        if (closing) closeSync(fd);
      }
    } catch (error) {
      this.#giveUp(error);
    }
  }

  discard(): void {
    this.#size = -1;
    this.#folder.remove(this.path);
  }

  #giveUp(error: unknown): void {
    this.#givenUp = true;
    this.#folder.complain(this.path, error);
    this.discard();
  }
}
