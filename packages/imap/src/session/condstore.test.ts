// CONDSTORE and QRESYNC (RFC 7162) as a client sees them, worded as Dovecot 2.3 words them.

import type { MailStore } from '@postcote/mailbox';
import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

const seed = (count: number): { content: string; recent: boolean }[] =>
  Array.from({ length: count }, (_, at) => ({ content: `Subject: m${at + 1}\n\nx`, recent: false }));

async function client(count = 7, enable = 'ENABLE QRESYNC'): Promise<UserClient> {
  const store = memoryStore();
  store.seed('INBOX', seed(count));
  const one = new UserClient({ store });
  if (enable !== '') await one.run(enable);
  await one.run('SELECT INBOX');
  return one;
}

describe('CONDSTORE', () => {
  it.each(['ENABLE CONDSTORE', 'STATUS INBOX (HIGHESTMODSEQ)', 'SELECT INBOX (CONDSTORE)'])(
    'is switched on by %s',
    async (enabling) => {
      const one = await client(2, enabling);
      expect(await one.run('STORE 1 +FLAGS (\\Seen)')).toEqual([
        '* 1 FETCH (MODSEQ (4) FLAGS (\\Seen))',
        'T OK Store completed.',
      ]);
      expect(await one.run('STORE 1 +FLAGS.SILENT (\\Draft)')).toEqual([
        '* 1 FETCH (MODSEQ (5))',
        'T OK Store completed.',
      ]);
    },
  );

  it.each([
    'FETCH 1 (MODSEQ)',
    'SEARCH MODSEQ 1',
    'FETCH 1 (UID) (CHANGEDSINCE 1)',
    'STORE 1 (UNCHANGEDSINCE 1) FLAGS (a)',
  ])('is switched on by %s, and says so', async (enabling) => {
    const one = await client(2, '');
    expect((await one.run(enabling))[0]).toBe('* OK [HIGHESTMODSEQ 3] Highest');
    expect((await one.run('STORE 2 +FLAGS (\\Seen)'))[0]).toMatch(/^\* 2 FETCH \(MODSEQ \(\d\) FLAGS/);
  });

  it('stores under a condition', async () => {
    const one = await client(4, 'ENABLE CONDSTORE');
    await one.run('STORE 2 +FLAGS (\\Seen)');
    expect(await one.run('STORE 1:3 (UNCHANGEDSINCE 5) +FLAGS (\\Flagged)')).toEqual([
      '* 1 FETCH (MODSEQ (7) FLAGS (\\Flagged))',
      '* 3 FETCH (MODSEQ (7) FLAGS (\\Flagged))',
      'T OK [MODIFIED 2] Conditional store failed.',
    ]);
    expect(await one.run('UID STORE 1:4 (UNCHANGEDSINCE 0) -FLAGS.SILENT (x)')).toEqual([
      'T OK [MODIFIED 1:4] Conditional store failed.',
    ]);
  });

  it('fetches what changed', async () => {
    const one = await client(3, 'ENABLE CONDSTORE');
    await one.run('STORE 2 +FLAGS (\\Seen)');
    expect(await one.run('FETCH 1:* (FLAGS) (CHANGEDSINCE 4)')).toEqual([
      '* 2 FETCH (FLAGS (\\Seen) MODSEQ (5))',
      'T OK Fetch completed.',
    ]);
    expect((await one.run('UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)'))[0]).toMatch(/^T BAD .*QRESYNC/);
  });
});

describe('QRESYNC', () => {
  it('says VANISHED for EXPUNGE, with the sequence of the expunge', async () => {
    const one = await client();
    await one.run('STORE 3:4 +FLAGS.SILENT (\\Deleted)');
    expect(await one.run('EXPUNGE')).toEqual([
      '* VANISHED 3:4',
      'T OK [HIGHESTMODSEQ 10] Expunge completed.',
    ]);
    expect(await one.run('UID FETCH 1:2 (UID) (VANISHED CHANGEDSINCE 9)')).toEqual(['T OK Fetch completed.']);
    expect(await one.run('UID FETCH 1:7 (UID) (VANISHED CHANGEDSINCE 7)')).toEqual([
      '* VANISHED (EARLIER) 3:4',
      '* 5 FETCH (UID 7 MODSEQ (8))',
      'T OK Fetch completed.',
    ]);
  });

  it('brings a client up to date at SELECT', async () => {
    const one = await client();
    const store = one.store;
    await one.run('UNSELECT');
    const other = new UserClient({ store });
    await other.run('SELECT INBOX');
    await other.run('STORE 2,6 +FLAGS (\\Deleted)');
    await other.run('EXPUNGE');
    await other.run('STORE 1 +FLAGS (\\Flagged)');
    const answer = await one.run('SELECT INBOX (QRESYNC (1000 8))');
    expect(answer.slice(-4)).toEqual([
      expect.stringMatching(/^\* OK \[MAILBOXID/),
      '* VANISHED (EARLIER) 2,6',
      '* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (11))',
      'T OK [READ-WRITE] Select completed.',
    ]);
    const known = await one.run('SELECT INBOX (QRESYNC (1000 8 4:7))');
    expect(known.at(-2)).toBe('* VANISHED (EARLIER) 6');
    const matched = await one.run('SELECT INBOX (QRESYNC (1000 8 1:7 (1:3 1,3,4)))');
    expect(matched).toContain('* VANISHED (EARLIER) 6');
    const another = await one.run('SELECT INBOX (QRESYNC (999 1))');
    expect(another.join()).not.toContain('VANISHED');
  });

  it('names all that is not there where the store forgot', async () => {
    const one = await client(3);
    const open = one.store.open.bind(one.store);
    const forgetful: MailStore = Object.assign(Object.create(one.store) as MailStore, {
      open: async (name: string) => {
        const mailbox = await open(name);
        mailbox.expungedSince = () => undefined;
        return mailbox;
      },
    });
    await one.run('STORE 1,3 +FLAGS.SILENT (\\Deleted)');
    await one.run('CLOSE');
    const other = new UserClient({ store: forgetful });
    await other.run('ENABLE QRESYNC');
    expect(await other.run('SELECT INBOX (QRESYNC (1000 1 1:4294967295))')).toContain(
      '* VANISHED (EARLIER) 1,3',
    );
    expect(
      await other.run('SELECT INBOX (QRESYNC (1000 1 1:4294967295 (1:4294967295 2,4:4294967295)))'),
    ).toContain('* VANISHED (EARLIER) 3');
  });

  it('is refused where it was not enabled, and does not leave the mailbox', async () => {
    const one = await client(1, '');
    expect((await one.run('SELECT INBOX (QRESYNC (1000 1))'))[0]).toMatch(/^T BAD .*QRESYNC not enabled/);
    expect((await one.run('FETCH 1 (UID)'))[0]).toBe('* 1 FETCH (UID 1)');
  });

  it('survives being put away', async () => {
    const one = await client(2);
    await one.sleepAndWake();
    await one.run('STORE 1 +FLAGS.SILENT (\\Deleted)');
    expect(await one.run('EXPUNGE')).toEqual(['* VANISHED 1', 'T OK [HIGHESTMODSEQ 5] Expunge completed.']);
  });
});
