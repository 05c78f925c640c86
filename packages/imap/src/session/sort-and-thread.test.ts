// SORT, THREAD, `$` and followed searches, as a client sees them. The answers are Dovecot 2.3's to the same mailbox.

import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

const MESSAGES = [
  ['bob@b.example', 'alice <alice@a>', 'Hello', 'Mon, 1 Jan 2024 12:00:00 +0000', '<1@x>', ''],
  ['Carol <carol@c>', 'alice@a', 'Re: Hello', 'Tue, 2 Jan 2024 12:00:00 +0000', '<2@x>', '<1@x>'],
  ['Zed <zed@z>', 'alice@a', 'Another', 'Mon, 1 Jan 2023 12:00:00 +0000', '<3@x>', ''],
  ['bob@b.example', 'alice@a', 'Re: Re: hello', 'Wed, 3 Jan 2024 12:00:00 +0000', '<4@x>', '<1@x> <2@x>'],
  ['Anna <anna@a>', 'Bert <bert@b>', 'Re: Lost', 'Wed, 3 Jan 2024 13:00:00 +0000', '<5@x>', '<lost@x>'],
  ['Anna <anna@a>', 'Bert <bert@b>', 'Re: Lost', 'Wed, 3 Jan 2024 14:00:00 +0000', '<6@x>', '<lost@x>'],
  ['=?utf-8?q?=C3=84rger?= <t@t>', 'Bert <bert@b>', 'another', 'bad date', '<7@x>', ''],
] as const;

async function client(): Promise<UserClient> {
  const store = memoryStore();
  store.seed(
    'INBOX',
    MESSAGES.map(([from, to, subject, date, id, references], at) => ({
      content:
        `From: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\nDate: ${date}\r\nMessage-ID: ${id}\r\n` +
        `${references === '' ? '' : `References: ${references}\r\n`}\r\nbody ${at} text\r\n${at === 1 ? 'x'.repeat(100) : ''}\r\n`,
      flags: at % 2 === 1 ? ['\\Seen'] : [],
      internalDate: new Date((1_700_000_000 + 60 * at) * 1000),
      recent: false,
    })),
  );
  const one = new UserClient({ store });
  await one.run('SELECT INBOX');
  return one;
}

describe('SORT', () => {
  it.each([
    ['SORT (SUBJECT) UTF-8 ALL', '* SORT 3 7 1 2 4 5 6'],
    ['SORT (REVERSE DATE) US-ASCII ALL', '* SORT 6 5 4 2 1 7 3'],
    ['UID SORT (DISPLAYFROM) UTF-8 UNSEEN', '* SORT 5 7 1 3'],
    ['SORT (FROM) UTF-8 ALL', '* SORT 5 6 1 4 2 7 3'],
    ['SORT (CC ARRIVAL) UTF-8 ALL', '* SORT 1 2 3 4 5 6 7'],
    ['SORT (REVERSE DISPLAYFROM) UTF-8 ALL', '* SORT 3 2 1 4 7 5 6'],
    ['SORT (REVERSE REVERSE DATE) UTF-8 ALL', '* SORT 3 7 1 2 4 5 6'],
    ['SORT (SUBJECT) UTF-8 SUBJECT nope', '* SORT'],
    ['SORT RETURN (PARTIAL 1:3) (DATE) UTF-8 ALL', '* ESEARCH (TAG "T_") PARTIAL (1:3 3,7,1)'],
    ['SORT RETURN (MIN) (DATE) UTF-8 SUBJECT nope', '* ESEARCH (TAG "T_")'],
    [
      'SORT RETURN (MIN MAX COUNT ALL) (SIZE) UTF-8 ALL',
      '* ESEARCH (TAG "T_") MIN 3 MAX 2 ALL 3,7,1,5:6,4,2 COUNT 7',
    ],
  ])('%s', async (command, answer) => {
    expect(await (await client()).run(command)).toEqual([answer, 'T OK Sort completed.']);
  });

  it.each([
    ['SORT () UTF-8 ALL', 'T BAD Error in IMAP command SORT: Empty sort program.'],
    ['SORT (FROB) UTF-8 ALL', 'T BAD Error in IMAP command SORT: Unknown sort argument: FROB.'],
    ['SORT (REVERSE) UTF-8 ALL', 'T BAD Error in IMAP command SORT: Sort list ends with REVERSE.'],
    ['SORT (SUBJECT) FROB ALL', 'T NO [BADCHARSET] Unknown charset.'],
    ['SORT SUBJECT UTF-8 ALL', 'T BAD Error in IMAP command SORT: Invalid sort argument.'],
    ['SORT (SUBJECT)', 'T BAD Error in IMAP command SORT: Invalid charset argument.'],
  ])('refuses %s', async (command, answer) => {
    expect(await (await client()).run(command)).toEqual([answer]);
  });
});

describe('THREAD', () => {
  it.each([
    ['THREAD REFERENCES UTF-8 ALL', '* THREAD ((3)(7))(1 2 4)((5)(6))'],
    ['THREAD ORDEREDSUBJECT UTF-8 ALL', '* THREAD (3 7)(1 (2)(4))(5 6)'],
    ['THREAD REFS UTF-8 ALL', '* THREAD (3)(7)(1 2 4)((5)(6))'],
    ['UID THREAD REFERENCES UTF-8 SEEN', '* THREAD (2 4)(6)'],
    ['THREAD REFERENCES UTF-8 SUBJECT nope', '* THREAD'],
  ])('%s', async (command, answer) => {
    expect(await (await client()).run(command)).toEqual([answer, 'T OK Thread completed.']);
  });

  it('refuses what it does not know', async () => {
    const one = await client();
    expect(await one.run('THREAD FROB UTF-8 ALL')).toEqual([
      'T BAD Error in IMAP command THREAD: Unknown thread algorithm.',
    ]);
    expect(await one.run('THREAD REFERENCES UTF-8')).toEqual([
      'T BAD Error in IMAP command THREAD: Missing search parameters.',
    ]);
  });
});

describe('SEARCHRES', () => {
  it('keeps what a search found, and what MIN and MAX gave', async () => {
    const one = await client();
    expect(await one.run('SEARCH RETURN (SAVE) SEEN')).toEqual(['T OK Search completed.']);
    expect((await one.run('SEARCH $'))[0]).toBe('* SEARCH 2 4 6');
    expect((await one.run('FETCH $ (UID)')).slice(0, 3)).toEqual([
      '* 2 FETCH (UID 2)',
      '* 4 FETCH (UID 4)',
      '* 6 FETCH (UID 6)',
    ]);
    expect((await one.run('SEARCH RETURN (SAVE MIN) UNSEEN'))[0]).toBe('* ESEARCH (TAG "T_") MIN 1');
    expect((await one.run('SEARCH $'))[0]).toBe('* SEARCH 1');
    await one.run('SEARCH RETURN (SAVE MIN MAX) ALL');
    expect((await one.run('SEARCH RETURN (ALL) UID $'))[0]).toBe('* ESEARCH (TAG "T_") ALL 1,7');
    expect((await one.run('SEARCH NOT $'))[0]).toBe('* SEARCH 2 3 4 5 6');
    expect((await one.run('SEARCH 1,$'))[0]).toMatch(/^T BAD /);
  });

  it('an empty result is no error, and a result survives being put away', async () => {
    const one = await client();
    await one.run('SEARCH RETURN (SAVE) SEEN');
    await one.sleepAndWake();
    expect((await one.run('SEARCH $'))[0]).toBe('* SEARCH 2 4 6');
    await one.run('SEARCH RETURN (SAVE COUNT) SUBJECT nope');
    expect(await one.run('FETCH $ (UID)')).toEqual(['T OK Fetch completed.']);
    expect(await one.run('UID STORE $ +FLAGS (x)')).toEqual(['T OK Store completed.']);
  });

  it('forgets what was expunged', async () => {
    const one = await client();
    await one.run('SEARCH RETURN (SAVE) SEEN');
    await one.run('STORE 2 +FLAGS.SILENT (\\Deleted)');
    await one.run('EXPUNGE');
    expect((await one.run('FETCH $ (UID)'))[0]).toBe('* 3 FETCH (UID 4)');
  });
});

describe('CONTEXT=SEARCH', () => {
  it('tells what comes and goes', async () => {
    const one = await client();
    expect((await one.run('SEARCH RETURN (UPDATE ALL) UNSEEN'))[0]).toBe('* ESEARCH (TAG "T_") ALL 1,3,5,7');
    expect(await one.run('STORE 1 +FLAGS (\\Seen)')).toEqual([
      '* 1 FETCH (FLAGS (\\Seen))',
      '* ESEARCH (TAG "T2") REMOVEFROM (0 1)',
      'T OK Store completed.',
    ]);
    expect((await one.run('STORE 2 -FLAGS (\\Seen)'))[1]).toBe('* ESEARCH (TAG "T2") ADDTO (0 2)');
    await one.run('UID SEARCH RETURN (UPDATE) ALL');
    await one.run('STORE 2:3 +FLAGS.SILENT (\\Deleted)');
    expect(await one.run('EXPUNGE')).toEqual([
      '* ESEARCH (TAG "T2") REMOVEFROM (0 2:3)',
      '* ESEARCH (TAG "T5") UID REMOVEFROM (0 2:3)',
      '* 3 EXPUNGE',
      '* 2 EXPUNGE',
      'T OK Expunge completed.',
    ]);
    expect(await one.run('CANCELUPDATE "T2" "T5"')).toEqual(['T OK Updates cancelled.']);
    expect(await one.run('CANCELUPDATE "T2"')).toEqual(['T NO Unknown tag.']);
    expect((await one.run('STORE 1 -FLAGS (\\Seen)')).length).toBe(2);
  });

  it('tells of new messages', async () => {
    const store = memoryStore();
    const one = new UserClient({ store });
    await one.run('SELECT INBOX');
    await one.run('UID SEARCH RETURN (UPDATE) SUBJECT wanted');
    store.outside('INBOX').deliver({ content: 'Subject: wanted\n\nx', recent: false });
    store.outside('INBOX').deliver({ content: 'Subject: other\n\nx', recent: false });
    expect(await one.run('NOOP')).toContain('* ESEARCH (TAG "T2") UID ADDTO (0 1)');
  });

  it('has a limit', async () => {
    const one = await client();
    for (let at = 0; at < 16; at++) await one.run('SEARCH RETURN (UPDATE) UNSEEN');
    expect((await one.run('SEARCH RETURN (UPDATE) UNSEEN'))[0]).toMatch(/^\* NO \[NOUPDATE "T18"\]/);
  });

  it.each([
    ['SEARCH RETURN (PARTIAL 10:20) ALL', '* ESEARCH (TAG "T_") PARTIAL (10:20 NIL)'],
    ['SEARCH RETURN (PARTIAL 2:1) ALL', '* ESEARCH (TAG "T_") PARTIAL (1:2 1:2)'],
    ['SEARCH RETURN (PARTIAL -1:-2) ALL', '* ESEARCH (TAG "T_") PARTIAL (-1:-2 6:7)'],
    ['SEARCH RETURN (PARTIAL -7:-9) ALL', '* ESEARCH (TAG "T_") PARTIAL (-7:-9 1)'],
    ['SEARCH RETURN (CONTEXT COUNT) ALL', '* ESEARCH (TAG "T_") COUNT 7'],
    ['SEARCH RETURN (PARTIAL x) ALL', 'T BAD Error in IMAP command SEARCH: PARTIAL range broken.'],
    [
      'SEARCH RETURN (PARTIAL 1:2 ALL) ALL',
      'T BAD Error in IMAP command SEARCH: PARTIAL conflicts with ALL.',
    ],
  ])('%s', async (command, answer) => {
    expect((await (await client()).run(command))[0]).toBe(answer);
  });
});

describe('MODSEQ in SEARCH', () => {
  it('tells the highest of what was found', async () => {
    const one = await client();
    await one.run('STORE 3 +FLAGS (\\Flagged)');
    const [enabled, answer] = await one.run('SEARCH MODSEQ 1');
    expect(enabled).toBe('* OK [HIGHESTMODSEQ 9] Highest');
    expect(answer).toBe('* SEARCH 1 2 3 4 5 6 7 (MODSEQ 9)');
    expect((await one.run('SEARCH MODSEQ "/flags/\\\\Seen" all 9'))[0]).toBe('* SEARCH 3 (MODSEQ 9)');
    expect((await one.run('SEARCH RETURN (MIN) MODSEQ 1'))[0]).toBe('* ESEARCH (TAG "T_") MIN 1 MODSEQ 2');
    expect((await one.run('SEARCH RETURN (COUNT ALL) MODSEQ 900'))[0]).toBe('* ESEARCH (TAG "T_") COUNT 0');
    expect((await one.run('SORT (REVERSE DATE) UTF-8 MODSEQ 9'))[0]).toBe('* SORT 3 (MODSEQ 9)');
    expect((await one.run('SEARCH MODSEQ x'))[0]).toMatch(/^T BAD /);
  });
});

describe('addresses', () => {
  it('are found however they are written', async () => {
    const store = memoryStore();
    store.seed('INBOX', [
      { content: 'From: <user (comment)@ (comment) domain.example>\n\nx' },
      { content: 'From: Name <user@domain.example>\n\nx' },
      { content: 'From: other@domain.example\n\nx' },
    ]);
    const one = new UserClient({ store });
    await one.run('SELECT INBOX');
    expect((await one.run('SEARCH FROM user@domain.example'))[0]).toBe('* SEARCH 1 2');
    expect((await one.run('SEARCH FROM "name <user@"'))[0]).toBe('* SEARCH 2');
  });
});

describe('RECURSIVEMATCH', () => {
  it('says nothing of what matches by itself', async () => {
    const one = new UserClient({ store: memoryStore() });
    await one.run('CREATE a/b/c');
    await one.run('CREATE a/b');
    await one.run('SUBSCRIBE a/b/c');
    expect((await one.run('LIST (SUBSCRIBED RECURSIVEMATCH) "" (a/b a/b/c)')).slice(0, -1)).toEqual([
      '* LIST (\\Subscribed) "/" a/b/c',
    ]);
    expect((await one.run('LIST (SUBSCRIBED RECURSIVEMATCH) "" a/%')).slice(0, -1)).toEqual([
      '* LIST () "/" a/b (CHILDINFO ("SUBSCRIBED"))',
    ]);
  });
});
