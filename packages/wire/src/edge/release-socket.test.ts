import { fork } from 'node:child_process';
import { createServer, connect, type Socket } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { releaseSocket } from './release-socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'postcote-release-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Takes one connection, and tells how many octets came before its end. */
const TAKER = `
process.on('message', (said, socket) => {
  let octets = said;
  socket.on('data', (chunk) => { octets += chunk.length; });
  socket.on('end', () => { process.send(octets); process.disconnect(); });
});
process.send('ready');
`;

describe('releaseSocket', () => {
  it('loses no octet of a connection that talks while it is sent to another process', async () => {
    const file = join(folder, 'taker.cjs');
    writeFileSync(file, TAKER);
    const taker = fork(file, { execArgv: [] });
    await new Promise((resolve) => taker.once('message', resolve));
    const server = createServer();
    const path = join(folder, 'socket');
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = connect(path);
    let sent = 0;
    let over = false;
    const talk = (): void => {
      const piece = Buffer.alloc(1000, 'x');
      sent += piece.length;
      client.write(piece);
      if (sent < 2_000_000) setImmediate(talk);
      else {
        over = true;
        client.end();
      }
    };
    talk();
    const socket = await accepted;
    let seen = 0;
    // In the middle of the talk, some turns after a pause, when the stream has filled itself again.
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        seen += chunk.length;
        if (seen > 100_000) resolve();
      });
    });
    socket.pause();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(over).toBe(false);
    const total = new Promise<number>((resolve) => taker.once('message', (count) => resolve(Number(count))));
    const rest = releaseSocket(socket);
    expect(rest.length).toBeGreaterThan(0);
    taker.send(seen + rest.length, socket, { keepOpen: false });
    expect(await total).toBe(sent);
    expect(sent).toBe(2_000_000);
    server.close();
  });
});
