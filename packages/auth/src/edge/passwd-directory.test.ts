import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { UserDirectoryError } from '../user-directory.ts';
import { PasswdDirectory, type PasswdDirectoryOptions } from './passwd-directory.ts';

const folder = mkdtempSync(join(tmpdir(), 'postcote-passwd-'));
afterAll(() => rmSync(folder, { recursive: true }));

const passwdFile = join(folder, 'passwd');
const nsswitchFile = join(folder, 'nsswitch.conf');
const getent = join(folder, 'getent');
const calls = join(folder, 'calls');

function directory(options: PasswdDirectoryOptions = {}): PasswdDirectory {
  return new PasswdDirectory({ passwdFile, nsswitchFile, getent, ...options });
}

const asked = (): string[] => readFileSync(calls, 'utf8').split('\n').filter(Boolean);

beforeEach(() => {
  writeFileSync(passwdFile, 'bob:x:1000:1000::/home/bob:/bin/sh\n');
  writeFileSync(nsswitchFile, 'passwd: files systemd\n');
  writeFileSync(calls, '');
  writeFileSync(
    getent,
    `#!/bin/sh
echo "$*" >>${calls}
case "$3" in
  ldap) echo 'ldap:*:7000:7000:L D:/home/ldap:/bin/sh' ;;
  CASE) echo 'case:*:7001:7001::/home/case:/bin/sh' ;;
  other) echo 'somebody:*:7002:7002::/home/x:/bin/sh' ;;
  broken) exit 3 ;;
  slow) exec sleep 5 ;;
  *) exit 2 ;;
esac
`,
  );
  chmodSync(getent, 0o755);
});

describe('PasswdDirectory', () => {
  it('reads the passwd file and asks nobody else where nobody else is named', async () => {
    const users = directory();
    expect(await users.lookup('bob')).toMatchObject({ uid: 1000, home: '/home/bob' });
    expect(await users.lookup('ldap')).toBeUndefined();
    expect(asked()).toEqual([]);
  });

  it('sees a new account at once', async () => {
    const users = directory();
    expect(await users.lookup('eve')).toBeUndefined();
    writeFileSync(passwdFile, 'eve:x:1001:1001::/home/eve:/bin/sh\n');
    expect(await users.lookup('eve')).toMatchObject({ uid: 1001 });
    expect(await users.lookup('bob')).toBeUndefined();
  });

  it('trusts what it saw a moment ago where it may, and misses no new account', async () => {
    const users = directory({ trustForMs: 60_000 });
    expect(await users.lookup('bob')).toMatchObject({ uid: 1000 });
    writeFileSync(passwdFile, 'bob:x:1002:1002::/home/bob:/bin/sh\neve:x:1001:1001::/home/eve:/bin/sh\n');
    expect(await users.lookup('bob')).toMatchObject({ uid: 1000 });
    expect(await users.lookup('eve')).toMatchObject({ uid: 1001 });
    expect(await users.lookup('bob')).toMatchObject({ uid: 1002 });
    expect(await users.lookup('zoe')).toBeUndefined();
    writeFileSync(passwdFile, 'zoe:x:1003:1003::/home/zoe:/bin/sh\nada:x:1004:1004::/home/ada:/bin/sh\n');
    expect(await users.lookup('zoe')).toBeUndefined();
    expect(await users.lookup('ada')).toMatchObject({ uid: 1004 });
    expect(await users.lookup('zoe')).toMatchObject({ uid: 1003 });
  });

  it('asks getent for other sources, and remembers', async () => {
    writeFileSync(nsswitchFile, 'passwd: files ldap\n');
    const users = directory();
    const both = await Promise.all([users.lookup('ldap'), users.lookup('ldap')]);
    expect(both.map((user) => user?.uid)).toEqual([7000, 7000]);
    expect(await users.lookup('nobody-there')).toBeUndefined();
    expect(await users.lookup('nobody-there')).toBeUndefined();
    expect(await users.lookup('bob')).toMatchObject({ uid: 1000 });
    expect(await users.lookup('CASE')).toMatchObject({ name: 'case' });
    expect(asked()).toEqual(['passwd -- ldap', 'passwd -- nobody-there', 'passwd -- CASE']);
  });

  it('never hands on a name that is none', async () => {
    writeFileSync(nsswitchFile, 'passwd: files ldap\n');
    for (const name of ['', '-s', '--', 'a b', 'a:b', '../../x', 'ldap\n', 'l\0dap']) {
      expect(await directory().lookup(name)).toBeUndefined();
    }
    expect(asked()).toEqual([]);
  });

  it('does not take a failure for an answer', async () => {
    writeFileSync(nsswitchFile, 'passwd: files ldap\n');
    const users = directory({ getentTimeLimitMs: 200 });
    await expect(users.lookup('broken')).rejects.toThrow(UserDirectoryError);
    await expect(users.lookup('other')).rejects.toThrow(/unusable answer/);
    await expect(users.lookup('slow')).rejects.toThrow(/no answer in time/);
    await expect(directory({ getent: join(folder, 'gone') }).lookup('x')).rejects.toThrow(UserDirectoryError);
    await expect(directory({ passwdFile: join(folder, 'gone') }).lookup('bob')).rejects.toThrow(
      UserDirectoryError,
    );
  });

  it('looks at the passwd file alone without nsswitch.conf', async () => {
    const users = directory({ nsswitchFile: join(folder, 'gone') });
    expect(await users.lookup('bob')).toMatchObject({ uid: 1000 });
    expect(await users.lookup('ldap')).toBeUndefined();
  });
});
