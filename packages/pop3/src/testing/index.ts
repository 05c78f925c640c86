// What tests of POP3 sessions drive them with.

import type { Peer, ProtocolSession, SessionHost } from '@postcote/wire';

export const TEST_PEER: Peer = {
  remoteAddress: '192.0.2.1',
  remotePort: 40_000,
  localAddress: '192.0.2.9',
  localPort: 110,
};

/** A connection that keeps what was written. `stall` makes `write` ask for patience until `drain` is called. */
export class TestHost implements SessionHost {
  written = Buffer.alloc(0);
  closed = false;
  paused = false;
  tlsStarted = false;
  idleTimeout = 0;
  stall = false;
  /** Most octets that were waiting while stalled. */
  waiting = 0;
  #drainers: (() => void)[] = [];

  write(bytes: string | Uint8Array): boolean {
    if (this.closed) return true;
    const octets = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
    this.written = Buffer.concat([this.written, octets]);
    if (this.stall) this.waiting += octets.length;
    return !this.stall;
  }

  drained(): Promise<void> {
    if (!this.stall || this.closed) return Promise.resolve();
    return new Promise((resolve) => this.#drainers.push(resolve));
  }

  drain(): void {
    this.waiting = 0;
    for (const resolve of this.#drainers.splice(0)) resolve();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  startTls(): void {
    this.tlsStarted = true;
  }

  close(): void {
    this.closed = true;
    this.drain();
  }

  setIdleTimeout(ms: number): void {
    this.idleTimeout = ms;
  }

  /** What was written since the last call. */
  take(): string {
    const text = this.written.toString('latin1');
    this.written = Buffer.alloc(0);
    return text;
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Sends the text to the session, whole or octet by octet, and answers what came back. */
export async function talk(
  session: ProtocolSession,
  host: TestHost,
  text: string,
  size = Infinity,
): Promise<string> {
  const octets = Buffer.from(text, 'latin1');
  for (let at = 0; at < octets.length; at += size) session.receive(octets.subarray(at, at + size));
  await settle();
  return host.take();
}
