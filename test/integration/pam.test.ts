// Logins against the machine's own PAM and passwd table: right and wrong passwords, accounts that may not log in,
// names and passwords at their limits, and a connection that goes from one process to another.

import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PasswordCheck } from '../../packages/auth/src/index.ts';
import {
  askLogin,
  askLoginAndHandOff,
  formatGranted,
  type Grant,
  hasPamService,
  loadPamBinding,
  PamAuthenticator,
  PamServiceError,
} from '../../packages/auth/src/edge/index.ts';
import { eventually } from '../support/eventually.ts';
import type { Account } from '../support/play-transcript.ts';
import { openSystemUsers, type SystemUsers } from '../support/system-users.ts';
import { makeTempFolder, type TempFolder } from '../support/temp-folder.ts';

const root = process.getuid?.() === 0;

describe.skipIf(!root)('PAM (needs root: makes accounts, reads the shadow file)', () => {
  let folder: TempFolder;
  let users: SystemUsers;
  let accounts: Account[];
  let pam: PamAuthenticator;

  const account = (index: number): Account => {
    const found = accounts[index];
    if (found === undefined) throw new Error('no such account');
    return found;
  };
  const setPassword = (name: string, password: string): void => {
    execFileSync('chpasswd', ['--crypt-method', 'SHA512', '--sha-rounds', '1000'], {
      input: `${name}:${password}\n`,
    });
  };
  const check = (user: string, password: string): Promise<PasswordCheck> =>
    pam.check({ user, password, remoteAddress: '192.0.2.1', known: false });

  beforeAll(() => {
    execFileSync(path.resolve('scripts/build-native.sh'));
    folder = makeTempFolder('pam');
    users = openSystemUsers(folder.path);
    accounts = users.create(5);
    pam = new PamAuthenticator();
  });
  afterAll(() => {
    users.remove();
    folder.remove();
  });

  it('says yes to the right password and no to every other, without holding a thread for seconds', async () => {
    const { name, password } = account(0);
    expect(await check(name, password)).toEqual({ kind: 'ok' });
    const began = performance.now();
    const refused = {
      kind: 'refused',
      reason: 'pam_authenticate() failed: Authentication failure (Password mismatch?)',
    };
    expect(await check(name, `${password}x`)).toEqual(refused);
    expect(await check(name, password.slice(0, -1))).toEqual(refused);
    expect(await check(name, password.toUpperCase())).toEqual(refused);
    expect(performance.now() - began).toBeLessThan(1500);
  });

  it('says no for accounts that do not exist and for root', async () => {
    expect((await check('postcote-no-such-user', 'x')).kind).toBe('refused');
    expect((await check('root', 'certainly not')).kind).toBe('refused');
  });

  it('refuses expired and locked accounts and passwords that have to be changed', async () => {
    const { name, password } = account(1);
    expect((await check(name, password)).kind).toBe('ok');
    execFileSync('chage', ['-E', '2020-01-01', name]);
    // Debian's common-account ends in pam_deny, so the code does not say what was wrong; the phase does.
    const reasonOf = (checked: PasswordCheck): string =>
      checked.kind === 'refused' ? checked.reason : checked.kind;
    expect(reasonOf(await check(name, password))).toMatch(/^pam_acct_mgmt\(\) failed: /);
    execFileSync('chage', ['-E', '-1', '-d', '0', name]);
    expect(reasonOf(await check(name, password))).toMatch(/^pam_acct_mgmt\(\) failed: /);
    execFileSync('chage', ['-d', '2024-01-01', name]);
    expect((await check(name, password)).kind).toBe('ok');
    execFileSync('usermod', ['-L', name]);
    expect((await check(name, password)).kind).toBe('refused');
  });

  it('refuses an account without a password', async () => {
    const { name } = account(2);
    execFileSync('passwd', ['-d', name], { stdio: 'ignore' });
    expect((await check(name, '')).kind).toBe('refused');
    expect((await check(name, 'x')).kind).toBe('refused');
  });

  it.each(['pä ss:wörd €', ' leading and trailing ', 'x'.repeat(127), 'y'.repeat(128), 'z'.repeat(300)])(
    'takes the password %j whole',
    async (password) => {
      const { name } = account(3);
      setPassword(name, password);
      expect((await check(name, password)).kind).toBe('ok');
      expect((await check(name, `${password}x`)).kind).toBe('refused');
      expect((await check(name, password.slice(0, -1))).kind).toBe('refused');
    },
  );

  it('guards its arguments', async () => {
    const { name, password } = account(0);
    const bad: [user: string, password: string][] = [
      ['u'.repeat(255), password],
      ['u'.repeat(256), password],
      ['u'.repeat(100_000), password],
      [`${name}\0`, password],
      [`${name} `, password],
      [`-${name}`, password],
      [name, `${password}\0`],
      [name, 'p'.repeat(1024)],
      [name, 'p'.repeat(1025)],
      [name, 'p'.repeat(1_000_000)],
    ];
    for (const [user, secret] of bad) expect((await check(user, secret)).kind).toBe('refused');
    // The native side does not rely on that.
    const binding = loadPamBinding();
    const direct = (user: unknown, secret: unknown, options: unknown): void =>
      Reflect.apply(binding.authenticate, binding, [user, secret, () => {}, options]);
    const options = { serviceName: pam.service };
    expect(() => direct('u'.repeat(256), 'x', options)).toThrow(TypeError);
    expect(() => direct('u', 'x'.repeat(1025), options)).toThrow(TypeError);
    expect(() => direct('u\0', 'x', options)).toThrow(TypeError);
    expect(() => direct('u', '', options)).toThrow(TypeError);
    expect(() => direct('u', 'x', null)).toThrow(TypeError);
    expect(() => direct('u', 'x', {})).toThrow(TypeError);
    expect(() => direct('u', 'x', { serviceName: 7 })).toThrow(TypeError);
    expect(() => direct('u', 'x', { ...options, remoteHost: null })).toThrow(TypeError);
    expect(() => direct('u', 'x', undefined)).toThrow(TypeError);
  });

  it('uses no service that has no file', () => {
    expect(hasPamService(pam.service)).toBe(true);
    for (const service of ['postcote-none', 'other', '../pam.d/login', '/etc/pam.d/login', '', 'OTHER']) {
      expect(() => new PamAuthenticator({ service })).toThrow(PamServiceError);
    }
  });

  it('checks many at a time', async () => {
    const { name, password } = account(0);
    const checks = await Promise.all(
      Array.from({ length: 40 }, (_, i) => check(name, i % 2 === 0 ? password : 'wrong')),
    );
    expect(checks.map(({ kind }) => kind === 'ok')).toEqual(checks.map((_, i) => i % 2 === 0));
  });

  describe('in a process of its own', () => {
    let child: ChildProcess;
    let socketPath: string;
    const lines: string[] = [];
    const grants: Grant[] = [];
    const sockets: Socket[] = [];

    beforeAll(async () => {
      socketPath = path.join(folder.path, 'auth');
      child = fork(path.resolve('test/integration/pam-authenticator-child.ts'), [socketPath]);
      await new Promise<void>((resolve, reject) => {
        child.once('exit', () => reject(new Error('the authenticator ended')));
        child.on('message', (message: { kind: string; line?: string; grant?: Grant }, handle) => {
          if (message.kind === 'ready') resolve();
          if (message.line !== undefined) lines.push(message.line);
          if (message.grant === undefined) return;
          grants.push(message.grant);
          const socket = handle as Socket;
          sockets.push(socket);
          socket.write(formatGranted(message.grant.user));
          socket.pipe(socket);
        });
      });
    });
    afterAll(() => {
      for (const socket of sockets) socket.destroy();
      child.kill('SIGKILL');
    });

    const request = (index: number, service: 'smtp' | 'imap') => ({
      service,
      mechanism: 'PLAIN' as const,
      user: account(index).name.toUpperCase(),
      password: account(index).password,
      remoteAddress: '192.0.2.9',
      localAddress: '192.0.2.1',
      secured: true,
      sessionId: `pam-${service}`,
    });

    it('answers for SMTP', async () => {
      expect(await askLogin(socketPath, request(0, 'smtp'))).toEqual({
        kind: 'granted',
        user: account(0).name,
      });
    });

    it('sends the same connection on for IMAP, with nothing lost on it', async () => {
      const { name, uid, gid, home } = account(0);
      const verdict = await askLoginAndHandOff(socketPath, request(0, 'imap'), { handOff: { tag: 'a1' } });
      if (verdict.kind !== 'granted') throw new Error(verdict.message);
      expect(grants.at(-1)).toMatchObject({ user: name, uid, gid, home, handOff: { tag: 'a1' } });
      expect(JSON.stringify(grants)).not.toContain(account(0).password);
      const sent = 'x'.repeat(300_000);
      let heard = '';
      verdict.connection.setEncoding('utf8').on('data', (chunk: string) => (heard += chunk));
      verdict.connection.resume();
      verdict.connection.write(sent);
      await eventually(() => expect(heard.length).toBe(sent.length));
      verdict.connection.destroy();
    });

    it('refuses two seconds later, and says so in the log without the password', async () => {
      const began = performance.now();
      const wrong = { ...request(0, 'imap'), password: 'never-log-this' };
      const unknown = {
        ...request(0, 'imap'),
        user: 'postcote-none',
        password: 'never-log-this',
        sessionId: 'pam-2',
      };
      const verdicts = await Promise.all([askLogin(socketPath, wrong), askLogin(socketPath, unknown)]);
      expect(verdicts.map(({ kind }) => kind)).toEqual(['refused', 'refused']);
      expect(performance.now() - began).toBeGreaterThan(1990);
      expect(performance.now() - began).toBeLessThan(4500);
      expect(lines.join('\n')).toMatch(
        /^dovecot: auth-worker\(\d+\): pam\(\w+,192\.0\.2\.9\): pam_authenticate\(\) failed: Authentication failure \(Password mismatch\?\)$/m,
      );
      expect(lines.join('\n')).not.toContain('never-log-this');
    });
  });
});
