// MULTIAPPEND (RFC 3502), CATENATE (RFC 4469), binary literals (RFC 3516), REPLACE (RFC 8508), as a client sees them.

import { MailboxError } from '@postcote/mailbox';
import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

const FIRST = 'From: bob@b.example\r\nSubject: one\r\n\r\nbody text\r\n';

async function client(chunk = Infinity): Promise<{ one: UserClient; store: ReturnType<typeof memoryStore> }> {
  const store = memoryStore();
  store.seed('INBOX', [
    { content: FIRST, recent: false },
    { content: 'Subject: two\r\n\r\nother\r\n', recent: false },
  ]);
  const one = new UserClient({ store, chunk });
  await one.run('SELECT INBOX');
  return { one, store };
}

const literal = (text: string, mark = ''): string =>
  `${mark}{${Buffer.byteLength(text, 'latin1')}+}\r\n${text}`;

describe.each([1, 5, Infinity])('in chunks of %s', (chunk) => {
  it('appends several messages at once', async () => {
    const { one } = await client(chunk);
    const answer = await one.run(
      `APPEND INBOX (\\Seen) ${literal('Subject: a\r\n\r\nabcd')} ${literal('Subject: b\r\n\r\nabcdef')} (\\Flagged) "07-Feb-1994 21:52:25 +0000" ${literal('x: y\r\n\r\n')}`,
    );
    expect(answer.at(-1)).toBe('T OK [APPENDUID 1000 3:5] Append completed.');
    expect((await one.run('FETCH 3:* (FLAGS RFC822.SIZE INTERNALDATE)')).slice(0, 3)).toEqual([
      expect.stringContaining('3 FETCH (FLAGS (\\Seen \\Recent) RFC822.SIZE 18'),
      expect.stringContaining('4 FETCH (FLAGS (\\Recent) RFC822.SIZE 20'),
      expect.stringContaining(
        '5 FETCH (FLAGS (\\Flagged \\Recent) RFC822.SIZE 8 INTERNALDATE "07-Feb-1994 21:52:25 +0000"',
      ),
    ]);
  });

  it('puts a message together of pieces', async () => {
    const { one } = await client(chunk);
    const answer = await one.run(
      `APPEND INBOX (\\Draft) CATENATE (TEXT ${literal('X: y\r\n')} URL "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)" TEXT ${literal('more ')} URL ";UID=1/;SECTION=TEXT/;PARTIAL=0.4") CATENATE (URL "/INBOX;UIDVALIDITY=1000/;UID=2")`,
    );
    expect(answer.at(-1)).toBe('T OK [APPENDUID 1000 3:4] Append completed.');
    expect((await one.run('FETCH 3 (BODY.PEEK[])')).slice(0, -1).join('\r\n')).toBe(
      '* 3 FETCH (BODY[] {31}\r\nX: y\r\nSubject: one\r\n\r\nmore body)'.replace('\r\n\r\n', '\r\n'),
    );
  });
});

describe('APPEND', () => {
  it.each([
    ['APPEND INBOX CATENATE (URL "/INBOX/;UID=99")', 'NO [BADURL /INBOX/;UID=99] Message not found.'],
    [
      'APPEND INBOX CATENATE (URL "imap://foo/INBOX/;UID=1")',
      'NO [BADURL imap://foo/INBOX/;UID=1] Invalid IMAP URL: Relative URL required.',
    ],
    ['APPEND INBOX CATENATE (URL "/nope/;UID=1")', "NO [BADURL /nope/;UID=1] Mailbox doesn't exist: nope."],
    [
      'APPEND INBOX CATENATE (URL "/INBOX;UIDVALIDITY=1/;UID=1")',
      'NO [BADURL /INBOX;UIDVALIDITY=1/;UID=1] Invalid UIDVALIDITY.',
    ],
    [
      'APPEND INBOX CATENATE (URL "gar]\\\\bage")',
      'NO [BADURL gar?\\bage] Invalid IMAP URL: Unrecognized IMAP URL.',
    ],
    ['APPEND INBOX CATENATE (FROB x)', 'BAD Error in IMAP command APPEND: Invalid arguments.'],
    ['APPEND INBOX CATENATE ()', 'BAD Error in IMAP command APPEND: Empty CATENATE list.'],
    ['APPEND INBOX', 'BAD Error in IMAP command APPEND: Missing message size.'],
    ['APPEND nope CATENATE (URL "/INBOX/;UID=1")', "NO [TRYCREATE] Mailbox doesn't exist: nope."],
    [`APPEND INBOX ${literal('a: b\r\n\r\n')} {0+}\r\n`, "NO Can't save a zero byte message."],
    [
      `APPEND INBOX CATENATE (TEXT ${literal('abc')} FROB)`,
      'BAD Error in IMAP command APPEND: Invalid arguments.',
    ],
    [
      `APPEND INBOX ${literal('a: b\r\n\r\n')} (\\Seen)`,
      'BAD Error in IMAP command APPEND: Invalid arguments.',
    ],
    [
      'APPEND INBOX (\\Seen) UTF8 (~{3+}\r\nabc)',
      'BAD Error in IMAP command APPEND: UTF8=ACCEPT is not enabled.',
    ],
  ])('%s', async (command, answer) => {
    const { one } = await client();
    const lines = await one.run(command);
    expect(lines.at(-1)).toBe(`T ${answer}`);
    // Nothing was kept, and the session is in step.
    expect((await one.run('STATUS INBOX (MESSAGES)'))[0]).toBe('* STATUS INBOX (MESSAGES 2)');
  });

  it('keeps all messages or none', async () => {
    const { one, store } = await client();
    let commits = 0;
    const begin = store.beginAppend.bind(store);
    store.beginAppend = async (name, options) => {
      const writer = await begin(name, options);
      const commit = writer.commit.bind(writer);
      return Object.assign(Object.create(writer) as typeof writer, {
        commit: () => {
          commits += 1;
          if (commits === 2) throw new MailboxError('noSpace', 'disk is full');
          return commit();
        },
      });
    };
    const answer = await one.run(`APPEND INBOX ${literal('a: b\r\n\r\n')} ${literal('a: c\r\n\r\n')}`);
    expect(answer.at(-1)).toMatch(/^T NO \[OVERQUOTA\]/);
    expect((await one.run('STATUS INBOX (MESSAGES)'))[0]).toBe('* STATUS INBOX (MESSAGES 2)');
  });

  it('has a limit for messages at once and for the size of each', async () => {
    const store = memoryStore();
    const one = new UserClient({ store, settings: { maxAppend: 100 } });
    const many = Array.from({ length: 101 }, () => literal('a: b\r\n\r\n')).join(' ');
    expect((await one.run(`APPEND INBOX ${many}`)).at(-1)).toMatch(/^T NO \[LIMIT\]/);
    expect((await one.run(`APPEND INBOX ${literal('x'.repeat(101))}`)).at(-1)).toMatch(/^T NO \[TOOBIG\]/);
    const pieces = `TEXT ${literal('x'.repeat(60))}`;
    expect((await one.run(`APPEND INBOX CATENATE (${pieces} ${pieces})`)).at(-1)).toMatch(/^T NO \[TOOBIG\]/);
    expect((await one.run('STATUS INBOX (MESSAGES)'))[0]).toBe('* STATUS INBOX (MESSAGES 0)');
  });

  it('makes base64 of binary parts', async () => {
    const { one } = await client();
    const octets = Buffer.from(Array.from({ length: 300 }, (_, at) => at % 256)).toString('latin1');
    const message = `MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="b"\r\n\r\n--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n${octets}\r\n--b\r\n\r\ntext\r\n--b--\r\n`;
    await one.run(`APPEND INBOX ${literal(message, '~')}`);
    one.send('X FETCH 3 (BINARY.SIZE[1] BINARY.PEEK[1])\r\n');
    const answer = await one.until((text) => text.includes('X OK'));
    expect(answer).toContain(`BINARY.SIZE[1] 300 BINARY[1] ~{300}\r\n${octets})`);
    expect((await one.run('FETCH 3 (BODY.PEEK[2])')).join('|')).toContain('{4}|text)');
    expect((await one.run('FETCH 3 (BODY.PEEK[1.MIME])')).join('|')).toContain(
      'Content-Transfer-Encoding: base64|',
    );
  });
});

describe('REPLACE', () => {
  it('puts one message in place of another', async () => {
    const { one } = await client();
    expect(await one.run(`REPLACE 1 INBOX (\\Draft) ${literal('a: b\r\n\r\nnew')}`)).toEqual([
      '* OK [APPENDUID 1000 3] Replacement Message ready.',
      '* 1 EXPUNGE',
      '* 2 EXISTS',
      '* 1 RECENT',
      'T OK Replace completed.',
    ]);
    expect((await one.run(`UID REPLACE 3 INBOX CATENATE (URL "/INBOX/;UID=2")`)).at(-1)).toBe(
      'T OK Replace completed.',
    );
    expect((await one.run('UID SEARCH ALL'))[0]).toBe('* SEARCH 2 4');
  });

  it.each([
    [`REPLACE 9 INBOX ${literal('a: b\r\n\r\n')}`, /^T BAD .*Invalid messageset/],
    [`UID REPLACE 9 INBOX ${literal('a: b\r\n\r\n')}`, /^T NO \[NONEXISTENT\]/],
    [`REPLACE 1:2 INBOX ${literal('a: b\r\n\r\n')}`, /^T BAD .*Only one message/],
    [`REPLACE 1 nope ${literal('a: b\r\n\r\n')}`, /^T NO \[TRYCREATE\]/],
    [`REPLACE 1 INBOX ${literal('a: b\r\n\r\n')} ${literal('a: b\r\n\r\n')}`, /^T BAD /],
  ])('refuses %#', async (command, answer) => {
    const { one } = await client();
    expect((await one.run(command)).at(-1)).toMatch(answer);
    expect((await one.run('UID SEARCH ALL'))[0]).toBe('* SEARCH 1 2');
  });

  it('needs a mailbox', async () => {
    const one = new UserClient();
    expect((await one.run(`REPLACE 1 INBOX ${literal('a: b\r\n\r\n')}`)).at(-1)).toBe(
      'T BAD No mailbox selected.',
    );
  });
});
