import { describe, expect, it } from 'vitest';
import { parseAuthQuestion } from './login-request.ts';
import {
  DEFAULT_MAIL_POLICY,
  isAskableName,
  mayHaveMail,
  parseNsswitchPasswd,
  parsePasswd,
  type UserRecord,
} from './user-directory.ts';
import {
  applyUserNameRules,
  DEFAULT_USER_NAME_CHARS,
  formatUserForLog,
  parseUserNameFormat,
} from './user-name.ts';

const bob: UserRecord = { name: 'bob', uid: 1000, gid: 1000, home: '/home/bob', shell: '/bin/sh' };

describe('mayHaveMail', () => {
  const refused: [change: Partial<UserRecord>, reason: RegExp][] = [
    [{ uid: 0 }, /root/],
    [{ gid: 0 }, /group root/],
    [{ uid: 499 }, /first_valid_uid/],
    [{ uid: 8 }, /first_valid_uid/],
    [{ uid: 65534 }, /no mail user/],
    [{ uid: 0xffffffff }, /no mail user/],
    [{ uid: -1 }, /no mail user/],
    [{ uid: 1.5 }, /no mail user/],
    [{ uid: Number.NaN }, /no mail user/],
    [{ gid: 0xffffffff }, /no mail user/],
    [{ home: '' }, /home/],
    [{ home: 'home/bob' }, /home/],
    [{ home: '/home/\0bob' }, /home/],
  ];
  it.each(refused)('refuses %j', (change, reason) => {
    const verdict = mayHaveMail({ ...bob, ...change });
    expect(verdict.kind === 'refused' ? verdict.reason : 'allowed').toMatch(reason);
  });

  it('allows users, and root never, whatever the settings', () => {
    expect(mayHaveMail(bob).kind).toBe('allowed');
    expect(mayHaveMail({ ...bob, uid: 500 }).kind).toBe('allowed');
    const lenient = { ...DEFAULT_MAIL_POLICY, firstValidUid: 0, firstValidGid: 0 };
    expect(mayHaveMail({ ...bob, uid: 8, gid: 8 }, lenient).kind).toBe('allowed');
    expect(mayHaveMail({ ...bob, uid: 0 }, lenient).kind).toBe('refused');
    expect(mayHaveMail({ ...bob, gid: 0 }, lenient).kind).toBe('refused');
    expect(mayHaveMail(bob, { ...DEFAULT_MAIL_POLICY, lastValidUid: 999 }).kind).toBe('refused');
    expect(mayHaveMail(bob, { ...DEFAULT_MAIL_POLICY, lastValidGid: 999 }).kind).toBe('refused');
  });
});

describe('passwd', () => {
  it('reads accounts and passes over what is none', () => {
    const users = parsePasswd(
      [
        '# comment',
        'root:x:0:0:root:/root:/bin/bash',
        '+::::::',
        '-x:::::',
        'short:x:1',
        'bad:x:one:1::/:',
        'bob:x:1000:1000:Bob,,,:/home/bob:/bin/sh',
        'bob:x:0:0::/:',
        'noshell:x:1001:1001::/home/n:',
        '',
      ].join('\n'),
    );
    expect([...users.keys()]).toEqual(['root', 'bob', 'noshell']);
    expect(users.get('bob')).toEqual(bob);
  });

  it.each([
    ['passwd: files systemd', ['files', 'systemd']],
    ['# passwd: x\npasswd:\tfiles [NOTFOUND=return] sss # why', ['files', 'sss']],
    ['group: files', ['files']],
    ['', ['files']],
  ])('reads nsswitch.conf %j', (text, sources) => {
    expect(parseNsswitchPasswd(text)).toEqual(sources);
  });

  it('hands only plain names to others', () => {
    expect(['bob', 'b.o-b_1', 'svc$', 'bob@example.org', 'a+b', '_apt'].every(isAskableName)).toBe(true);
    expect(
      ['', '-x', '--help', 'a b', 'a:b', 'a/b', '../x', 'a\nb', 'a\0b', 'bøb', '*', 'x'.repeat(256)].some(
        isAskableName,
      ),
    ).toBe(false);
  });
});

describe('user names', () => {
  const formats: [format: string, given: string, name: string | undefined][] = [
    ['%Lu', 'Bob@Example.ORG', 'bob@example.org'],
    ['%n', 'Bob@Example.ORG', 'Bob'],
    ['%Ln', 'Bob@Example.ORG', 'bob'],
    ['%Uu', 'bob', 'BOB'],
    ['%n.%d', 'bob@x', 'bob.x'],
    ['', 'Bob', 'Bob'],
    ['%{user | lower}', 'Bob@X', 'bob@x'],
    ['%{user | username | lower}', 'Bob@X', 'bob'],
    ['%{user|domain}', 'Bob@X', 'X'],
    ['%d', 'bob', undefined],
  ];
  it.each(formats)('%j makes of %j', (text, given, expected) => {
    const format = parseUserNameFormat(text);
    if (format === undefined) throw new Error('not read');
    const result = applyUserNameRules(given, { format, chars: DEFAULT_USER_NAME_CHARS });
    expect(result.kind === 'name' ? result.name : undefined).toBe(expected);
  });

  it.each(['%x', '%', '%{nope}', '%{user | sha256}', '%{user', '%L'])('does not understand %j', (text) => {
    expect(parseUserNameFormat(text)).toBeUndefined();
  });

  it('refuses characters that no account has', () => {
    expect(applyUserNameRules('bob')).toEqual({ kind: 'name', name: 'bob' });
    expect(applyUserNameRules('bo b')).toEqual({
      kind: 'refused',
      reason: 'user name contains disallowed character: 0x20',
    });
    expect(applyUserNameRules('').kind).toBe('refused');
    expect(applyUserNameRules('bøb').kind).toBe('refused');
  });

  it('cannot forge another address for a log filter', () => {
    expect(formatUserForLog('x,9.9.9.9): unknown user')).toBe('x?9.9.9.9???unknown?user');
    expect(formatUserForLog('u'.repeat(500))).toHaveLength(64);
  });
});

describe('parseAuthQuestion', () => {
  const request = {
    service: 'imap',
    mechanism: 'PLAIN',
    user: 'bob',
    password: 'x',
    remoteAddress: '192.0.2.1',
    localAddress: '::1',
    secured: true,
    sessionId: 'abc',
  };
  it('takes a request, with and without a hand-off', () => {
    expect(parseAuthQuestion({ request })).toEqual({ request });
    expect(parseAuthQuestion({ request: { ...request, more: 1 }, handOff: { a: 1 } })).toEqual({
      request,
      handOff: { a: 1 },
    });
  });
  const bad: unknown[] = [
    undefined,
    null,
    [],
    'x',
    {},
    { request: null },
    { request: { ...request, service: 'ssh' } },
    { request: { ...request, mechanism: 'GSSAPI' } },
    { request: { ...request, user: 7 } },
    { request: { ...request, user: 'u'.repeat(256) } },
    { request: { ...request, user: 'ü'.repeat(128) } },
    { request: { ...request, password: 'p'.repeat(1025) } },
    { request: { ...request, remoteAddress: '1.2.3.4): x' } },
    { request: { ...request, remoteAddress: '' } },
    { request: { ...request, sessionId: 'a b' } },
    { request: { ...request, secured: 'yes' } },
  ];
  it.each(bad)('refuses %j', (value) => {
    expect(parseAuthQuestion(value)).toBeUndefined();
  });
});
