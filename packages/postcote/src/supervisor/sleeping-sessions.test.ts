import { Buffer } from 'node:buffer';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { directorySignature } from '../directory-signature.ts';
import type { Account, SleepingSession } from '../ipc.ts';
import { SleepingSessions } from './sleeping-sessions.ts';

const alice: Account = { name: 'alice', uid: 1000, gid: 1000, home: '/home/alice' };
const bob: Account = { name: 'bob', uid: 1001, gid: 1001, home: '/home/bob' };

let folder: string;
let server: Server;
let woken: string[];
let lines: string[];
let sleeping: SleepingSessions;
const clients: Socket[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postcote-sleep-'));
  server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
  woken = [];
  lines = [];
  const said = lines;
  sleeping = new SleepingSessions({
    onWake: ({ name }) => void woken.push(name),
    log: (_level, program, message) => void said.push(`${program} ${message}`),
    pollInterval: 50,
  });
});
afterEach(() => {
  sleeping.end();
  for (const client of clients.splice(0)) client.destroy();
  server.close();
  rmSync(folder, { recursive: true });
});

/** Both ends of a connection. */
async function pair(): Promise<[kept: Socket, client: Socket]> {
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const client = connect(join(folder, 'socket'));
  clients.push(client);
  return [await accepted, client];
}

const session = (change: Partial<SleepingSession> = {}): SleepingSession => ({
  state: { anything: 1 },
  remoteAddress: '192.0.2.1',
  said: '',
  idling: true,
  watched: [],
  keepalive: 0,
  closedLine: '<7><abc>: Disconnected: Connection closed (IDLE finished 1.000 secs ago) in=1 out=2',
  ...change,
});

const text = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString();

describe('SleepingSessions', () => {
  it('wakes when the client speaks, and gives what it said', async () => {
    const [kept, client] = await pair();
    sleeping.keep(alice, session(), kept);
    client.write('DONE\r\n');
    await vi.waitFor(() => expect(woken).toEqual(['alice']));
    const [one] = sleeping.take(alice);
    expect(text(one?.said)).toBe('DONE\r\n');
    expect(one?.session.state).toEqual({ anything: 1 });
    expect(sleeping.size).toBe(0);
    // The connection is alive and the taker's own.
    one?.socket.write('ok');
    const [chunk] = (await new Promise((resolve) => client.once('data', (c) => resolve([c])))) as [Buffer];
    expect(chunk.toString()).toBe('ok');
  });

  it('adds what was said before the sleep, and keeps users apart', async () => {
    const [kept, client] = await pair();
    const [other] = await pair();
    sleeping.keep(alice, session({ said: Buffer.from('DO').toString('base64') }), kept);
    sleeping.keep(bob, session(), other);
    client.write('NE\r\n');
    await vi.waitFor(() => expect(woken).toContain('alice'));
    expect(woken).not.toContain('bob');
    expect(text(sleeping.take(alice)[0]?.said)).toBe('DONE\r\n');
    expect(sleeping.size).toBe(1);
  });

  it('wakes when a watched directory changes, also before the watch began', async () => {
    const [kept] = await pair();
    const signature = directorySignature(folder);
    sleeping.keep(alice, session({ watched: [[folder, signature]] }), kept);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(woken).toEqual([]);
    writeFileSync(join(folder, 'new'), '');
    await vi.waitFor(() => expect(woken).toContain('alice'));
    sleeping.take(alice);
    const [later] = await pair();
    sleeping.keep(bob, session({ watched: [[folder, signature]] }), later);
    await vi.waitFor(() => expect(woken).toContain('bob'));
  });

  it('asks again while nobody takes the sessions', async () => {
    const [kept, client] = await pair();
    sleeping.keep(alice, session(), kept);
    client.write('x');
    await vi.waitFor(() => expect(woken.length).toBeGreaterThan(1), 3000);
  });

  it('says that we are still there only to those who idle', async () => {
    const [kept, client] = await pair();
    const [quiet, silent] = await pair();
    sleeping.keep(alice, session({ keepalive: 1000 }), kept);
    sleeping.keep(alice, session({ keepalive: 1000, idling: false }), quiet);
    let heard = '';
    silent.on('data', (chunk) => (heard += String(chunk)));
    const first = await new Promise((resolve) => client.once('data', resolve));
    expect(String(first)).toBe('* OK Still here\r\n');
    expect(heard).toBe('');
  });

  it('logs a client that leaves, and forgets it', async () => {
    const [kept, client] = await pair();
    sleeping.keep(alice, session(), kept);
    client.end();
    await vi.waitFor(() => expect(sleeping.size).toBe(0));
    expect(lines).toEqual([
      'dovecot imap(alice)<7><abc>: Disconnected: Connection closed (IDLE finished 1.000 secs ago) in=1 out=2',
    ]);
    expect(sleeping.take(alice)).toEqual([]);
  });

  it('says goodbye at the end', async () => {
    const [kept, client] = await pair();
    sleeping.keep(alice, session(), kept);
    const heard = new Promise((resolve) => client.once('data', resolve));
    sleeping.end();
    expect(String(await heard)).toBe('* BYE Server shutting down.\r\n');
  });

  it.each([
    { closedLine: 'x\nforged' },
    { closedLine: '<7><abc>: \u0007' },
    { watched: [['relative', '']] },
    { watched: [['/a\0b', '']] },
    { watched: [['/a']] },
    { watched: 'x' },
    { watched: Array.from({ length: 9 }, () => ['/a', '']) },
    { keepalive: 1 },
    { keepalive: Number.NaN },
    { said: 5 },
    { idling: 'yes' },
  ])('closes a session that makes no sense: %j', async (lie) => {
    const [kept] = await pair();
    sleeping.keep(alice, { ...session(), ...lie } as unknown as SleepingSession, kept);
    expect(kept.destroyed).toBe(true);
    expect(sleeping.size).toBe(0);
    expect(lines[0]).toContain('malformed sleeping session');
  });
});
