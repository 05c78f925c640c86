import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatFrame, FrameReader, type LoginRequest } from '@postcote/wire';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { FakeAccounts } from '../testing/index.ts';
import { DEFAULT_THROTTLE_LIMITS, Throttle } from '../throttle.ts';
import { askLogin, askLoginAndHandOff } from './auth-client.ts';
import {
  type AuthenticatorServerOptions,
  formatGranted,
  type Grant,
  type RunningAuthenticator,
  serveAuthenticator,
} from './authenticator-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'postcote-auth-'));
let count = 0;
const opened: { server: Server; running: RunningAuthenticator }[] = [];

afterEach(async () => {
  for (const { running } of opened.splice(0)) await running.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Short delays, the same rules. */
const QUICK = { ...DEFAULT_THROTTLE_LIMITS, failureDelayMs: 150, sessionSpacingMs: 0, penaltiesMs: [0] };

interface Setup {
  readonly path: string;
  readonly accounts: FakeAccounts;
  readonly lines: string[];
  readonly grants: Grant[];
  readonly running: RunningAuthenticator;
}

async function serve(options: Partial<AuthenticatorServerOptions> = {}): Promise<Setup> {
  const path = join(folder, `auth-${count++}`);
  const accounts = new FakeAccounts({
    bob: { password: 'secret' },
    root: { password: 'toor', uid: 0, gid: 0 },
    daemon: { password: 'pw', uid: 2, gid: 2 },
  });
  const lines: string[] = [];
  const grants: Grant[] = [];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const running = serveAuthenticator({
    server,
    authenticator: accounts,
    directory: accounts,
    log: (level, program, message, fields) =>
      lines.push(`${level} ${program} ${message} ${JSON.stringify(fields)}`),
    throttle: new Throttle(() => performance.now(), QUICK),
    // A worker in the same process: greets, then echoes.
    grant: async (grant, socket) => {
      grants.push(grant);
      socket.write(Buffer.concat([formatGranted(grant.user), Buffer.from('hello ')]));
      socket.pipe(socket);
    },
    ...options,
  });
  opened.push({ server, running });
  return { path, accounts, lines, grants, running };
}

const request: LoginRequest = {
  service: 'imap',
  mechanism: 'PLAIN',
  user: 'bob',
  password: 'secret',
  remoteAddress: '192.0.2.1',
  localAddress: '192.0.2.2',
  secured: true,
  sessionId: 's1',
};

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

describe('the authenticator', () => {
  it('grants SMTP with one frame', async () => {
    const { path, grants } = await serve();
    expect(await askLogin(path, { ...request, service: 'smtp' })).toEqual({ kind: 'granted', user: 'bob' });
    expect(grants).toEqual([]);
  });

  it('passes the connection on for IMAP, with the hand-off and without the password', async () => {
    const { path, grants, running } = await serve();
    const verdict = await askLoginAndHandOff(path, request, { handOff: { tag: 'a1' } });
    if (verdict.kind !== 'granted') throw new Error(verdict.message);
    expect(grants[0]).toMatchObject({ user: 'bob', uid: 1000, home: '/home/bob', handOff: { tag: 'a1' } });
    expect(JSON.stringify(grants)).not.toContain('secret');
    verdict.connection.resume();
    verdict.connection.write('world');
    const heard = await new Promise<string>((resolve) => {
      let text = '';
      verdict.connection.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.length >= 11) resolve(text);
      });
    });
    expect(heard).toBe('hello world');
    expect(running.connections).toBe(0);
    verdict.connection.destroy();
  });

  it('applies auth_username_format', async () => {
    const { path } = await serve();
    expect(await askLogin(path, { ...request, service: 'smtp', user: 'BOB' })).toEqual({
      kind: 'granted',
      user: 'bob',
    });
  });

  const refused: [what: string, change: Partial<LoginRequest>, line: string][] = [
    [
      'a wrong password',
      { password: 'wrong' },
      'pam(bob,192.0.2.1): pam_authenticate() failed: Authentication failure (Password mismatch?)',
    ],
    ['an unknown user', { user: 'nobody' }, 'pam(nobody,192.0.2.1): unknown user'],
    ['root', { user: 'root', password: 'toor' }, 'pam(root,192.0.2.1): root keeps no mail'],
    [
      'a system user',
      { user: 'daemon', password: 'pw' },
      'pam(daemon,192.0.2.1): uid 2 is below first_valid_uid',
    ],
    ['an empty password', { password: '' }, 'pam(bob,192.0.2.1): empty password'],
    [
      'a name that is none',
      { user: 'a b' },
      'pam(a?b,192.0.2.1): user name contains disallowed character: 0x20',
    ],
  ];
  it.each(refused)('refuses %s, after the same time', async (_what, change, line) => {
    const { path, lines } = await serve();
    const began = performance.now();
    const verdict = await askLogin(path, { ...request, ...change });
    const took = performance.now() - began;
    expect(verdict.kind).toBe('refused');
    expect(took).toBeGreaterThan(140);
    expect(took).toBeLessThan(400);
    expect(lines[0]).toContain(`info dovecot auth-worker(${process.pid}): ${line}`);
    expect(lines.join()).not.toMatch(/wrong|toor/);
  });

  it('takes root for SMTP no more than for mail, but a service account may send', async () => {
    const { path } = await serve();
    const smtp = { ...request, service: 'smtp' } as const;
    expect((await askLogin(path, { ...smtp, user: 'root', password: 'toor' })).kind).toBe('refused');
    expect((await askLogin(path, { ...smtp, user: 'daemon', password: 'pw' })).kind).toBe('granted');
  });

  it('hides how long the check took', async () => {
    const { path, accounts } = await serve();
    accounts.delayMs = 100;
    const began = performance.now();
    await askLogin(path, { ...request, password: 'wrong' });
    expect(performance.now() - began).toBeLessThan(240);
  });

  it('logs lines that fail2ban’s dovecot filter takes', async () => {
    const { path, lines } = await serve();
    await askLogin(path, { ...request, password: 'wrong' });
    await askLogin(path, { ...request, user: 'x', password: 'wrong' });
    // What the filter's expressions come to, the prefix of the program taken off.
    const prefix = /^info dovecot auth-worker\(\d+\): /;
    const rules = [
      /^pam\(\S+,(?<host>[\d.]+)(?:,\S*)?\): pam_authenticate\(\) failed: (?:Authentication failure \([Pp]assword mismatch\?\)|Permission denied)/,
      /^[a-z-]{3,15}\(\S*,(?<host>[\d.]+)(?:,\S*)?\): (?:[Uu]nknown user|[Ii]nvalid credentials|[Pp]assword mismatch)/,
    ];
    for (const line of lines) {
      const text = line.replace(prefix, '');
      expect(rules.map((rule) => rule.exec(text)?.groups?.['host'])).toContain('192.0.2.1');
    }
  });

  it('says unavailable when nothing could be decided', async () => {
    const { path, accounts } = await serve();
    accounts.answer = { kind: 'unavailable', reason: 'PAM gave no answer in time' };
    expect(await askLogin(path, request)).toEqual({
      kind: 'unavailable',
      message: 'PAM gave no answer in time',
    });
  });

  it('says unavailable when the directory fails or no worker can be had', async () => {
    const noDirectory = await serve({
      directory: {
        lookup: async () => {
          throw new Error('ldap is away');
        },
      },
    });
    expect(await askLogin(noDirectory.path, request)).toMatchObject({ kind: 'unavailable' });
    const noWorker = await serve({
      grant: async () => {
        throw new Error('too many workers');
      },
    });
    expect(await askLoginAndHandOff(noWorker.path, request)).toEqual({
      kind: 'unavailable',
      message: 'too many workers',
    });
    expect(noWorker.lines[0]).toContain('error dovecot');
  });

  it('survives an authenticator that throws, and logs no text of it', async () => {
    const { path, lines } = await serve({
      authenticator: {
        driver: 'pam',
        check: async () => {
          throw new Error('password secret leaked');
        },
      },
    });
    expect((await askLogin(path, request)).kind).toBe('unavailable');
    expect(lines.join()).not.toContain('secret');
    expect((await askLogin(path, request)).kind).toBe('unavailable');
  });

  const violations: [what: string, octets: Buffer][] = [
    ['a frame that is no JSON', Buffer.from([0, 0, 0, 1, 0x7b])],
    ['a frame too large', Buffer.from([0x7f, 0, 0, 0])],
    ['a frame that is no request', formatFrame({ hello: 1 })],
    ['octets after the request', Buffer.concat([formatFrame({ request }), Buffer.from('x')])],
  ];
  it.each(violations)('closes on %s', async (_what, octets) => {
    const { path, lines, accounts } = await serve();
    const socket = connect(path);
    socket.on('error', () => {});
    socket.write(octets);
    await closed(socket);
    expect(lines[0]).toContain('bad request on the auth socket');
    expect(accounts.checked).toEqual([]);
  });

  it('closes on octets that come before the verdict', async () => {
    const { path, accounts, grants } = await serve();
    accounts.delayMs = 100;
    const socket = connect(path);
    socket.on('error', () => {});
    socket.write(formatFrame({ request }));
    setTimeout(() => socket.write('early'), 30);
    await closed(socket);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(grants).toEqual([]);
  });

  it('closes on a frame that does not come, and reads one that comes octet by octet', async () => {
    const { path } = await serve({ frameDeadlineMs: 100 });
    const idle = connect(path);
    idle.on('error', () => {});
    idle.write(Buffer.from([0, 0]));
    await closed(idle);
    const slow = connect(path);
    const frame = formatFrame({ request: { ...request, service: 'smtp' } });
    for (const octet of frame) slow.write(Buffer.of(octet));
    const reader = new FrameReader();
    const verdict = await new Promise((resolve) => {
      slow.on('data', (chunk: Buffer) => {
        reader.push(chunk);
        const answer = reader.next();
        if (answer !== undefined) resolve(answer.value);
      });
    });
    expect(verdict).toEqual({ kind: 'granted', user: 'bob' });
    slow.destroy();
  });

  it('asks no password for a peer that left while it had to wait', async () => {
    const { path, accounts } = await serve({
      throttle: new Throttle(() => performance.now(), { ...QUICK, sessionSpacingMs: 150 }),
    });
    expect((await askLogin(path, { ...request, service: 'smtp' })).kind).toBe('granted');
    const socket = connect(path);
    socket.write(formatFrame({ request }));
    setTimeout(() => socket.destroy(), 40);
    await closed(socket);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(accounts.checked).toEqual(['bob']);
  });

  it('bounds its connections and ends what is under way before it stops', async () => {
    const { path, running, accounts } = await serve({ maxConnections: 2 });
    const idle = [connect(path), connect(path)];
    for (const socket of idle) socket.on('error', () => {});
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect((await askLogin(path, request)).kind).toBe('unavailable');
    idle[0]?.destroy();
    await new Promise((resolve) => setTimeout(resolve, 30));
    accounts.delayMs = 100;
    const asking = askLogin(path, { ...request, service: 'smtp' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    const stopping = running.close();
    expect((await asking).kind).toBe('granted');
    await stopping;
    expect(running.connections).toBe(0);
  });
});

describe('the client', () => {
  const answers: [what: string, octets: Buffer | undefined][] = [
    ['closes', undefined],
    ['says something else', formatFrame({ kind: 'maybe' })],
    ['says no JSON', Buffer.from([0, 0, 0, 1, 0x7b])],
    ['says too much', Buffer.from([0x7f, 0, 0, 0])],
    ['grants to nobody', formatFrame({ kind: 'granted', user: '' })],
  ];
  it.each(answers)('calls a server that %s unavailable', async (_what, octets) => {
    const path = join(folder, `fake-${count++}`);
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(octets ?? Buffer.alloc(0)));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect((await askLogin(path, request)).kind).toBe('unavailable');
    server.close();
  });

  it('needs no server to answer', async () => {
    expect((await askLogin(join(folder, 'none'), request)).kind).toBe('unavailable');
    expect((await askLogin(join(folder, 'none'), { ...request, password: 'p'.repeat(2000) })).kind).toBe(
      'refused',
    );
    expect(
      (await askLoginAndHandOff(join(folder, 'none'), request, { handOff: 'x'.repeat(100_000) })).kind,
    ).toBe('unavailable');
  });

  it('waits no longer than it was told', async () => {
    const path = join(folder, `fake-${count++}`);
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(await askLogin(path, request, { timeLimitMs: 50 })).toEqual({
      kind: 'unavailable',
      message: 'no verdict in time',
    });
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});
