// A connection without a socket: tests feed octets and read what a session wrote.

import type { ProtocolSession, SessionHost } from '@postcote/wire';

export class FakeHost implements SessionHost {
  readonly #chunks: Buffer[] = [];
  closed = false;
  paused = false;
  tlsStarted = 0;
  idleTimeout = 0;
  /** False: the client does not read; `write` answers false until `drain`. */
  taking = true;
  #waiters: (() => void)[] = [];
  session: ProtocolSession | undefined;

  write(bytes: string | Uint8Array): boolean {
    if (!this.closed) this.#chunks.push(Buffer.from(bytes));
    return this.taking;
  }

  drained(): Promise<void> {
    if (this.taking) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  drain(): void {
    this.taking = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  startTls(): void {
    this.tlsStarted += 1;
  }

  close(): void {
    this.closed = true;
    this.drain();
  }

  setIdleTimeout(ms: number): void {
    this.idleTimeout = ms;
  }

  /** What was written since the last call, one character per octet. */
  take(): string {
    const text = Buffer.concat(this.#chunks).toString('latin1');
    this.#chunks.length = 0;
    return text;
  }

  get pendingWrites(): number {
    return this.#chunks.length;
  }

  get octets(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
}
