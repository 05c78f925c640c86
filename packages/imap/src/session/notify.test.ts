// NOTIFY (RFC 5465), as a client sees it.

import { describe, expect, it } from 'vitest';
import { ManualClock, memoryStore, UserClient } from '../testing/index.ts';

async function client(): Promise<{
  one: UserClient;
  store: ReturnType<typeof memoryStore>;
  clock: ManualClock;
}> {
  const store = memoryStore();
  store.seed('INBOX', [{ content: 'a: b\n\nx', recent: false }]);
  store.seed('Box', [{ content: 'a: b\n\nx', recent: false }]);
  const clock = new ManualClock();
  const one = new UserClient({ store, clock });
  await one.run('SELECT INBOX');
  return { one, store, clock };
}

describe('NOTIFY', () => {
  it('tells how mailboxes stand, with what the events need', async () => {
    const { one } = await client();
    await one.run('ENABLE CONDSTORE');
    expect(await one.run('NOTIFY SET STATUS (mailboxes Box (MessageExpunge))')).toEqual([
      '* STATUS Box (MESSAGES 1)',
      'T OK NOTIFY completed.',
    ]);
    expect((await one.run('NOTIFY SET STATUS (mailboxes Box (MessageNew))'))[0]).toMatch(
      /^\* STATUS Box \(MESSAGES 1 UIDNEXT 2 UIDVALIDITY \d+\)$/,
    );
    expect((await one.run('NOTIFY SET STATUS (mailboxes Box (FlagChange))'))[0]).toMatch(
      /^\* STATUS Box \(UIDVALIDITY \d+ UNSEEN 1 HIGHESTMODSEQ 2\)$/,
    );
    expect(await one.run('NOTIFY SET (personal (MessageNew MessageExpunge FlagChange))')).toEqual([
      'T OK NOTIFY completed.',
    ]);
  });

  it('tells of other mailboxes without being asked, and of nothing after NONE', async () => {
    const { one, store } = await client();
    await one.run('NOTIFY SET (mailboxes Box (MessageNew MessageExpunge))');
    store.outside('Box').deliver({ content: 'a: c\n\nx' });
    expect(await one.until((text) => text.includes('STATUS'))).toMatch(
      /^\* STATUS Box \(MESSAGES 2 UIDNEXT 3 UIDVALIDITY \d+\)\r\n$/,
    );
    store.outside('Box').setFlags(1, ['\\Seen']);
    expect(await one.settle()).toBe('');
    store.outside('Box').remove(1);
    expect(await one.until((text) => text.includes('STATUS'))).toContain('MESSAGES 1');
    expect(one.session.canSuspend).toBe(false);
    await one.run('NOTIFY NONE');
    store.outside('Box').deliver({ content: 'a: c\n\nx' });
    expect(await one.settle()).toBe('');
    expect(one.session.canSuspend).toBe(true);
  });

  it('tells of the selected mailbox as it happens, with what is wanted of new messages', async () => {
    const { one, store } = await client();
    await one.run('NOTIFY SET (selected (MessageNew (BODY.PEEK[HEADER.FIELDS (SUBJECT)]) MessageExpunge))');
    store.outside('INBOX').deliver({ content: 'Subject: new\n\nx', recent: false });
    const told = await one.until((text) => text.includes('FETCH') && text.endsWith(')\r\n'));
    expect(told).toBe(
      '* 2 EXISTS\r\n* 0 RECENT\r\n* 2 FETCH (UID 2 BODY[HEADER.FIELDS (SUBJECT)] {16}\r\nSubject: new\r\n\r\n)\r\n',
    );
    store.outside('INBOX').remove(1);
    expect(await one.until((text) => text.includes('EXPUNGE'))).toBe('* 1 EXPUNGE\r\n');
    await one.run('NOTIFY SET (selected-delayed (MessageNew MessageExpunge))');
    store.outside('INBOX').remove(2);
    expect(await one.settle()).toBe('');
    expect(await one.run('NOOP')).toContain('* 1 EXPUNGE');
  });

  it('tells of names and subscriptions', async () => {
    const { one, store, clock } = await client();
    await one.run('NOTIFY SET (personal (MailboxName SubscriptionChange))');
    await store.create('New');
    await store.subscribe('Box');
    await store.delete('Box');
    clock.advance(10_000);
    expect((await one.until((text) => text.includes('Box'))).split('\r\n').sort()).toEqual([
      '',
      '* LIST () "/" New',
      '* LIST (\\Subscribed \\NonExistent) "/" Box',
    ]);
  });

  it.each([
    ['NOTIFY', 'T BAD Error in IMAP command NOTIFY: Unknown NOTIFY command.'],
    ['NOTIFY SET', 'T BAD Error in IMAP command NOTIFY: Missing event group.'],
    [
      'NOTIFY SET (personal (AnnotationChange))',
      'T NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)] Unsupported event.',
    ],
    ['NOTIFY SET (frob (MessageNew))', 'T BAD Error in IMAP command NOTIFY: Unknown mailbox filter.'],
    [
      'NOTIFY SET (mailboxes INBOX (MessageNew (FLAGS)))',
      'T BAD Error in IMAP command NOTIFY: Fetch items are for the selected mailbox.',
    ],
  ])('refuses %s', async (command, answer) => {
    expect(await new UserClient().run(command)).toEqual([answer]);
  });

  it('watches no more than it can', async () => {
    const store = memoryStore();
    for (let at = 0; at < 101; at++) await store.create(`b${at}`);
    const one = new UserClient({ store });
    expect((await one.run('NOTIFY SET (personal (MessageNew MessageExpunge))'))[0]).toMatch(
      /^\* OK \[NOTIFICATIONOVERFLOW\]/,
    );
  });
});
