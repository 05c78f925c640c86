// A message that several things may be done with: in memory while it is small, else in a file without a name.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const IN_MEMORY = 1024 * 1024;
const PIECE = 256 * 1024;

export class MessageBody {
  readonly #chunks: Buffer[] = [];
  #file: FileHandle | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.length;
    if (this.#size <= IN_MEMORY) {
      this.#chunks.push(Buffer.from(chunk));
      return;
    }
    this.#file ??= await openNameless();
    for (const kept of this.#chunks.splice(0)) await this.#file.appendFile(kept);
    await this.#file.appendFile(chunk);
  }

  async *read(): AsyncGenerator<Buffer, void, undefined> {
    yield* this.#chunks;
    if (this.#file === undefined) return;
    for (let at = 0; at < this.#size;) {
      const piece = Buffer.allocUnsafe(PIECE);
      const { bytesRead } = await this.#file.read(piece, 0, PIECE, at);
      if (bytesRead === 0) throw new Error('the message was cut short');
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `postcote-${randomBytes(12).toString('hex')}`);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;
  const file = await open(path, flags, 0o600);
  await unlink(path);
  return file;
}
