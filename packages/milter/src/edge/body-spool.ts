// Bodies that filters are asked about: small ones in memory, larger ones in a file without a name, which is gone when it
// is closed, however the process ends.

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { BodyStore } from '../edits.ts';

export interface BodySpoolOptions {
  readonly folder: string;
  /** Octets kept in memory; beyond them there is a file. */
  readonly memoryLimit?: number;
}

const MEMORY_LIMIT = 256 * 1024;
/** Octets ahead of the disk at which a writer is asked to wait. */
const HIGH_WATER = 1024 * 1024;
const READ_SIZE = 64 * 1024;

export class BodySpool implements BodyStore {
  readonly #options: BodySpoolOptions;
  #waiting: Buffer[] = [];
  #waitingOctets = 0;
  #written = 0;
  #size = 0;
  #file: FileHandle | undefined;
  #draining: Promise<void> | undefined;
  #error: unknown;
  #dropped = false;

  constructor(options: BodySpoolOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  write(octets: Buffer): Promise<void> | undefined {
    if (this.#dropped || octets.length === 0) return undefined;
    // Whoever writes may use its buffer again.
    this.#waiting.push(Buffer.from(octets));
    this.#waitingOctets += octets.length;
    this.#size += octets.length;
    const { memoryLimit = MEMORY_LIMIT } = this.#options;
    if (this.#file === undefined && this.#size <= memoryLimit) return undefined;
    this.#draining ??= this.#drain();
    return this.#waitingOctets < HIGH_WATER ? undefined : this.#draining;
  }

  async *read(): AsyncGenerator<Buffer> {
    await this.#draining;
    if (this.#error !== undefined) throw this.#error;
    if (this.#file !== undefined) yield* this.#readFile(this.#file);
    yield* this.#waiting;
  }

  async *#readFile(file: FileHandle): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.#written;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_SIZE), 0, READ_SIZE, at);
      if (bytesRead === 0) throw new Error('the file ended early');
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  drop(): void {
    this.#dropped = true;
    this.#waiting = [];
    const close = async (): Promise<void> => {
      await this.#draining;
      await this.#file?.close();
      this.#file = undefined;
    };
    close().catch(() => {});
  }

  async #drain(): Promise<void> {
    try {
      this.#file ??= await openNameless(this.#options.folder);
      while (this.#waiting.length > 0 && !this.#dropped) {
        const octets = Buffer.concat(this.#waiting, this.#waitingOctets);
        this.#waiting = [];
        this.#waitingOctets = 0;
        await writeWhole(this.#file, octets);
        this.#written += octets.length;
      }
    } catch (error) {
      this.#error = error;
      this.#waiting = [];
      this.#waitingOctets = 0;
    }
    this.#draining = undefined;
  }
}

async function openNameless(folder: string): Promise<FileHandle> {
  const path = join(folder, `body-${randomBytes(12).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}

async function writeWhole(file: FileHandle, octets: Buffer): Promise<void> {
  for (let at = 0; at < octets.length;) {
    const { bytesWritten } = await file.write(octets, at, octets.length - at, null);
    at += bytesWritten;
  }
}
