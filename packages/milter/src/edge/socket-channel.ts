// Connections to filters, over TCP and unix sockets. Contract: see `channel.ts`; a channel never throws, and waits for
// nothing longer than it is told.

import { type Socket, connect } from 'node:net';
import { isAbsolute, resolve } from 'node:path';
import type { MilterChannel, OpenChannel, Received } from '../channel.ts';
import { FrameReader, MAX_FRAME } from '../frames.ts';
import type { Endpoint } from '../service.ts';

const TIMED_OUT = 'Connection timed out';
const CLOSED = 'the milter closed the connection';

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'Connection refused'],
  ['ENOENT', 'No such file or directory'],
  ['EACCES', 'Permission denied'],
  ['ECONNRESET', 'Connection reset by peer'],
  ['EPIPE', 'Broken pipe'],
  ['ETIMEDOUT', TIMED_OUT],
  ['ENOTFOUND', 'host not found'],
  ['EHOSTUNREACH', 'No route to host'],
  ['ENETUNREACH', 'Network is unreachable'],
]);

function reasonOf(error: NodeJS.ErrnoException): string {
  return REASONS.get(error.code ?? '') ?? error.message;
}

/** `directory`: what a path that is not absolute is relative to. POSTFIX: the queue's. */
export function socketOpener(directory: string): OpenChannel {
  return (endpoint, timeoutMs) => open(endpoint, { directory, timeoutMs });
}

function open(
  endpoint: Endpoint,
  { directory, timeoutMs }: { readonly directory: string; readonly timeoutMs: number },
): Promise<MilterChannel> {
  const where =
    'path' in endpoint
      ? { path: isAbsolute(endpoint.path) ? endpoint.path : resolve(directory, endpoint.path) }
      : endpoint;
  return new Promise((done, fail) => {
    const socket = connect(where);
    const giveUp = (reason: string): void => {
      clearTimeout(timer);
      socket.destroy();
      fail(new Error(reason));
    };
    const timer = setTimeout(() => giveUp(TIMED_OUT), timeoutMs);
    const onError = (error: NodeJS.ErrnoException): void => giveUp(reasonOf(error));
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      socket.setNoDelay(true);
      done(new SocketChannel(socket));
    });
  });
}

class SocketChannel implements MilterChannel {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  #unsent: Uint8Array[] = [];
  #unsentOctets = 0;
  #gone: string | undefined;
  /** Wakes who waits for octets, room, or the end. */
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (octets) => this.#take(octets));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(reasonOf(error)));
    socket.on('end', () => this.#lose(CLOSED));
    socket.on('close', () => this.#lose(CLOSED));
    socket.on('drain', () => this.#wake?.());
  }

  get unsent(): number {
    return this.#unsentOctets;
  }

  send(octets: Uint8Array): void {
    this.#unsent.push(octets);
    this.#unsentOctets += octets.length;
  }

  async flush(timeoutMs: number): Promise<string | undefined> {
    this.#write();
    const until = Date.now() + timeoutMs;
    while (this.#gone === undefined && this.#socket.writableNeedDrain) {
      if (!(await this.#pause(until))) return TIMED_OUT;
    }
    return this.#gone;
  }

  async receive(timeoutMs: number): Promise<Received> {
    this.#write();
    const until = Date.now() + timeoutMs;
    for (;;) {
      const reading = this.#reader.next();
      if (reading.kind === 'frame') {
        if (this.#socket.isPaused() && this.#reader.pending <= MAX_FRAME) this.#socket.resume();
        return reading;
      }
      if (reading.kind === 'broken') return { kind: 'failed', reason: reading.reason, ofStream: false };
      if (this.#gone !== undefined) return { kind: 'failed', reason: this.#gone, ofStream: true };
      if (!(await this.#pause(until))) return { kind: 'failed', reason: TIMED_OUT, ofStream: true };
    }
  }

  end(): void {
    this.#write();
    this.#gone ??= CLOSED;
    this.#wake?.();
    if (this.#socket.destroyed) return;
    this.#socket.end();
    // A filter that does not close its side is not waited for.
    this.#socket.setTimeout(LINGER, () => this.#socket.destroy());
    this.#socket.resume();
  }

  destroy(): void {
    this.#lose(CLOSED);
  }

  #write(): void {
    if (this.#unsent.length === 0) return;
    const octets = this.#unsent.length === 1 ? (this.#unsent[0] as Uint8Array) : Buffer.concat(this.#unsent);
    this.#unsent = [];
    this.#unsentOctets = 0;
    if (this.#gone === undefined) this.#socket.write(octets);
  }

  #take(octets: Buffer): void {
    if (this.#gone !== undefined) return;
    this.#reader.push(octets);
    // What a filter says without being asked is kept up to a frame, not more.
    if (this.#reader.pending > MAX_FRAME + 4) this.#socket.pause();
    this.#wake?.();
  }

  #lose(reason: string): void {
    this.#gone ??= reason;
    this.#socket.destroy();
    this.#wake?.();
  }

  /** Until something happens; false when the time is up. */
  #pause(until: number): Promise<boolean> {
    return new Promise((done) => {
      const settle = (inTime: boolean) => (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        done(inTime);
      };
      const timer = setTimeout(settle(false), Math.max(0, until - Date.now()));
      this.#wake = settle(true);
    });
  }
}

/** Milliseconds for a filter to take the goodbye. */
const LINGER = 5_000;
