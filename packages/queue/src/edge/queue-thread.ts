// The entry of the queue's thread: owns the database, answers one message at a time in the order they came.
//
// A transaction that fails for want of space fails as a whole; one that fails otherwise is tried again write
// by write, so that one bad row refuses one message and not its neighbours.

import { parentPort, workerData } from 'node:worker_threads';
import { QueueDatabase, loadDatabaseCode } from './database.ts';
import type { FromThread, ThreadData, ToThread, Write, WriteFailure } from './protocol.ts';

/** Runs until told to close. Called when this file is a thread's entry. */
export function queueThreadMain(): void {
  const port = parentPort;
  if (port === null) return;
  const answer = (message: FromThread, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  let database: QueueDatabase;
  const open = (directory: string): void => {
    try {
      database = new QueueDatabase(directory);
      answer({ kind: 'ready', reservedFrom: database.reservedFrom, reservedTo: database.reservedTo });
    } catch (error) {
      answer({ kind: 'failed', message: describe(error).message });
      port.close();
    }
  };
  const { directory } = (workerData ?? {}) as ThreadData;
  if (directory !== undefined) open(directory);
  else {
    loadDatabaseCode();
    answer({ kind: 'loaded' });
  }

  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'open':
        return open(message.directory);
      case 'batch': {
        const failures = runBatch(database, message.writes, message.bodies, message.durable);
        answer({ kind: 'batched', number: message.number, failures, reservedTo: database.reservedTo });
        return;
      }
      case 'read':
        try {
          answer({ kind: 'answer', number: message.number, value: database.read(message.read) });
        } catch (error) {
          answer({ kind: 'refused', number: message.number, message: describe(error).message });
        }
        return;
      case 'close':
        database.close();
        answer({ kind: 'closed' });
        port.close();
    }
  });
}

function runBatch(
  database: QueueDatabase,
  writes: readonly Write[],
  bodies: Uint8Array | undefined,
  durable: boolean,
): WriteFailure[] {
  try {
    database.unlinkSpooled(database.writeAll(writes, bodies, durable));
    return [];
  } catch (error) {
    const failure = describe(error);
    if (failure.code === 'ENOSPC') database.shrinkLog();
    if (failure.code === 'ENOSPC' || writes.length === 1) {
      return writes.map((_, index) => ({ index, ...failure }));
    }
  }
  const failures: WriteFailure[] = [];
  for (const [index, write] of writes.entries()) {
    try {
      database.unlinkSpooled(database.writeAll([write], bodies, durable));
    } catch (error) {
      failures.push({ index, ...describe(error) });
    }
  }
  return failures;
}

/** SQLite tells a full disk in two ways: a short write is FULL, an error of the log's file is IOERR. */
function describe(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: '', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { code: code === 'SQLITE_FULL' ? 'ENOSPC' : code, message: error.message };
}

queueThreadMain();
