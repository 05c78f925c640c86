// What the front half does when its thread or its database lets it down. The thread is a few lines of its own here.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettleWrite, ToThread } from './protocol.ts';
import { systemClock } from './clock.ts';
import { QueueStore } from './store.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'queue-store-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const accept = (id: number) =>
  ({
    kind: 'accept',
    id,
    queueId: String(id),
    arrivedAt: 0,
    sender: '',
    envelope: '{}',
    size: 1,
    offset: 0,
    length: 1,
    spool: null,
    nextAttempt: null,
    recipients: [],
  }) as const;
const octets = new Uint8Array(1);
const settle = (id: number): SettleWrite => ({
  kind: 'settle',
  id,
  done: [0],
  added: [],
  deferred: [],
  remove: true,
});

/** A thread that answers `ready` and then does as `onMessage` says. */
function makeThread(onMessage: (message: ToThread, answer: (value: unknown) => void) => void): URL {
  const source = `import { parentPort } from 'node:worker_threads';
const answer = (value) => parentPort.postMessage(value);
const onMessage = ${onMessage.toString()};
parentPort.on('message', (message) => onMessage(message, answer));
answer({ kind: 'ready', reservedFrom: 65536, reservedTo: 131072 });`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

async function openStore(threadUrl: URL): Promise<{ store: QueueStore; failures: string[] }> {
  const failures: string[] = [];
  const onFailure = (error: Error): void => void failures.push(error.message);
  return { store: await QueueStore.open({ directory, threadUrl, clock: systemClock, onFailure }), failures };
}

test('a thread that dies refuses what waits and what comes, and is reported once', async () => {
  const { store, failures } = await openStore(makeThread(() => process.exit(3)));
  const first = store.accept(accept(1), octets);
  const second = store.accept(accept(2), octets);
  await expect(first).rejects.toMatchObject({ code: 'unavailable' });
  await expect(second).rejects.toMatchObject({ code: 'unavailable' });
  await expect(store.accept(accept(3), octets)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(store.read({ kind: 'counts' })).rejects.toMatchObject({ code: 'unavailable' });
  expect(() => store.nextId()).toThrow('ended with 3');
  expect(failures).toEqual(["the queue's thread ended with 3"]);
  await store.close();
});

test('a thread that throws is a failure too', async () => {
  const thread = makeThread(() => {
    throw new Error('broken');
  });
  const { store, failures } = await openStore(thread);
  await expect(store.accept(accept(1), octets)).rejects.toMatchObject({
    code: 'unavailable',
    message: 'broken',
  });
  expect(failures).toEqual(['broken']);
  await store.close();
});

test('one bad row refuses one message; a settlement that fails comes again', async () => {
  // Refuses the second message, and every settlement until the third batch.
  const thread = makeThread((message, answer) => {
    if (message.kind === 'close') {
      answer({ kind: 'closed' });
      process.exit();
    }
    if (message.kind !== 'batch') return;
    const failures = message.writes.flatMap((write, index) =>
      (write.kind === 'accept' && write.id === 2) || (write.kind === 'settle' && message.number < 3)
        ? [{ index, code: write.kind === 'accept' ? 'SQLITE_CONSTRAINT' : 'ENOSPC', message: 'no' }]
        : [],
    );
    answer({ kind: 'batched', number: message.number, failures, reservedTo: 131072 });
  });
  const { store, failures } = await openStore(thread);
  store.settle(settle(9), false);
  const results = await Promise.allSettled([1, 2, 3].map((id) => store.accept(accept(id), octets)));
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(store.isUnsettled(9)).toBe(true);
  await store.accept(accept(4), octets);
  expect(store.isUnsettled(9)).toBe(true);
  await store.accept(accept(5), octets);
  expect(store.isUnsettled(9)).toBe(false);
  await store.close();
  expect(failures).toEqual([]);
});

const realThread = new URL('./queue-thread.ts', import.meta.url);

test('a place that does not exist, and a file that is no database, fail at opening', async () => {
  writeFileSync(join(directory, 'file'), '');
  const options = { threadUrl: realThread, clock: systemClock, onFailure: () => {} };
  await expect(QueueStore.open({ ...options, directory: join(directory, 'file', 'x') })).rejects.toThrow(
    /ENOTDIR/,
  );
  mkdirSync(join(directory, 'damaged'));
  writeFileSync(join(directory, 'damaged', 'queue.db'), 'this is no database, '.repeat(100));
  await expect(QueueStore.open({ ...options, directory: join(directory, 'damaged') })).rejects.toThrow(
    /not a database/,
  );
});

test('ids go on beyond a block and never come twice', async () => {
  const ids = new Set<number>();
  for (let run = 0; run < 2; run++) {
    const { store } = await openStore(realThread);
    for (let i = 0; i < 80_000; i++) {
      ids.add(store.nextId());
      if (i % 10_000 === 0) await store.flush();
    }
    await store.close();
  }
  expect(ids.size).toBe(160_000);
});
