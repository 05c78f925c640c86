// Large messages as files beside the database. A file is durable before the row that names it is committed;
// a file no row names is removed at the next start.

import { createReadStream } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { QueueError } from '../ports.ts';
import type { MessageBody } from '../ports.ts';

/** Octets of one piece; few, large ones cost the event loop less. */
const PIECE = 256 * 1024;
/** Pieces accepted ahead of the disk before the writer is asked to wait. */
const HIGH_WATER = 4;
/** Pieces kept for the next message: fresh memory costs more than all that is done with it. */
const MAX_IDLE = 8;

const idle: Buffer[] = [];

function takePiece(): Buffer {
  return idle.pop() ?? Buffer.allocUnsafeSlow(PIECE);
}

function giveBack(piece: Buffer): void {
  if (idle.length < MAX_IDLE) idle.push(piece);
}

export class SpoolFile {
  readonly path: string;
  readonly #folder: string;
  #handle: FileHandle | undefined;
  #filling: Buffer | undefined;
  #filled = 0;
  /** Full ones, which wait for the disk. */
  #waiting: Buffer[] = [];
  #running: Promise<void> | undefined;
  #error: unknown;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.path = join(folder, name);
  }

  /** Copies the chunk. A promise asks to wait; errors are kept for `finish`. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#error !== undefined) return undefined;
    for (let at = 0; at < chunk.length;) {
      const piece = (this.#filling ??= takePiece());
      const part = chunk.subarray(at, at + PIECE - this.#filled);
      piece.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < PIECE) break;
      this.#waiting.push(piece);
      this.#filling = undefined;
      this.#filled = 0;
    }
    if (this.#waiting.length === 0) return undefined;
    this.#running ??= this.#drain();
    return this.#waiting.length < HIGH_WATER ? undefined : this.#running;
  }

  /** Settles when the file and its name are on the disk; throws `QueueError`. */
  async finish(): Promise<void> {
    try {
      await this.#running;
      await this.#drain();
      if (this.#filling !== undefined && this.#handle !== undefined && this.#error === undefined)
        await writeFully(this.#handle, this.#filling.subarray(0, this.#filled));
      if (this.#error !== undefined) throw this.#error;
      this.#release();
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
    this.#release();
    await this.#close();
    await unlink(this.path).catch(() => {});
  }

  async #drain(): Promise<void> {
    try {
      this.#handle ??= await open(this.path, 'wx', 0o600);
      for (let piece = this.#waiting.shift(); piece !== undefined; piece = this.#waiting.shift()) {
        if (this.#error === undefined) await writeFully(this.#handle, piece);
        giveBack(piece);
      }
    } catch (error) {
      this.#error = error;
      this.#waiting = [];
    }
    this.#running = undefined;
  }

  #release(): void {
    if (this.#filling !== undefined) giveBack(this.#filling);
    this.#filling = undefined;
    this.#filled = 0;
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => {});
  }
}

async function writeFully(handle: FileHandle, octets: Buffer): Promise<void> {
  for (let at = 0; at < octets.length;) {
    const { bytesWritten } = await handle.write(octets, at, octets.length - at, null);
    at += bytesWritten;
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
  return {
    kind: 'file',
    size,
    path,
    stream: () => createReadStream(path, { highWaterMark: PIECE }),
    lend: () => lendPieces(path),
  };
}

async function* lendPieces(path: string): AsyncGenerator<Buffer, void, undefined> {
  const handle = await open(path, 'r');
  const piece = takePiece();
  try {
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, PIECE, null);
      if (bytesRead === 0) break;
      yield piece.subarray(0, bytesRead);
    }
    // Not when the reader left before the end: it may be using it still.
    giveBack(piece);
  } finally {
    await handle.close();
  }
}

function spoolError(error: unknown): QueueError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return new QueueError(code === 'ENOSPC' || code === 'EDQUOT' ? 'noSpace' : 'unavailable', message, {
    cause: error,
  });
}
