// Accepts the front's delivery connections and hands each to the worker of the user it names. The privileged side
// reads one frame of at most a kilobyte, a user name, and checks it against the user table; the front can append
// mail to an existing mailbox this way and do nothing else.

import type { Socket } from 'node:net';
import { FrameError, FrameReader, type Log, formatFrame } from '@postcote/wire';
import { type DeliveryRefused, MAX_OPEN_FRAME, readOpenDelivery } from '../delivery/protocol.ts';
import type { FoundAccount } from './accounts.ts';
import { type WorkerTable, WorkersBusy } from './worker-table.ts';

export interface DeliveryDoorOptions {
  /** Throws on temporary failure. */
  readonly findAccount: (user: string) => Promise<FoundAccount>;
  readonly workers: () => WorkerTable;
  readonly log: Log;
}

const REQUEST_LIMIT = 5_000;

/** Runs one accepted connection to its hand-over or refusal. */
export function admitDelivery(socket: Socket, options: DeliveryDoorOptions): void {
  const frames = new FrameReader(MAX_OPEN_FRAME);
  const limit = setTimeout(() => socket.destroy(), REQUEST_LIMIT);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => clearTimeout(limit));
  const onData = (chunk: Buffer): void => {
    frames.push(chunk);
    let user: string | undefined;
    try {
      const frame = frames.next();
      if (frame === undefined) return;
      user = readOpenDelivery(frame.value)?.user;
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
    }
    clearTimeout(limit);
    socket.off('data', onData);
    socket.pause();
    // Anything behind the request was sent before the answer to it: not our front.
    if (user === undefined || frames.takeRest().length > 0) {
      options.log('error', 'postcote', 'supervisor: malformed delivery request from the front');
      socket.destroy();
      return;
    }
    void hand(socket, user, options);
  };
  socket.on('data', onData);
}

async function hand(socket: Socket, user: string, options: DeliveryDoorOptions): Promise<void> {
  try {
    const found = await options.findAccount(user);
    if (found.kind === 'none') {
      refuse(socket, { ready: false, code: 'unknownUser', reason: found.reason });
      return;
    }
    options.workers().handOver(found.account, { type: 'connection', kind: 'deliver' }, socket);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof WorkersBusy))
      options.log('error', 'postcote', `supervisor: delivery for ${user}: ${reason}`);
    refuse(socket, { ready: false, code: 'unavailable', reason });
  }
}

function refuse(socket: Socket, answer: DeliveryRefused): void {
  socket.end(formatFrame(answer));
  socket.resume();
}
