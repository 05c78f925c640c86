// METADATA (RFC 5464), special uses (RFC 6154), and the settings that change what a session says.

import { describe, expect, it } from 'vitest';
import { ManualClock, memoryStore, UserClient } from '../testing/index.ts';
import { formatLogout } from './session-log.ts';
import { describeClientId, formatServerId } from './server-id.ts';

describe('METADATA', () => {
  it('keeps values of mailboxes and of the account', async () => {
    const one = new UserClient({ store: memoryStore() });
    await one.run('CREATE Box');
    expect(await one.run('SETMETADATA Box (/private/Comment "hello" /shared/a/b {3+}\r\na\tb)')).toEqual([
      'T OK Setmetadata completed.',
    ]);
    await one.run('SETMETADATA "" (/private/vendor/x ~{2+}\r\n\0a)');
    expect(await one.run('GETMETADATA Box (/private/comment /private/none)')).toEqual([
      '* METADATA Box (/private/comment {5}',
      'hello /private/none NIL)',
      'T OK Getmetadata completed.',
    ]);
    expect((await one.run('GETMETADATA (DEPTH infinity) Box (/private /shared)')).join('|')).toBe(
      '* METADATA Box (/private/comment {5}|hello /shared/a/b {3}|a\tb)|T OK Getmetadata completed.',
    );
    expect(await one.run('GETMETADATA (DEPTH 1) Box /shared')).toEqual(['T OK Getmetadata completed.']);
    expect((await one.run('GETMETADATA "" /private/vendor/x')).join('|')).toContain('~{2}|\0a)');
    expect(await one.run('GETMETADATA (MAXSIZE 4) Box /private/comment')).toEqual([
      'T OK [METADATA LONGENTRIES 5] Getmetadata completed.',
    ]);
    await one.run('RENAME Box Other');
    await one.run('SETMETADATA Other (/shared/a/b NIL)');
    expect((await one.run('GETMETADATA Other /shared/a/b'))[0]).toBe('* METADATA Other (/shared/a/b NIL)');
    expect((await one.run('GETMETADATA Other /private/comment')).join('|')).toContain('hello');
  });

  it.each([
    ['GETMETADATA Nope /private/comment', "NO Mailbox doesn't exist: Nope."],
    [
      'SETMETADATA INBOX (/foo/x "1")',
      'BAD Error in IMAP command SETMETADATA: Entry name must begin with /private or /shared.',
    ],
    ['SETMETADATA INBOX (/private/x)', 'BAD Error in IMAP command SETMETADATA: Entry value missing.'],
    ['SETMETADATA "" (/shared/comment "x")', 'NO [CANNOT] The /shared/comment attribute cannot be changed.'],
    [
      'SETMETADATA INBOX (/private/specialuse "x")',
      'NO [CANNOT] The /private/specialuse attribute cannot be changed.',
    ],
    ['GETMETADATA INBOX /private/*', "BAD Error in IMAP command GETMETADATA: Entry name can't contain '*'."],
    [
      'GETMETADATA (DEPTH 2) INBOX /private',
      'BAD Error in IMAP command GETMETADATA: Invalid value for DEPTH option.',
    ],
  ])('%s', async (command, answer) => {
    expect(await new UserClient().run(command)).toEqual([`T ${answer}`]);
  });

  it('has a limit', async () => {
    const one = new UserClient();
    const value = 'x'.repeat(40_000);
    for (let at = 0; at < 6; at++)
      await one.run(`SETMETADATA INBOX (/private/v${at} {${value.length}+}\r\n${value})`);
    expect(await one.run(`SETMETADATA INBOX (/private/v6 {${value.length}+}\r\n${value})`)).toEqual([
      'T NO [METADATA TOOMANY] Too many or too large metadata values.',
    ]);
  });
});

describe('CREATE with a use', () => {
  it('keeps it through a rename', async () => {
    const one = new UserClient({ store: memoryStore() });
    expect(await one.run('CREATE Old (USE (\\archive \\Junk))')).toEqual([
      expect.stringMatching(/^T OK \[MAILBOXID \(F[\w-]+\)\] Create completed\.$/),
    ]);
    await one.run('RENAME Old New');
    expect((await one.run('LIST (SPECIAL-USE) "" *'))[0]).toBe('* LIST (\\Archive \\Junk) "/" New');
    expect((await one.run('GETMETADATA New /private/specialuse')).join('|')).toContain('|\\Archive \\Junk)');
    expect(await one.run('CREATE All (USE (\\All))')).toEqual([
      'T NO [USEATTR] Special-use attribute is not known.',
    ]);
  });
});

describe('settings', () => {
  it('imap_capability adds or stands in', async () => {
    const capability = async (setting: string): Promise<string> =>
      (await new UserClient({ settings: { capability: setting } }).run('CAPABILITY'))[0] ?? '';
    expect(await capability('IMAP4rev1 IDLE')).toBe('* CAPABILITY IMAP4rev1 IDLE');
    expect(await capability('+XFOO XBAR')).toMatch(/^\* CAPABILITY IMAP4rev1 SASL-IR .* XFOO XBAR$/);
  });

  it('imap_id_send and imap_id_log', async () => {
    const one = new UserClient({
      settings: { idSend: 'name * vendor Acme version *', idLog: 'name version' },
    });
    expect((await one.run('ID ("name" "A<b>" "os" "x" "version" "1")'))[0]).toBe(
      '* ID ("name" "postcote" "vendor" "Acme")',
    );
    expect(one.logLines.at(-1)).toBe('info dovecot imap(alice)<42><s1>: ID sent: name=A?b?, version=1');
    expect(formatServerId('')).toBe('* ID NIL\r\n');
    expect(describeClientId(new Map([['os', 'x']]), '*')).toBe('ID sent: os=x');
    expect(describeClientId(new Map([['os', 'x']]), 'name')).toBeUndefined();
  });

  it('imap_logout_format', async () => {
    const one = new UserClient({ settings: { logoutFormat: 'in=%i del=%{deleted} 100%% %{nope}' } });
    await one.run('LOGOUT');
    expect(one.logLines.at(-1)).toMatch(/Logged out in=11 del=0 100% UNSUPPORTED_VARIABLE_nope$/);
    const counters = {
      input: 1,
      output: 2,
      deleted: 3,
      expunged: 4,
      headerCount: 5,
      headerOctets: 6,
      bodyCount: 7,
      bodyOctets: 8,
    };
    expect(formatLogout('%o %{input} %{fetch_hdr_count} %{fetch_body_bytes}', counters)).toBe('2 1 5 8');
  });

  it('imap_client_workarounds = delay-newmail', async () => {
    const store = memoryStore();
    store.seed('INBOX', [{ content: 'a: b\n\nx' }]);
    const clock = new ManualClock();
    const one = new UserClient({ store, clock, settings: { clientWorkarounds: ['delay-newmail'] } });
    await one.run('SELECT INBOX');
    const other = new UserClient({ store });
    await other.run('SELECT INBOX');
    store.seed('INBOX', [{ content: 'a: c\n\nx' }]);
    await other.run('STORE 1 +FLAGS (\\Seen)');
    const answer = await one.run('UID FETCH 1 (UID)');
    expect(answer.join()).not.toContain('EXISTS');
    expect((await one.run('UID STORE 1 +FLAGS (\\Flagged)')).join()).toContain('\\Flagged');
    expect(await one.run('NOOP')).toContain('* 2 EXISTS');
    expect(await one.run('NOOP')).toEqual(['T OK NOOP completed.']);
  });
});
