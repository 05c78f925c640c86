// Dialogs with the session after login: what each command answers, in Dovecot's words where Dovecot has them.

import { MailboxError } from '@postcote/mailbox';
import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

const seed = (count: number): { content: string; flags: string[] }[] =>
  Array.from({ length: count }, (_, at) => ({
    content: `From: a${at + 1}@example.com\r\nSubject: Message ${at + 1}\r\n\r\nbody ${at + 1}\r\n`,
    flags: at === 0 ? ['\\Seen'] : [],
  }));

async function withInbox(count = 3): Promise<{ store: ReturnType<typeof memoryStore>; client: UserClient }> {
  const store = memoryStore();
  store.seed('INBOX', seed(count));
  const client = new UserClient({ store });
  await client.run('SELECT INBOX');
  return { store, client };
}

type Dialog = readonly [command: string, ...answer: string[]];

const withoutId = (line: string): string => line.replace(/\[MAILBOXID \(F[\w-]{20}\)\] /, '');

async function play(client: UserClient, dialogs: readonly Dialog[]): Promise<void> {
  for (const [command, ...answer] of dialogs)
    expect([command, ...(await client.run(command)).map(withoutId)]).toEqual([command, ...answer]);
}

describe('without a mailbox', () => {
  it('answers what makes no sense', async () => {
    await play(new UserClient(), [
      ['FOO', 'T BAD Error in IMAP command FOO: Unknown command.'],
      ['LOGIN a b', 'T BAD Error in IMAP command LOGIN: Unknown command.'],
      ['FETCH 1 FLAGS', 'T BAD No mailbox selected.'],
      ['UID FETCH', 'T BAD No mailbox selected.'],
      ['SELECT', 'T BAD Error in IMAP command SELECT: Invalid arguments.'],
      ['SELECT nope', "T NO Mailbox doesn't exist: nope."],
      ['SELECT "A&B"', 'T NO Mailbox name is not valid mUTF-7.'],
      ['STATUS INBOX ()', 'T BAD Error in IMAP command STATUS: Empty status list.'],
      ['NOOP', 'T OK NOOP completed.'],
      ['ENABLE X-NEVER-HEARD-OF', 'T OK Enabled.'],
      ['ID ("name" "x")', '* ID ("name" "postcote")', 'T OK ID completed.'],
      ['NAMESPACE', '* NAMESPACE (("" "/")) NIL NIL', 'T OK Namespace completed.'],
    ]);
  });

  it('ends after twenty bad commands in a row', async () => {
    const client = new UserClient();
    for (let at = 1; at < 20; at++) await client.run('FOO');
    expect(await client.run('FOO')).toEqual([
      'T BAD Error in IMAP command FOO: Unknown command.',
      '* BYE Too many invalid IMAP commands.',
    ]);
    expect(client.host.closed).toBe(true);
  });

  it('creates, lists, renames, deletes', async () => {
    await play(new UserClient({ store: memoryStore() }), [
      ['LIST "" ""', '* LIST (\\Noselect) "/" ""', 'T OK List completed.'],
      ['LIST foo ""', '* LIST (\\Noselect) "/" ""', 'T OK List completed.'],
      ['CREATE Sent', 'T OK Create completed.'],
      ['CREATE Sent', 'T NO [ALREADYEXISTS] Mailbox already exists.'],
      ['CREATE A/B/', 'T OK Create completed.'],
      ['CREATE A/../B', "T NO [CANNOT] Invalid mailbox name: Contains '..' part."],
      ['CREATE cur', 'T NO [CANNOT] Invalid mailbox name: Contains reserved name.'],
      ['CREATE {3+}\r\na\r\n', 'T NO Mailbox name is not valid mUTF-7.'],
      ['CREATE {3+}\r\na\0b', 'T NO Mailbox name is not valid mUTF-7.'],
      [
        'LIST "" *',
        '* LIST (\\HasNoChildren) "/" INBOX',
        '* LIST (\\Noselect \\HasChildren) "/" A',
        '* LIST (\\HasNoChildren) "/" A/B',
        '* LIST (\\HasNoChildren \\Sent) "/" Sent',
        'T OK List completed.',
      ],
      [
        'LIST "" % RETURN (SPECIAL-USE)',
        '* LIST () "/" INBOX',
        '* LIST (\\Noselect) "/" A',
        '* LIST (\\Sent) "/" Sent',
        'T OK List completed.',
      ],
      ['LIST (SPECIAL-USE) "" *', '* LIST (\\Sent) "/" Sent', 'T OK List completed.'],
      ['LIST A/ %', '* LIST (\\HasNoChildren) "/" A/B', 'T OK List completed.'],
      [
        'LIST "" (INBOX A/%) RETURN (STATUS (MESSAGES UIDNEXT))',
        '* LIST () "/" INBOX',
        '* STATUS INBOX (MESSAGES 0 UIDNEXT 1)',
        '* LIST () "/" A/B',
        '* STATUS A/B (MESSAGES 0 UIDNEXT 1)',
        'T OK List completed.',
      ],
      ['LIST (FOO) "" *', 'T BAD Error in IMAP command LIST: Unknown select options.'],
      ['SUBSCRIBE A/B', 'T OK Subscribe completed.'],
      ['SUBSCRIBE nope', "T NO Mailbox doesn't exist: nope."],
      ['LSUB "" *', '* LSUB () "/" A/B', 'T OK Lsub completed.'],
      ['LSUB "" %', '* LSUB (\\Noselect) "/" A', 'T OK Lsub completed.'],
      ['LIST (SUBSCRIBED) "" *', '* LIST (\\Subscribed) "/" A/B', 'T OK List completed.'],
      [
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" %',
        '* LIST (\\Noselect) "/" A (CHILDINFO ("SUBSCRIBED"))',
        'T OK List completed.',
      ],
      ['DELETE A', 'T NO Mailbox has children, delete them first.'],
      ['DELETE A/B', 'T OK Delete completed.'],
      [
        'LIST (SUBSCRIBED) "" * RETURN (CHILDREN)',
        '* LIST (\\Subscribed \\NonExistent \\HasNoChildren) "/" A/B',
        'T OK List completed.',
      ],
      ['DELETE INBOX', "T NO INBOX can't be deleted."],
      ['DELETE nope', "T NO [NONEXISTENT] Mailbox doesn't exist: nope."],
      ['RENAME INBOX x', "T NO [CANNOT] Renaming INBOX isn't supported."],
      ['RENAME Sent Sent/x', "T NO Can't rename mailbox under its own child."],
      ['RENAME Sent Weg', 'T OK Rename completed.'],
      ['STATUS Weg (UIDNEXT MESSAGES)', '* STATUS Weg (MESSAGES 0 UIDNEXT 1)', 'T OK Status completed.'],
    ]);
  });
});

describe('with a mailbox', () => {
  it('fetches in the order of Dovecot, and marks as seen what was read', async () => {
    const { client, store } = await withInbox();
    await play(client, [
      [
        'FETCH 1:* (UID FLAGS)',
        '* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))',
        '* 2 FETCH (UID 2 FLAGS (\\Recent))',
        '* 3 FETCH (UID 3 FLAGS (\\Recent))',
        'T OK Fetch completed.',
      ],
      [
        'FETCH 2 (BODY[TEXT] RFC822.SIZE)',
        '* 2 FETCH (RFC822.SIZE 52 FLAGS (\\Seen \\Recent) BODY[TEXT] {8}',
        'body 2',
        ')',
        'T OK Fetch completed.',
      ],
      ['UID FETCH 2 BODY[TEXT]<0.4>', '* 2 FETCH (UID 2 BODY[TEXT]<0> {4}', 'body)', 'T OK Fetch completed.'],
      ['FETCH 3 BODY.PEEK[]<1000.5>', '* 3 FETCH (BODY[]<1000> {0}', ')', 'T OK Fetch completed.'],
      ['FETCH 3 FLAGS', '* 3 FETCH (FLAGS (\\Recent))', 'T OK Fetch completed.'],
      ['UID FETCH 100:* UID', '* 3 FETCH (UID 3)', 'T OK Fetch completed.'],
      ['UID FETCH 100 UID', 'T OK Fetch completed.'],
      ['FETCH 4 UID', 'T BAD Error in IMAP command FETCH: Invalid messageset.'],
      ['FETCH 1:4 UID', 'T BAD Error in IMAP command FETCH: Invalid messageset.'],
      [
        'FETCH 3,1,1:2 UID',
        '* 1 FETCH (UID 1)',
        '* 2 FETCH (UID 2)',
        '* 3 FETCH (UID 3)',
        'T OK Fetch completed.',
      ],
      ['FETCH 1 ()', 'T BAD Error in IMAP command FETCH: FETCH list is empty.'],
      ['FETCH 1 (FLAGS ALL)', 'T BAD Error in IMAP command FETCH: Unknown parameter: ALL.'],
      ['FETCH 1 BODY[FOO]', 'T BAD Error in IMAP command FETCH: Invalid BODY[..] section.'],
      ['FETCH 1 BODY[', "T BAD Error in IMAP command FETCH: Invalid BODY[..] parameter: Missing ']'."],
      ['FETCH 1 BODY.PEEK[7.MIME]', '* 1 FETCH (BODY[7.MIME] {0}', ')', 'T OK Fetch completed.'],
      ['UID FETCH 4294967296 FLAGS', 'T BAD Error in IMAP command UID FETCH: Invalid uidset.'],
    ]);
    expect(store.failNext).toBeTypeOf('function');
    expect((await store.status('INBOX')).unseen).toBe(1);
  });

  it('stores flags in any case, silently when asked', async () => {
    const { client } = await withInbox();
    await play(client, [
      [
        'STORE 1 +FLAGS (\\FLAGGED)',
        '* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))',
        'T OK Store completed.',
      ],
      ['STORE 1 -FLAGS.SILENT \\flagged', 'T OK Store completed.'],
      [
        'UID STORE 2 FLAGS ($label1)',
        '* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $label1)',
        '* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $label1 \\*)] Flags permitted.',
        '* 2 FETCH (UID 2 FLAGS (\\Recent $label1))',
        'T OK Store completed.',
      ],
      ['STORE 1 +FLAGS (\\Foo)', 'T BAD Error in IMAP command STORE: Invalid system flag \\FOO.'],
      ['STORE 1 FOO (x)', 'T BAD Error in IMAP command STORE: Invalid arguments.'],
      ['UID STORE 99 FLAGS (\\Seen)', 'T OK Store completed.'],
      [
        'STORE 1:* FLAGS ()',
        '* 1 FETCH (FLAGS (\\Recent))',
        '* 2 FETCH (FLAGS (\\Recent))',
        'T OK Store completed.',
      ],
    ]);
  });

  it('expunges, copies and moves', async () => {
    const { client, store } = await withInbox(5);
    await store.create('Box');
    await play(client, [
      ['COPY 1 nope', "T NO [TRYCREATE] Mailbox doesn't exist: nope."],
      ['UID COPY 1:2,4 Box', 'T OK [COPYUID 1001 1:2,4 1:3] Copy completed.'],
      ['UID COPY 77 Box', 'T OK No messages found.'],
      [
        'MOVE 2 Box',
        '* OK [COPYUID 1001 2 4] Moved UIDs.',
        '* 2 EXPUNGE',
        '* 4 RECENT',
        'T OK Move completed.',
      ],
      ['STORE 1,3 +FLAGS.SILENT (\\Deleted)', 'T OK Store completed.'],
      ['UID EXPUNGE 1:2', '* 1 EXPUNGE', '* 3 RECENT', 'T OK Expunge completed.'],
      ['EXPUNGE', '* 2 EXPUNGE', '* 2 RECENT', 'T OK Expunge completed.'],
      ['FETCH 1:* UID', '* 1 FETCH (UID 3)', '* 2 FETCH (UID 5)', 'T OK Fetch completed.'],
      ['STORE 1 +FLAGS.SILENT (\\Deleted)', 'T OK Store completed.'],
      ['CLOSE', 'T OK Close completed.'],
    ]);
    expect((await store.status('INBOX')).messages).toBe(1);
    expect((await store.status('Box')).messages).toBe(4);
  });

  it('changes nothing in an examined mailbox', async () => {
    const { client, store } = await withInbox(1);
    await client.run('STORE 1 FLAGS (\\Deleted)');
    await client.run('EXAMINE INBOX');
    await play(client, [
      ['FETCH 1 BODY[TEXT]', '* 1 FETCH (BODY[TEXT] {8}', 'body 1', ')', 'T OK Fetch completed.'],
      ['STORE 1 FLAGS (\\Seen)', 'T OK Store ignored with read-only mailbox.'],
      ['EXPUNGE', 'T NO [READ-ONLY] Mailbox is read-only.'],
      ['MOVE 1 INBOX', 'T NO [READ-ONLY] Mailbox is read-only.'],
      ['CLOSE', 'T OK Close completed.'],
    ]);
    expect(await store.status('INBOX')).toMatchObject({ messages: 1, unseen: 1 });
  });

  it('searches', async () => {
    const store = memoryStore();
    const client = new UserClient({ store });
    store.seed('INBOX', [
      {
        content:
          'From: "A B" <a@b.c>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= welt\r\nDate: Tue, 8 Feb 1994 01:00:00 +0900\r\n' +
          'Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nU3RyYd9l\r\n',
        flags: ['\\Seen', 'Foo'],
        internalDate: new Date('1994-02-07T23:00:00Z'),
      },
      { content: 'Subject: two\r\nX-Foo: bar\r\n\r\nplain text\r\n', internalDate: new Date() },
    ]);
    await client.run('SELECT INBOX');
    const found = async (key: string): Promise<string | undefined> => (await client.run(`SEARCH ${key}`))[0];
    const utf8 = (text: string): string => {
      const bytes = Buffer.from(text);
      return `{${bytes.length}+}\r\n${bytes.toString('latin1')}`;
    };
    const expected: [string, string][] = [
      ['ALL', '1 2'],
      ['SEEN', '1'],
      ['NOT SEEN', '2'],
      ['NOT NOT NOT SEEN', '2'],
      ['OR SEEN UNSEEN', '1 2'],
      ['OR (SEEN DELETED) (SUBJECT two)', '2'],
      ['KEYWORD foo', '1'],
      ['UNKEYWORD foo', '2'],
      ['1:100', '1 2'],
      ['100', ''],
      ['UID 100:*', '2'],
      ['*', '2'],
      ['FROM "a b"', '1'],
      ['FROM a@b', '1'],
      ['FROM ""', '1'],
      ['HEADER X-FOO ""', '2'],
      ['HEADER X-Foo BAR', '2'],
      [`BODY ${utf8('STRAß')}`, '1'],
      [`SUBJECT ${utf8('GRÜße')}`, '1'],
      [`TEXT ${utf8('grüße welt')} BODY ${utf8('straß')}`, '1'],
      [`OR BODY nothing BODY plain`, '2'],
      ['TEXT "x-foo: BAR"', '2'],
      ['TEXT plain', '1 2'],
      ['BODY plain', '2'],
      ['CHARSET ISO-8859-1 BODY {5+}\r\nstra\xdf', '1'],
      ['SENTON 8-Feb-1994', '1'],
      ['ON 7-Feb-1994', '1'],
      ['SINCE 1-Jan-2000', '2'],
      ['BEFORE "1-Jan-2000"', '1'],
      ['YOUNGER 1000', '2'],
      ['OLDER 1000', '1'],
      ['SMALLER 60', '2'],
      ['LARGER 60', '1'],
      ['NEW', '2'],
      ['OLD', ''],
      ['RECENT', '1 2'],
      ['NOT (OR SEEN SEEN)', '2'],
    ];
    for (const [key, numbers] of expected) {
      expect([key, await found(key)]).toEqual([key, numbers === '' ? '* SEARCH' : `* SEARCH ${numbers}`]);
    }
    await play(
      client,
      [
        [
          'UID SEARCH RETURN (MIN MAX COUNT ALL) ALL',
          '* ESEARCH (TAG "T_") UID MIN 1 MAX 2 ALL 1:2 COUNT 2',
          'T OK Search completed.',
        ],
        ['SEARCH RETURN (COUNT) DELETED', '* ESEARCH (TAG "T_") COUNT 0', 'T OK Search completed.'],
        ['SEARCH CHARSET x-nope ALL', 'T NO [BADCHARSET] Unknown charset.'],
        ['SEARCH', 'T BAD Error in IMAP command SEARCH: Missing search parameters.'],
        ['SEARCH FOO', 'T BAD Error in IMAP command SEARCH: Unknown argument FOO.'],
        ['SEARCH OR SEEN', 'T BAD Error in IMAP command SEARCH: Missing argument.'],
        ['SEARCH SINCE bad', 'T BAD Error in IMAP command SEARCH: Invalid search date parameter.'],
        [
          `SEARCH ${'NOT '.repeat(600)}ALL`,
          'T BAD Error in IMAP command SEARCH: Search program is too complex.',
        ],
      ].map(([command, ...answer]) => [command as string, ...answer] as const),
    );
  });

  it('appends: dates, flags, NULs, bare line feeds, refusals', async () => {
    const { client, store } = await withInbox(0);
    await play(client, [
      [
        'APPEND INBOX () " 1-Jan-2020 00:00:00 +0000" {10+}\r\na: b\n\nc\0\r\n',
        '* 1 EXISTS',
        '* 1 RECENT',
        'T OK [APPENDUID 1000 1] Append completed.',
      ],
      [
        'FETCH 1 (INTERNALDATE BODY.PEEK[])',
        '* 1 FETCH (INTERNALDATE "01-Jan-2020 00:00:00 +0000" BODY[] {12}',
        'a: b',
        'c\x80',
        ')',
        'T OK Fetch completed.',
      ],
      ['APPEND nope {3+}\r\nabc', "T NO [TRYCREATE] Mailbox doesn't exist: nope."],
      ['APPEND nope {3}', "T NO [TRYCREATE] Mailbox doesn't exist: nope."],
      ['APPEND INBOX (\\Foo) {3}', 'T BAD Error in IMAP command APPEND: Invalid system flag \\FOO.'],
      ['APPEND INBOX "bad" {3}', 'T BAD Error in IMAP command APPEND: Invalid internal date.'],
      ['APPEND INBOX {0+}\r\n', "T NO Can't save a zero byte message."],
      ['APPEND INBOX {3+}\r\nabc junk', 'T BAD Error in IMAP command APPEND: Invalid arguments.'],
      ['APPEND INBOX', 'T BAD Error in IMAP command APPEND: Missing message size.'],
    ]);
    store.failNext('commit', new MailboxError('noSpace', 'disk full'));
    await play(client, [
      ['APPEND INBOX {3+}\r\nabc', 'T NO [OVERQUOTA] Not enough disk space.'],
      ['NOOP', 'T OK NOOP completed.'],
    ]);
    expect((await store.status('INBOX')).messages).toBe(1);
  });

  it('asks for a synchronising literal only when it wants it', async () => {
    const { client } = await withInbox(0);
    client.send('x APPEND INBOX {3}\r\n');
    expect(await client.settle()).toBe('+ OK\r\n');
    client.send('abc\r\n');
    expect(await client.until((text) => text.includes('x OK'))).toContain(
      'x OK [APPENDUID 1000 1] Append completed.\r\n',
    );
    client.send('y APPEND INBOX {99999999999}\r\n');
    expect(await client.settle()).toBe('y NO [TOOBIG] Message is too large.\r\n');
  });

  it('keeps on when storage fails', async () => {
    const { client, store } = await withInbox(1);
    store.failNext('store', new MailboxError('unavailable', 'I/O error in /home/alice'));
    await play(client, [
      [
        'STORE 1 FLAGS (\\Seen)',
        'T NO [SERVERBUG] Internal error occurred. Refer to server log for more information.',
      ],
      [
        'STORE 1 +FLAGS (\\Flagged)',
        '* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))',
        'T OK Store completed.',
      ],
    ]);
    expect(client.logLines.join('\n')).toContain('I/O error');
  });
});
