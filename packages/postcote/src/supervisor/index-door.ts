// Accepts root's questions about a user's index, and hands each to that user's worker, the one process that may write
// there. Only root can open the socket; what is read is one bounded frame with a user's name all the same.

import type { Socket } from 'node:net';
import { FrameError, FrameReader, type Log, formatFrame } from '@postcote/wire';
import { type IndexAnswer, type IndexInquiry, readIndexInquiry } from '../control/index-inquiry.ts';
import type { FoundAccount } from './accounts.ts';
import { type WorkerTable, WorkersBusy } from './worker-table.ts';

export interface IndexDoorOptions {
  /** Throws on temporary failure. */
  readonly findAccount: (user: string) => Promise<FoundAccount>;
  readonly workers: () => WorkerTable;
  readonly log: Log;
}

const MAX_REQUEST = 1024;
const REQUEST_LIMIT = 5_000;

/** Runs one accepted connection to its hand-over or refusal. */
export function admitInquiry(socket: Socket, options: IndexDoorOptions): void {
  const frames = new FrameReader(MAX_REQUEST);
  const limit = setTimeout(() => socket.destroy(), REQUEST_LIMIT);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => clearTimeout(limit));
  const onData = (chunk: Buffer): void => {
    frames.push(chunk);
    let inquiry: IndexInquiry | undefined;
    try {
      const frame = frames.next();
      if (frame === undefined) return;
      inquiry = readIndexInquiry(frame.value);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
    }
    clearTimeout(limit);
    socket.off('data', onData);
    socket.pause();
    if (inquiry === undefined) refuse(socket, 'the question is not understood');
    else void hand(socket, inquiry, options);
  };
  socket.on('data', onData);
}

async function hand(
  socket: Socket,
  { user, action }: IndexInquiry,
  options: IndexDoorOptions,
): Promise<void> {
  try {
    const found = await options.findAccount(user);
    if (found.kind === 'none') refuse(socket, found.reason);
    else options.workers().handOver(found.account, { type: 'connection', kind: 'index', action }, socket);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof WorkersBusy))
      options.log('error', 'postcote', `supervisor: index of ${user}: ${reason}`);
    refuse(socket, reason);
  }
}

function refuse(socket: Socket, reason: string): void {
  socket.end(formatFrame({ kind: 'failed', reason } satisfies IndexAnswer));
  socket.resume();
}
