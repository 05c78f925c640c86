// Large messages as files beside the database. A file is durable before the row that names it is committed;
// a file no row names is removed at the next start.

import { createReadStream } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { QueueError } from '../ports.ts';
import type { MessageBody } from '../ports.ts';

/** Octets accepted ahead of the disk before the writer is asked to wait. */
const HIGH_WATER = 1024 * 1024;
/** Written at once; fewer, larger writes cost the event loop less. */
const WRITE_AT = 256 * 1024;

export class SpoolFile {
  readonly path: string;
  readonly #folder: string;
  #handle: FileHandle | undefined;
  #waiting: Uint8Array[] = [];
  #waitingOctets = 0;
  #running: Promise<void> | undefined;
  #error: unknown;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.path = join(folder, name);
  }

  /** Keeps a copy of the chunk. A promise asks to wait; errors are kept for `finish`. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#error !== undefined) return undefined;
    this.#waiting.push(Buffer.from(chunk));
    this.#waitingOctets += chunk.length;
    if (this.#waitingOctets < WRITE_AT) return undefined;
    this.#running ??= this.#drain();
    return this.#waitingOctets < HIGH_WATER ? undefined : this.#running;
  }

  /** Settles when the file and its name are on the disk; throws `QueueError`. */
  async finish(): Promise<void> {
    try {
      await this.#running;
      await this.#drain();
      if (this.#error !== undefined) throw this.#error;
      await this.#handle?.datasync();
      await this.#close();
      await syncFolder(this.#folder);
    } catch (error) {
      await this.remove();
      throw spoolError(error);
    }
  }

  async remove(): Promise<void> {
    this.#error ??= new Error('given up');
    await this.#running;
    await this.#close();
    await unlink(this.path).catch(() => {});
  }

  async #drain(): Promise<void> {
    try {
      this.#handle ??= await open(this.path, 'wx', 0o600);
      while (this.#waiting.length > 0 && this.#error === undefined) {
        const chunks = this.#waiting;
        this.#waiting = [];
        this.#waitingOctets = 0;
        await writeFully(this.#handle, chunks);
      }
    } catch (error) {
      this.#error = error;
      this.#waiting = [];
      this.#waitingOctets = 0;
    }
    this.#running = undefined;
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => {});
  }
}

async function writeFully(handle: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const { bytesWritten } = await handle.writev(chunks);
  if (bytesWritten === total) return;
  let rest = Buffer.concat(chunks).subarray(bytesWritten);
  while (rest.length > 0) {
    const { bytesWritten } = await handle.write(rest);
    rest = rest.subarray(bytesWritten);
  }
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function spooledBody(path: string, size: number): MessageBody {
  return { kind: 'file', size, path, stream: () => createReadStream(path, { highWaterMark: WRITE_AT }) };
}

function spoolError(error: unknown): QueueError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return new QueueError(code === 'ENOSPC' || code === 'EDQUOT' ? 'noSpace' : 'unavailable', message, {
    cause: error,
  });
}
