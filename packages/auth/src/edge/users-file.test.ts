import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UserDirectoryError } from '../user-directory.ts';
import { hashPassword, parseStoredPassword, verifyPassword } from './password-hash.ts';
import { parseUsersFile, UsersFile, UsersFileError } from './users-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'postcote-users-'));
afterAll(() => rmSync(folder, { recursive: true }));

// Made by crypt(3).
const SHA256 = '$5$abcdefgh$RMIhX72eZ6R/G34IV9nvCe9.tnDW/tjKJo2zrYb4G92';
const SHA512 =
  '$6$abcdefghijklmnop$IY2HiDSZCou6NYH.MtO0v5szt.v6wWaLmPY9Niz9WJOxISMOlgRscAdbmFVfnWSBCLDZiTCOfseQKowvBY1hz/';
const LONG =
  '$6$rounds=1500$sa$FJxJOOCVav02ZaLZNuZ4yF3EQRG5C2VF80p6wW.zg6vYn5wYfO4NbD7GwMxVAP8V43eIuV1xvIKHjiTjw26By1';
const ROUNDS = '$5$rounds=1000$toolongsaltstrin$/MzrvgjuoD3DC.BygsyNcusG.J./HG7EcCWgdGrHU2C';

describe('stored passwords', () => {
  const cases: [field: string, password: string][] = [
    ['secret', 'secret'],
    ['{PLAIN}se{c}ret', 'se{c}ret'],
    ['{plain}secret', 'secret'],
    [`{SHA256-CRYPT}${SHA256}`, 'Sekret 9ö'],
    [`{SHA512-CRYPT}${SHA512}`, 'Sekret 9ö'],
    [`{CRYPT}${LONG}`, 'x'.repeat(70)],
    [SHA256, 'Sekret 9ö'],
    [ROUNDS, 'pw'],
  ];
  it.each(cases)('%s', async (field, password) => {
    const stored = parseStoredPassword(field);
    if (stored === undefined) throw new Error('not read');
    expect(await verifyPassword(stored, password)).toBe(true);
    for (const wrong of ['', `${password} `, password.slice(1), password.toUpperCase() + 'x']) {
      expect(await verifyPassword(stored, wrong)).toBe(false);
    }
  });

  it('hashes with scrypt and verifies it', async () => {
    const field = await hashPassword('hunter2');
    expect(field).toMatch(/^\{SCRYPT\}16384\$8\$1\$/);
    expect(await hashPassword('hunter2')).not.toBe(field);
    const stored = parseStoredPassword(field);
    if (stored === undefined) throw new Error('not read');
    expect(await verifyPassword(stored, 'hunter2')).toBe(true);
    expect(await verifyPassword(stored, 'hunter3')).toBe(false);
  });

  it.each([
    '',
    '{PLAIN}',
    '{MD5}abc',
    '{CRYPT}abJnggxhB/yWI',
    '$1$salt$abcdefghijklmnopqrstuv',
    '$y$j9T$x$y',
    '{SHA256-CRYPT}$5$salt$short',
    '{SHA256-CRYPT}$5$rounds=999999999$salt$' + 'a'.repeat(43),
    '{SCRYPT}16383$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==',
    '{SCRYPT}1048576$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==',
    '{SCRYPT}2$8$1$c2FsdA==$',
  ])('refuses %j', (field) => {
    expect(parseStoredPassword(field)).toBeUndefined();
  });
});

const TEXT = [
  '# demo users',
  'alice:{PLAIN}wonder:5001:5001::/srv/alice:/bin/false:extra=1',
  'bob:builder:::Bob:/srv/bob\r',
  'locked:{MD5}x:::Locked:/srv/locked',
  'relative:pw:1:1::home',
  'uid:pw:one:1::/srv/uid',
  ':pw:1:1::/srv/none',
  'alice:{PLAIN}other:1:1::/srv/other',
].join('\n');

describe('parseUsersFile', () => {
  it('reads accounts, and says what it passed over without a password', () => {
    const { users, problems } = parseUsersFile(TEXT, { uid: 7, gid: 8 });
    expect([...users.keys()]).toEqual(['alice', 'bob', 'locked']);
    expect(users.get('alice')).toMatchObject({
      uid: 5001,
      gid: 5001,
      home: '/srv/alice',
      shell: '/bin/false',
    });
    expect(users.get('bob')).toMatchObject({ uid: 7, gid: 8, home: '/srv/bob' });
    expect(users.get('locked')?.stored).toBeUndefined();
    expect(problems.map(({ line }) => line)).toEqual([4, 5, 6, 7, 8]);
    expect(JSON.stringify(problems)).not.toMatch(/pw|other|wonder/);
  });
});

describe('UsersFile', () => {
  const path = join(folder, 'users');
  const ask = (file: UsersFile, user: string, password: string): Promise<{ kind: string }> =>
    file.check({ user, password, remoteAddress: '127.0.0.1', known: false });

  it('checks passwords, finds accounts, and sees an edit', async () => {
    writeFileSync(path, TEXT);
    const file = new UsersFile({ path, loopbackOnly: false, uid: 7, gid: 8 });
    expect((await ask(file, 'alice', 'wonder')).kind).toBe('ok');
    expect((await ask(file, 'alice', 'other')).kind).toBe('refused');
    expect((await ask(file, 'nobody', 'x')).kind).toBe('refused');
    expect((await ask(file, 'locked', 'x')).kind).toBe('refused');
    expect(await file.lookup('bob')).toEqual({ name: 'bob', uid: 7, gid: 8, home: '/srv/bob', shell: '' });
    expect(await file.lookup('constructor')).toBeUndefined();
    writeFileSync(path, 'alice:{PLAIN}changed:5001:5001::/srv/alice\n');
    expect((await ask(file, 'alice', 'changed')).kind).toBe('ok');
    expect((await ask(file, 'alice', 'wonder')).kind).toBe('refused');
    expect(await file.lookup('bob')).toBeUndefined();
  });

  it('has no answer without its file', async () => {
    const file = new UsersFile({ path: join(folder, 'none'), loopbackOnly: true });
    expect((await ask(file, 'alice', 'x')).kind).toBe('unavailable');
    await expect(file.lookup('alice')).rejects.toThrow(UserDirectoryError);
  });

  it('does not serve the world as root', () => {
    expect(() => new UsersFile({ path, loopbackOnly: false, uid: 0 })).toThrow(UsersFileError);
    expect(() => new UsersFile({ path, loopbackOnly: true, uid: 0 })).not.toThrow();
  });
});
