// Filters that hang, die in the middle of a frame, send what is too large, or listen on a socket file.

import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { MilterChannel } from '../channel.ts';
import { MAX_FRAME, formatFrame } from '../frames.ts';
import { socketOpener } from './socket-channel.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'postcote-milter-'));
  closing.push(() => rmSync(path, { recursive: true }));
  return path;
}

async function listen(serve: (socket: Socket) => void, path?: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    closing.push(() => socket.destroy());
    serve(socket);
  });
  closing.push(() => server.close());
  await new Promise<void>((done) => {
    if (path === undefined) server.listen(0, '127.0.0.1', done);
    else server.listen(path, done);
  });
  return path === undefined ? (server.address() as AddressInfo).port : 0;
}

async function connected(serve: (socket: Socket) => void): Promise<MilterChannel> {
  const port = await listen(serve);
  const channel = await socketOpener('/nowhere')({ host: '127.0.0.1', port }, 5000);
  closing.push(() => channel.destroy());
  return channel;
}

const CONTINUE = formatFrame('c');

it('sends what was kept and gives whole frames, in any pieces', async () => {
  const heard: Buffer[] = [];
  const channel = await connected((socket) => {
    socket.on('data', (octets) => {
      heard.push(octets);
      for (const octet of formatFrame('y', Buffer.from('550 no\0'))) socket.write(Buffer.from([octet]));
    });
  });
  channel.send(formatFrame('H', Buffer.from('there\0')));
  expect(channel.unsent).toBeGreaterThan(0);
  expect(await channel.receive(5000)).toEqual({
    kind: 'frame',
    frame: { letter: 'y', data: Buffer.from('550 no\0') },
  });
  expect(Buffer.concat(heard).toString()).toBe('\0\0\0\x07Hthere\0');
});

it.each<[string, (socket: Socket) => void, object]>([
  ['is silent', () => {}, { reason: 'Connection timed out', ofStream: true }],
  [
    'stops in the middle of a frame',
    (socket) => socket.write(CONTINUE.subarray(0, 4)),
    { reason: 'Connection timed out', ofStream: true },
  ],
  [
    'ends in the middle of a frame',
    (socket) => socket.end(CONTINUE.subarray(0, 4)),
    { reason: 'the milter closed the connection', ofStream: true },
  ],
  [
    'announces a giant frame',
    (socket) => socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x63])),
    { reason: `unreasonable packet length: ${0x7fffffff} > ${MAX_FRAME}`, ofStream: false },
  ],
  [
    'announces an empty frame',
    (socket) => socket.write(Buffer.alloc(5)),
    { reason: 'bad packet length: 0', ofStream: false },
  ],
])('a filter that %s', async (_, serve, failed) => {
  const channel = await connected(serve);
  expect(await channel.receive(300)).toEqual({ kind: 'failed', ...failed });
});

it('keeps little of what a filter says without being asked', async () => {
  let taken = 0;
  const channel = await connected((socket) => {
    const flood = (): void => {
      while (!socket.destroyed && socket.write(Buffer.concat(Array.from({ length: 1000 }, () => CONTINUE))))
        taken += 5000;
      if (!socket.destroyed) socket.once('drain', flood);
    };
    flood();
  });
  expect((await channel.receive(5000)).kind).toBe('frame');
  let last = -1;
  // Until the filter can write no more.
  while (taken !== last) {
    last = taken;
    await new Promise((done) => setTimeout(done, 200));
  }
  // A frame's limit here, and what the machine keeps for both ends.
  expect(taken).toBeLessThan(20 * MAX_FRAME);
  expect((await channel.receive(5000)).kind).toBe('frame');
});

it('does not wait for ever for a filter that reads nothing', async () => {
  const channel = await connected((socket) => socket.pause());
  channel.send(Buffer.alloc(64 * 1024 * 1024));
  expect(await channel.flush(200)).toBe('Connection timed out');
});

it('speaks to a socket file, absolute or below the folder', async () => {
  const directory = await folder();
  await listen((socket) => socket.write(CONTINUE), join(directory, 'filter.sock'));
  for (const path of ['filter.sock', join(directory, 'filter.sock')]) {
    const channel = await socketOpener(directory)({ path }, 5000);
    expect((await channel.receive(5000)).kind).toBe('frame');
    channel.end();
  }
});

it.each<[string, object, string]>([
  ['a socket file that is not there', { path: 'missing.sock' }, 'No such file or directory'],
  ['a port where nobody listens', { host: '127.0.0.1', port: 1 }, 'Connection refused'],
])('%s', async (_, endpoint, reason) => {
  const directory = await folder();
  await expect(socketOpener(directory)(endpoint as { path: string }, 5000)).rejects.toThrow(reason);
});
