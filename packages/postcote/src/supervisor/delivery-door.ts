// Accepts the front's delivery connections and hands each to a worker with the rights that it needs. The privileged side
// reads one bounded frame, a name, and looks it up: a user in the user table, a command in the alias file, a service in
// master.cf. The front can have mail delivered as the configuration says this way and do nothing else.

import type { Socket } from 'node:net';
import { FrameError, FrameReader, type Log, formatFrame } from '@postcote/wire';
import {
  type DeliveryRefused,
  MAX_OPEN_FRAME,
  type OpenDelivery,
  readOpenDelivery,
} from '../delivery/protocol.ts';
import type { FoundTask } from './delivery-tasks.ts';
import { type WorkerTable, WorkersBusy } from './worker-table.ts';

export interface DeliveryDoorOptions {
  /** Throws on temporary failure. */
  readonly findTask: (open: OpenDelivery) => Promise<FoundTask>;
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
    let open: OpenDelivery | undefined;
    try {
      const frame = frames.next();
      if (frame === undefined) return;
      open = readOpenDelivery(frame.value);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
    }
    clearTimeout(limit);
    socket.off('data', onData);
    socket.pause();
    // Anything behind the request was sent before the answer to it: not our front.
    if (open === undefined || frames.takeRest().length > 0) {
      options.log('error', 'postcote', 'supervisor: malformed delivery request from the front');
      socket.destroy();
      return;
    }
    void hand(socket, open, options);
  };
  socket.on('data', onData);
}

async function hand(socket: Socket, open: OpenDelivery, options: DeliveryDoorOptions): Promise<void> {
  try {
    const found = await options.findTask(open);
    if (found.kind === 'unknownUser') {
      refuse(socket, { ready: false, code: 'unknownUser', reason: found.reason });
      return;
    }
    if (found.kind === 'failed') {
      refuse(socket, { ready: false, code: 'failed', reason: found.reason, dsn: found.dsn });
      return;
    }
    const { account, task } = found;
    options.workers().handOver(account, { type: 'connection', kind: 'deliver', task }, socket);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof WorkersBusy))
      options.log('error', 'postcote', `supervisor: delivery for ${JSON.stringify(open)}: ${reason}`);
    refuse(socket, { ready: false, code: 'unavailable', reason });
  }
}

function refuse(socket: Socket, answer: DeliveryRefused): void {
  socket.end(formatFrame(answer));
  socket.resume();
}
