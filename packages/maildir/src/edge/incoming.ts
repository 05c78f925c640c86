// A message on its way in: octets with CRLF lines are kept in memory while they are few, else written to a file in
// tmp/; `settle` makes them a durable file there, `place` links it to where it belongs.

import { closeSync, futimesSync, linkSync, renameSync, unlinkSync } from 'node:fs';
import { LfEncoder } from '../line-endings.ts';
import type { StoreContext } from './context.ts';
import { createFile, createFileUnhurried, fsyncFile, pathOf, writeAll } from './disk.ts';
import { errorCode } from './errors.ts';

/** Up to this many octets wait in memory. */
const MEMORY_OCTETS = 256 * 1024;
/** A piece this large of a message that has its file already goes there at once, through memory shared by all. */
const LARGE_PIECE = 16 * 1024;
const MAX_PIECE = 64 * 1024;
let scratch: Buffer | undefined;

export class IncomingMessage {
  readonly #directory: string;
  readonly #base: string;
  readonly #mode: number;
  readonly #encoder = new LfEncoder();
  #chunks: Buffer[] = [];
  #waiting = 0;
  #fd: number | undefined;

  constructor(context: StoreContext, directory: string) {
    this.#directory = directory;
    this.#base = context.names.next();
    this.#mode = context.modes().message;
  }

  get size(): number {
    return this.#encoder.size;
  }

  get crlfSize(): number {
    return this.#encoder.crlfSize;
  }

  /** DOVECOT: the name with the sizes that spare readers a look into the file. */
  get finalBase(): string {
    return `${this.#base},S=${this.size},W=${this.crlfSize}`;
  }

  write(chunk: Uint8Array): void {
    if (this.#fd !== undefined && chunk.length >= LARGE_PIECE) {
      this.#spill();
      for (let at = 0; at < chunk.length; at += MAX_PIECE)
        this.#pass(this.#fd, chunk.subarray(at, at + MAX_PIECE));
      return;
    }
    this.#take(this.#encoder.push(chunk));
    if (this.#waiting > MEMORY_OCTETS) this.#spill();
  }

  /** Nothing follows: `size` is what the file will have. */
  finish(): void {
    this.#take(this.#encoder.end());
  }

  /** The octets are on disk, durably, under their temporary name. */
  async settle(mtime: Date | undefined): Promise<void> {
    const fd = (this.#fd ??= await createFileUnhurried(this.#temporary(), this.#mode));
    this.#spill();
    if (mtime) futimesSync(fd, mtime, mtime);
    await fsyncFile(fd);
    closeSync(fd);
    this.#fd = undefined;
  }

  /** Gives the file its name in new/ or cur/; never over another file. The caller syncs the directory. */
  place(directory: string, name: string): void {
    const temporary = this.#temporary();
    try {
      linkSync(temporary, pathOf(directory, name));
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'EMLINK') throw error;
      // A file system without hard links.
      renameSync(temporary, pathOf(directory, name));
      return;
    }
    unlinkQuietly(temporary);
  }

  discard(): void {
    this.#chunks = [];
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    unlinkQuietly(this.#temporary());
  }

  #temporary(): string | Buffer {
    return pathOf(`${this.#directory}/tmp`, this.#base);
  }

  #take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#waiting += bytes.length;
  }

  #pass(fd: number, piece: Uint8Array): void {
    scratch ??= Buffer.allocUnsafeSlow(MAX_PIECE + 1);
    writeAll(fd, scratch.subarray(0, this.#encoder.pushInto(piece, scratch)));
  }

  #spill(): void {
    this.#fd ??= createFile(this.#temporary(), this.#mode);
    if (this.#chunks.length === 1) writeAll(this.#fd, this.#chunks[0] as Buffer);
    else if (this.#chunks.length > 1) writeAll(this.#fd, Buffer.concat(this.#chunks));
    this.#chunks = [];
    this.#waiting = 0;
  }
}

function unlinkQuietly(path: string | Buffer): void {
  try {
    unlinkSync(path);
  } catch {
    // Not there, or not to be helped: what is left in tmp/ is swept later.
  }
}
