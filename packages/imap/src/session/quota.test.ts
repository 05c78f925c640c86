// QUOTA (RFC 9208) as a client sees it.

import { MailboxError, type MailStore } from '@postcote/mailbox';
import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

function client(): UserClient {
  const store = memoryStore();
  store.seed('INBOX', [{ content: 'a: b\r\n\r\nxyz', flags: ['\\Deleted'], recent: false }]);
  const roots = async () => [
    {
      name: 'User quota',
      storage: { used: 1025, limit: 10_240 },
      messages: { used: 3, limit: 5 },
    },
    { name: 'Other' },
  ];
  const withQuota: MailStore = Object.assign(store, { quota: { roots } });
  return new UserClient({ store: withQuota });
}

describe('QUOTA', () => {
  it('is announced where there is one', async () => {
    expect((await client().run('CAPABILITY'))[0]).toMatch(/ QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE\b/);
    expect((await new UserClient().run('CAPABILITY'))[0]).not.toContain('QUOTA');
    expect(await new UserClient().run('GETQUOTAROOT INBOX')).toEqual([
      'T NO [CANNOT] There are no quotas here.',
    ]);
  });

  it.each([
    [
      'GETQUOTAROOT INBOX',
      '* QUOTAROOT INBOX "User quota" "Other"',
      '* QUOTA "User quota" (STORAGE 2 10 MESSAGE 3 5)',
      '* QUOTA "Other" ()',
      'T OK Getquotaroot completed.',
    ],
    ['GETQUOTA "User quota"', '* QUOTA "User quota" (STORAGE 2 10 MESSAGE 3 5)', 'T OK Getquota completed.'],
    ['GETQUOTA nope', "T NO [NONEXISTENT] Quota root doesn't exist."],
    ['SETQUOTA "User quota" (STORAGE 512)', 'T NO [NOPERM] Quota can be changed only by admin.'],
    ['SETQUOTA nope ()', "T NO [NONEXISTENT] Quota root doesn't exist."],
    ['STATUS INBOX (DELETED DELETED-STORAGE)', '* STATUS INBOX (DELETED 1 DELETED-STORAGE 11)'],
  ])('%s', async (command, ...lines) => {
    const answer = await client().run(command);
    expect(answer.slice(0, lines.length)).toEqual(lines);
  });

  it.each(['GETQUOTA', 'GETQUOTAROOT', 'SETQUOTA x', 'GETQUOTA (x)', 'SETQUOTA "x" y'])(
    '%s is no command',
    async (command) => {
      expect((await client().run(command)).at(-1)).toMatch(/^T BAD /);
    },
  );

  it("tells in the configuration's words what does not fit", async () => {
    const store = memoryStore();
    store.beginAppend = async () => {
      throw new MailboxError('overQuota', 'Your mailbox is full', { said: true });
    };
    const one = new UserClient({ store });
    expect((await one.run('APPEND INBOX {3+}\r\nabc')).at(-1)).toBe('T NO [OVERQUOTA] Your mailbox is full.');
  });
});
