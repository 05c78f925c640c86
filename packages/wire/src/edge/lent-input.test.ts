// Sockets that read into shared memory, against the runtime's own.

import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { lendInput } from './lent-input.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function pair(): Promise<{ readonly client: Socket; readonly accepted: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connected = once(server, 'connection') as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = await connected;
  cleanups.push(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  return { client, accepted };
}

test('gives every octet in order, from the same memory, and the end', async () => {
  const { client, accepted } = await pair();
  const received: Buffer[] = [];
  const memories = new Set<ArrayBufferLike>();
  const taken = lendInput(accepted, (chunk) => {
    memories.add(chunk.buffer);
    received.push(Buffer.from(chunk));
  });
  expect(taken).toBe(true);
  accepted.resume();
  const sent = Buffer.alloc(3_000_000, 'abcdefghijk');
  client.end(sent);
  await once(accepted, 'end');
  expect(Buffer.concat(received).equals(sent)).toBe(true);
  expect(memories.size).toBe(1);
});

test('a paused socket gives nothing until it is resumed', async () => {
  const { client, accepted } = await pair();
  let received = 0;
  let pausedAt = 0;
  lendInput(accepted, (chunk) => {
    received += chunk.length;
    if (pausedAt > 0) return;
    pausedAt = received;
    accepted.pause();
  });
  accepted.resume();
  client.end(Buffer.alloc(500_000, 1));
  await vi.waitFor(() => expect(pausedAt).toBeGreaterThan(0));
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(received).toBe(pausedAt);
  accepted.resume();
  await once(accepted, 'end');
  expect(received).toBe(500_000);
});

test('a socket that holds input already is left as it is', async () => {
  const { client, accepted } = await pair();
  accepted.pause();
  client.write('early');
  while (accepted.readableLength === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(lendInput(accepted, () => {})).toBe(false);
  const [chunk] = (await Promise.all([once(accepted, 'data'), accepted.resume()]))[0] as [Buffer];
  expect(chunk.toString()).toBe('early');
});
