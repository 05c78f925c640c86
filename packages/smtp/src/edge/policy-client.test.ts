// The client of policy servers over real sockets: connections used again, and every way in which a server fails.

import { type Server, type Socket, createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { PolicyServer, type PolicyServerOptions, parsePolicyServer } from './policy-client.ts';

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done))));
});

interface Stub {
  readonly port: number;
  readonly connections: number[];
}

/** Answers each question with what `answer` makes of it; undefined: silence. */
async function serve(answer: (question: string, socket: Socket) => string | undefined): Promise<Stub> {
  const connections: number[] = [];
  const server = createServer((socket) => {
    const index = connections.push(0) - 1;
    sockets.add(socket);
    socket.on('error', () => {});
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString();
      if (!received.endsWith('\n\n')) return;
      connections[index] = (connections[index] ?? 0) + 1;
      const text = answer(received, socket);
      received = '';
      if (text !== undefined) socket.write(text);
    });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  servers.push(server);
  const address = server.address();
  return { connections, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
}

function clientOf(port: number, options: Partial<PolicyServerOptions> = {}): PolicyServer {
  return new PolicyServer({
    server: `inet:127.0.0.1:${port}`,
    queueDirectory: '/nowhere',
    context: '',
    defaultAction: '451 4.3.5 Server configuration problem',
    timeout: 300,
    maxIdle: 60_000,
    maxTtl: 60_000,
    retryDelay: 10,
    requestLimit: 0,
    tryLimit: 2,
    ...options,
  });
}

const QUESTION = [
  ['request', 'smtpd_access_policy'],
  ['sender', 'a@b'],
] as const;

it('asks in the protocol’s form, and again over the same connection', async () => {
  const questions: string[] = [];
  const stub = await serve((question) => {
    questions.push(question);
    return 'action=DUNNO\n\n';
  });
  const client = clientOf(stub.port);
  for (let i = 0; i < 3; i++) {
    expect(await client.ask(QUESTION)).toEqual({ kind: 'action', action: 'DUNNO' });
  }
  expect(questions[0]).toBe('request=smtpd_access_policy\nsender=a@b\n\n');
  expect(stub.connections).toEqual([3]);
  client.close();
});

it('takes a new connection after so many questions, and for questions at the same time', async () => {
  const stub = await serve(() => 'other=1\naction=450 4.7.1 later\n\n');
  const client = clientOf(stub.port, { requestLimit: 2 });
  for (let i = 0; i < 4; i++) await client.ask(QUESTION);
  expect(stub.connections).toEqual([2, 2]);
  const answers = await Promise.all([client.ask(QUESTION), client.ask(QUESTION)]);
  expect(answers).toEqual([1, 2].map(() => ({ kind: 'action', action: '450 4.7.1 later' })));
  expect(stub.connections).toHaveLength(4);
  client.close();
});

it('asks once more over a new connection where the server hung up on an idle one', async () => {
  const stub = await serve((_, socket) => {
    setTimeout(() => socket.destroy(), 5);
    return 'action=OK\n\n';
  });
  const client = clientOf(stub.port, { tryLimit: 1 });
  for (let i = 0; i < 3; i++) {
    expect(await client.ask(QUESTION)).toEqual({ kind: 'action', action: 'OK' });
    await new Promise((later) => setTimeout(later, 15));
  }
});

it.each([
  ['is silent', () => undefined, 'Connection timed out'],
  ['hangs up', (_: string, socket: Socket) => void socket.destroy(), 'Connection closed by the server'],
  ['answers without an action', () => 'verdict=OK\n\n', 'the answer has no action'],
  ['never ends its answer', () => 'x'.repeat(10_000), 'the answer is too long'],
])('gives up when the server %s', async (_, answer, reason) => {
  const stub = await serve(answer as (question: string, socket: Socket) => string | undefined);
  const client = clientOf(stub.port);
  const verdict = await client.ask(QUESTION);
  const warning = `problem talking to server inet:127.0.0.1:${stub.port}: ${reason}`;
  expect(verdict).toEqual({ kind: 'failed', warnings: [warning, warning] });
});

it('gives up on a server that drips its answer', async () => {
  const stub = await serve((_, socket) => {
    const drip = setInterval(() => socket.write('x'), 20);
    socket.on('close', () => clearInterval(drip));
    return undefined;
  });
  const begun = Date.now();
  expect((await clientOf(stub.port, { tryLimit: 1 }).ask(QUESTION)).kind).toBe('failed');
  expect(Date.now() - begun).toBeLessThan(2000);
});

it('says that nobody listens', async () => {
  const stub = await serve(() => undefined);
  await new Promise((done) => servers.splice(0)[0]?.close(done));
  expect(await clientOf(stub.port, { tryLimit: 1 }).ask(QUESTION)).toEqual({
    kind: 'failed',
    warnings: [`problem talking to server inet:127.0.0.1:${stub.port}: Connection refused`],
  });
});

it.each([
  ['inet:127.0.0.1:10023', { host: '127.0.0.1', port: 10_023 }],
  ['inet:[::1]:10023', { host: '::1', port: 10_023 }],
  ['inet::10023', { host: 'localhost', port: 10_023 }],
  ['unix:private/policy', { path: '/var/spool/postfix/private/policy' }],
  ['unix:/run/policy', { path: '/run/policy' }],
  ['10023', undefined],
  ['unix:', undefined],
  ['inet:host', undefined],
])('reads %s', (text, expected) => {
  expect(parsePolicyServer(text, '/var/spool/postfix')).toEqual(expected);
});
