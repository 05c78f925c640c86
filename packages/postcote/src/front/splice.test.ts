import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { spliceSockets } from './splice.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Both ends of a loopback connection. */
async function makePair(): Promise<[near: Socket, far: Socket]> {
  const server = createServer({ allowHalfOpen: false }).listen(0, '127.0.0.1');
  closers.push(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const far = await accepted;
  closers.push(() => near.destroy());
  return [near, far];
}

function collect(socket: Socket): () => string {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

describe('spliceSockets', () => {
  it('carries what came early, then both ways, and the last words of the worker', async () => {
    const [client, clientFar] = await makePair();
    const [workerFar, worker] = await makePair();
    const clientSees = collect(client);
    const workerSees = collect(workerFar);
    spliceSockets(clientFar, worker, Buffer.from('early '));
    client.write('later');
    workerFar.write('hello ');
    await expect.poll(workerSees).toBe('early later');
    workerFar.end('bye');
    await new Promise((resolve) => client.once('close', resolve));
    expect(clientSees()).toBe('hello bye');
  });

  it('closes the worker side when the client goes', async () => {
    const [client, clientFar] = await makePair();
    const [workerFar, worker] = await makePair();
    workerFar.resume();
    const gone = new Promise((resolve) => workerFar.once('close', resolve));
    spliceSockets(clientFar, worker, Buffer.alloc(0));
    client.resetAndDestroy();
    await gone;
  });
});
