// A connection that may begin to compress (RFC 4978 COMPRESS=DEFLATE): before that it passes everything through.
//
// Memory is bounded: what a client's octets expand to comes in pieces of 16 KiB, and no more of them while the session has
// enough to do; octets to the client wait in zlib for no more than the connection takes. Somebody who logged in can
// still send a little that becomes much; beyond a bound that costs the connection.

import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';
import type { SessionHost } from '@postcote/wire';

/** Of both directions together some 130 KiB a connection; the client may use the largest window. */
const DEFLATE = { level: 6, windowBits: 14, memLevel: 7, chunkSize: 16 * 1024 } as const;
const PIECE = 16 * 1024;
/** Octets on their way through zlib before the session waits. */
const MAX_PENDING = 256 * 1024;
/** Octets that expand to more than so many times as much are a weapon, not mail; small amounts are let be. */
const MAX_RATIO = 200;
const RATIO_COUNTS_FROM = 16 * 1024 * 1024;

export interface CompressionEnds {
  /** Octets of the client, expanded. */
  readonly deliver: (chunk: Buffer) => void;
  /** The client's octets make no sense or too much: the connection is of no use any more. */
  readonly failed: (reason: string) => void;
}

export class CompressibleHost implements SessionHost {
  readonly #host: SessionHost;
  #deflate: DeflateRaw | undefined;
  #inflate: InflateRaw | undefined;
  #pending = 0;
  #paused = false;
  #closed = false;
  #taken = 0;
  #given = 0;
  #waiters: (() => void)[] = [];

  constructor(host: SessionHost) {
    this.#host = host;
  }

  get compressing(): boolean {
    return this.#inflate !== undefined;
  }

  /** Everything from here on, in both directions; `rest` came already. */
  compress(rest: Buffer, { deliver, failed }: CompressionEnds): void {
    const inflate = createInflateRaw({ chunkSize: PIECE });
    const deflate = createDeflateRaw(DEFLATE);
    this.#inflate = inflate;
    this.#deflate = deflate;
    inflate.on('data', (chunk: Buffer) => {
      this.#given += chunk.length;
      if (this.#closed) return;
      if (this.#given > RATIO_COUNTS_FROM && this.#given > this.#taken * MAX_RATIO) {
        inflate.destroy();
        failed('compressed input expands too much');
        return;
      }
      deliver(chunk);
    });
    inflate.on('error', (error: Error) => {
      if (!this.#closed) failed(`compressed input: ${error.message}`);
    });
    inflate.on('end', () => {
      if (!this.#closed) failed('compressed input ended');
    });
    deflate.on('data', (chunk: Buffer) => {
      if (this.#host.write(chunk)) return;
      deflate.pause();
      void this.#host.drained().then(() => deflate.resume());
    });
    deflate.on('end', () => this.#host.close());
    deflate.on('error', () => this.#host.close());
    if (rest.length > 0) this.receive(rest);
  }

  /** Octets as they came. */
  receive(chunk: Buffer): void {
    const inflate = this.#inflate;
    if (inflate === undefined || this.#closed || inflate.destroyed) return;
    this.#taken += chunk.length;
    // The connection's buffer may be used again.
    if (inflate.write(Buffer.from(chunk))) return;
    this.#host.pause();
    inflate.once('drain', () => {
      if (!this.#paused && !this.#closed) this.#host.resume();
    });
  }

  write(bytes: string | Uint8Array, taken?: () => void): boolean {
    const deflate = this.#deflate;
    if (deflate === undefined) return this.#host.write(bytes, taken);
    if (this.#closed) return true;
    const octets = Buffer.from(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    taken?.();
    this.#pending += octets.length;
    deflate.write(octets);
    // The session writes what belongs together at once, and the client waits for it.
    deflate.flush(constants.Z_SYNC_FLUSH, () => {
      this.#pending -= octets.length;
      if (this.#pending <= MAX_PENDING) for (const resolve of this.#waiters.splice(0)) resolve();
    });
    return this.#pending <= MAX_PENDING;
  }

  async drained(): Promise<void> {
    if (this.#deflate !== undefined && this.#pending > MAX_PENDING && !this.#closed)
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    await this.#host.drained();
  }

  pause(): void {
    this.#paused = true;
    this.#inflate?.pause();
    this.#host.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#inflate?.resume();
    this.#host.resume();
  }

  startTls(): void {
    this.#host.startTls();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.#inflate?.destroy();
    if (this.#deflate === undefined) this.#host.close();
    else this.#deflate.end();
  }

  /** The connection is gone: gives the memory back. */
  ended(): void {
    this.#closed = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.#inflate?.destroy();
    this.#deflate?.destroy();
  }

  setIdleTimeout(ms: number): void {
    this.#host.setIdleTimeout(ms);
  }
}
