import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { PasswordCheck } from '../authenticator.ts';
import { PamAuthenticator, type PamAuthenticatorOptions, PamServiceError } from './pam-authenticator.ts';
import { loadPamBinding, type PamBinding, PamBindingError } from './pam-binding.ts';
import { findPamService, hasPamService } from './pam-service.ts';

const folder = mkdtempSync(join(tmpdir(), 'postcote-pam-'));
const directories = [join(folder, 'etc'), join(folder, 'usr')];
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  for (const directory of directories) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
  }
});
const addService = (name: string, directory = directories[0]): void =>
  writeFileSync(join(directory ?? '', name), '');

type Done = Parameters<PamBinding['authenticate']>[2];

/** PAM as a test answers it. */
class FakePam implements PamBinding {
  readonly calls: { user: string; serviceName: string; remoteHost?: string; done: Done }[] = [];
  authenticate(...[user, , done, options]: Parameters<PamBinding['authenticate']>): void {
    this.calls.push({ user, ...options, done });
  }
}

function open(options: PamAuthenticatorOptions = {}): { pam: PamAuthenticator; fake: FakePam } {
  addService('dovecot');
  const fake = new FakePam();
  return { pam: new PamAuthenticator({ directories, binding: fake, ...options }), fake };
}

const ask = (
  pam: PamAuthenticator,
  user = 'bob',
  more: { password?: string; known?: boolean } = {},
): Promise<PasswordCheck> =>
  pam.check({ user, password: 'secret', remoteAddress: '192.0.2.1', known: false, ...more });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the PAM service', () => {
  it('is the first that has a file', () => {
    expect(findPamService(undefined, directories)).toBeUndefined();
    addService('login');
    expect(findPamService(undefined, directories)).toBe('login');
    addService('smtp', directories[1]);
    expect(findPamService(undefined, directories)).toBe('smtp');
    addService('dovecot');
    expect(findPamService(undefined, directories)).toBe('dovecot');
  });

  it('is never `other`, a path or a folder', () => {
    addService('other');
    mkdirSync(join(directories[0] ?? '', 'folder'));
    for (const name of ['other', 'Other', '../etc/login', '.', '', 'folder', 'a b']) {
      expect(hasPamService(name, directories)).toBe(false);
    }
    expect(() => new PamAuthenticator({ directories, binding: new FakePam() })).toThrow(PamServiceError);
    expect(() => new PamAuthenticator({ directories, binding: new FakePam(), service: 'imap' })).toThrow(
      /imap/,
    );
  });
});

describe('PamAuthenticator', () => {
  it('passes on what PAM needs', async () => {
    const { pam, fake } = open();
    const checking = ask(pam);
    await turn();
    expect(fake.calls[0]).toMatchObject({
      user: 'bob',
      serviceName: 'dovecot',
      remoteHost: '192.0.2.1',
      tty: 'dovecot',
    });
    fake.calls[0]?.done();
    expect(await checking).toEqual({ kind: 'ok' });
  });

  const results: [
    message: string,
    code: number,
    phase: 'start' | 'authenticate' | 'account' | 'end',
    check: PasswordCheck,
  ][] = [
    [
      'Authentication failure',
      7,
      'authenticate',
      { kind: 'refused', reason: 'pam_authenticate() failed: Authentication failure (Password mismatch?)' },
    ],
    ['User not known', 10, 'authenticate', { kind: 'refused', reason: 'unknown user' }],
    [
      'User account has expired',
      13,
      'account',
      { kind: 'refused', reason: 'pam_acct_mgmt() failed: User account has expired' },
    ],
    [
      'Authentication failure',
      7,
      'account',
      { kind: 'refused', reason: 'pam_acct_mgmt() failed: Authentication failure' },
    ],
    ['Token expired', 12, 'account', { kind: 'refused', reason: 'pam_acct_mgmt() failed: Token expired' }],
    [
      'Cannot retrieve authentication info',
      9,
      'authenticate',
      { kind: 'unavailable', reason: 'pam_authenticate() failed: Cannot retrieve authentication info' },
    ],
    ['System error', 4, 'account', { kind: 'unavailable', reason: 'pam_acct_mgmt() failed: System error' }],
    ['Critical error', 26, 'start', { kind: 'unavailable', reason: 'pam_start() failed: Critical error' }],
    [
      'Authentication failure',
      7,
      'start',
      { kind: 'unavailable', reason: 'pam_start() failed: Authentication failure' },
    ],
    [
      'Something new',
      99,
      'authenticate',
      { kind: 'unavailable', reason: 'pam_authenticate() failed: Something new' },
    ],
  ];
  it.each(results)('reads %s (%i, %s)', async (message, code, phase, check) => {
    const { pam, fake } = open();
    const checking = ask(pam);
    await turn();
    fake.calls[0]?.done(message, code, phase);
    expect(await checking).toEqual(check);
  });

  it('asks nothing about names and passwords that cannot be', async () => {
    const { pam, fake } = open();
    for (const user of ['', '-x', 'a b', 'a/b', 'bøb', 'u'.repeat(256)]) {
      expect(await ask(pam, user)).toEqual({ kind: 'refused', reason: 'unknown user' });
    }
    for (const password of ['', 'a\0b', 'p'.repeat(1025), 'ü'.repeat(513)]) {
      expect(await ask(pam, 'bob', { password })).toEqual({ kind: 'refused', reason: 'unusable password' });
    }
    expect(fake.calls).toEqual([]);
  });

  it('runs few at a time, and those who are known first', async () => {
    const { pam, fake } = open({ concurrency: 2 });
    const users = ['s1', 's2', 's3', 's4'];
    const checks = users.map((user) => ask(pam, user));
    checks.push(ask(pam, 'owner', { known: true }));
    await turn();
    expect(fake.calls.map(({ user }) => user)).toEqual(['s1', 's2']);
    for (let i = 0; i < checks.length; i++) {
      fake.calls[i]?.done();
      await turn();
    }
    expect(fake.calls.map(({ user }) => user)).toEqual(['s1', 's2', 'owner', 's3', 's4']);
    expect((await Promise.all(checks)).every(({ kind }) => kind === 'ok')).toBe(true);
  });

  it('bounds how many wait', async () => {
    const { pam, fake } = open({ concurrency: 1, timeLimitMs: 5000 });
    const checks = Array.from({ length: 100 }, () => ask(pam));
    await turn();
    for (let i = 0; i < 100; i++) {
      fake.calls[i]?.done();
      await turn();
    }
    const kinds = (await Promise.all(checks)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'ok')).toHaveLength(65);
    expect(kinds.filter((kind) => kind === 'unavailable')).toHaveLength(35);
  });

  it('answers in time although a module hangs, keeps its slot taken, and says when none is left', async () => {
    let exhausted = 0;
    const { pam, fake } = open({ concurrency: 2, timeLimitMs: 40, onExhausted: () => exhausted++ });
    expect(await ask(pam, 'slow1')).toEqual({ kind: 'unavailable', reason: 'PAM gave no answer in time' });
    expect(exhausted).toBe(0);
    expect((await ask(pam, 'slow2')).kind).toBe('unavailable');
    expect(exhausted).toBe(1);
    expect(await ask(pam, 'next')).toEqual({ kind: 'unavailable', reason: 'too many logins at a time' });
    expect(fake.calls).toHaveLength(2);
    fake.calls[0]?.done();
    const checking = ask(pam, 'next');
    await turn();
    fake.calls[2]?.done();
    expect((await checking).kind).toBe('ok');
  });

  it('asks nobody once the service’s file is gone', async () => {
    const { pam, fake } = open();
    rmSync(join(directories[0] ?? '', 'dovecot'));
    expect((await ask(pam)).kind).toBe('unavailable');
    expect(fake.calls).toEqual([]);
    addService('dovecot');
    const checking = ask(pam);
    await turn();
    fake.calls[0]?.done();
    expect((await checking).kind).toBe('ok');
  });

  it('survives a binding that throws', async () => {
    const binding = {
      authenticate: () => {
        throw new TypeError('not acceptable');
      },
    };
    const { pam } = open({ binding, concurrency: 1 });
    expect(await ask(pam)).toEqual({ kind: 'unavailable', reason: 'not acceptable' });
    expect(await ask(pam)).toEqual({ kind: 'unavailable', reason: 'not acceptable' });
  });
});

describe('loadPamBinding', () => {
  it('takes the patched module only', () => {
    const path = join(folder, 'published.cjs');
    writeFileSync(path, 'exports.authenticate = () => {};');
    expect(() => loadPamBinding(path)).toThrow(PamBindingError);
    expect(() => loadPamBinding(join(folder, 'none.cjs'))).toThrow(/build-native/);
  });
});
