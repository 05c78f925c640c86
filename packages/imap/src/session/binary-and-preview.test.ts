// BINARY (RFC 3516), PREVIEW (RFC 8970), SAVEDATE (RFC 8514), object ids (RFC 8474) and STATUS's newer items.

import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

const PARTS = [
  'Subject: parts',
  'Content-Type: multipart/mixed; boundary=xx',
  '',
  '--xx',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Gr=C3=BC=C3=9Fe and a soft =',
  'break',
  '> quoted',
  'last',
  '--xx',
  'Content-Type: application/octet-stream',
  'Content-Transfer-Encoding: base64',
  '',
  'AAECAwQF',
  'BgcICQ==',
  '--xx',
  'Content-Type: text/plain',
  'Content-Transfer-Encoding: x-unknown',
  '',
  'what',
  '--xx--',
  '',
].join('\r\n');

async function client(...contents: readonly string[]): Promise<UserClient> {
  const store = memoryStore();
  store.seed(
    'INBOX',
    contents.map((content) => ({ content, recent: false, flags: ['\\Seen'] })),
  );
  const one = new UserClient({ store });
  await one.run('SELECT INBOX');
  return one;
}

describe('BINARY', () => {
  it.each([
    ['BINARY[1]', '* 1 FETCH (BINARY[1] ~{40}\r\nGr\xc3\xbc\xc3\x9fe and a soft break\r\n> quoted\r\nlast)'],
    [
      'BINARY[2] BINARY.SIZE[2]',
      '* 1 FETCH (BINARY[2] ~{10}\r\n\0\x01\x02\x03\x04\x05\x06\x07\x08\t BINARY.SIZE[2] 10)',
    ],
    ['BINARY.PEEK[1]<2.5>', '* 1 FETCH (BINARY[1]<2> ~{5}\r\n\xc3\xbc\xc3\x9fe)'],
    ['BINARY[2]<100.5>', '* 1 FETCH (BINARY[2]<100> ~{0}\r\n)'],
    ['BINARY.SIZE[9]', '* 1 FETCH (BINARY.SIZE[9] 0)'],
    [`BINARY.SIZE[]`, `* 1 FETCH (BINARY.SIZE[] ${PARTS.length})`],
    ['BINARY[]<0.8>', '* 1 FETCH (BINARY[]<0> {8}\r\nSubject:)'],
  ])('%s', async (item, answer) => {
    const lines = await (await client(PARTS)).run(`FETCH 1 (${item})`);
    expect(lines.join('\r\n')).toBe(`${answer}\r\nT OK Fetch completed.`);
  });

  it('refuses an encoding that nobody knows, and answers for the others', async () => {
    const one = await client(PARTS, 'Subject: plain\r\n\r\nbody');
    expect(await one.run('FETCH 1:2 (BINARY.SIZE[3])')).toEqual([
      '* 2 FETCH (BINARY.SIZE[3] 0)',
      'T NO [UNKNOWN-CTE] Unknown Content-Transfer-Encoding.',
    ]);
  });

  it('decodes base64 whatever the length of its lines, streaming', async () => {
    const octets = Buffer.from(Array.from({ length: 100_003 }, (_, at) => (at * 7919) % 256));
    const text = octets.toString('base64').replaceAll(/.{1,71}/g, '$&\r\n');
    const one = await client(`Content-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\n${text}`);
    expect(await one.run('FETCH 1 (BINARY.SIZE[1])')).toContain('* 1 FETCH (BINARY.SIZE[1] 100003)');
    one.send('X FETCH 1 (BINARY.PEEK[1]<5.99000>)\r\n');
    const answer = await one.until((received) => received.includes('X OK'));
    const head = '* 1 FETCH (BINARY[1]<5> ~{99000}\r\n';
    expect(answer.startsWith(head)).toBe(true);
    const body = Buffer.from(answer.slice(head.length, head.length + 99_000), 'latin1');
    expect(body.equals(octets.subarray(5, 99_005))).toBe(true);
  });
});

describe('PREVIEW', () => {
  const html =
    'Content-Type: text/html; charset=utf-8\r\n\r\n<html><head><title>T</title><style>p {x: y}</style></head>' +
    '<body><p>Hello &amp; <b>bold</b> world &#8364;</p>\r\n<blockquote>quoted</blockquote><div>end</div></body></html>\r\n';
  it.each([
    [PARTS, '{29}\r\nGr\xc3\xbc\xc3\x9fe and a soft break last'],
    [html, '{28}\r\nT Hello & bold world \xe2\x82\xac end'],
    ['Subject: empty\r\n\r\n', '""'],
    ['Subject: quoted\r\n\r\n> one\r\n> two\r\n', '">one two"'],
    [`Subject: long\r\n\r\n${'x'.repeat(300)}`, `"${'x'.repeat(200)}"`],
    ['Content-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lGODlhAQABAIAAAP', '""'],
    [`Content-Type: text/html\r\n\r\n${'<'.repeat(5000)}${'<a'.repeat(5000)}`, '""'],
  ])('%#', async (content, preview) => {
    const lines = await (await client(content)).run('FETCH 1 (PREVIEW)');
    expect(lines.slice(0, -1).join('\r\n')).toBe(`* 1 FETCH (PREVIEW ${preview})`);
  });

  it('is answered in the form it was asked in', async () => {
    const one = await client('Subject: a\r\n\r\nbody\r\n');
    expect((await one.run('FETCH 1 PREVIEW (LAZY)'))[0]).toBe('* 1 FETCH (PREVIEW "body")');
    expect((await one.run('FETCH 1 (PREVIEW (FUZZY))'))[0]).toBe('* 1 FETCH (PREVIEW (FUZZY "body"))');
    expect((await one.run('FETCH 1 (SNIPPET (LAZY=FUZZY))'))[0]).toBe('* 1 FETCH (SNIPPET (FUZZY "body"))');
    expect((await one.run('FETCH 1 (PREVIEW (FROB))'))[0]).toBe(
      "T BAD Error in IMAP command FETCH: 'FROB' is not a supported PREVIEW modifier.",
    );
  });
});

describe('ids, dates, sizes', () => {
  it('keeps an id through a copy, and has another for another message', async () => {
    const one = await client('Subject: a\r\n\r\nbody\r\n', 'Subject: b\r\n\r\nbody\r\n');
    await one.run('CREATE Other');
    await one.run('COPY 1 Other');
    const id =
      /EMAILID \((M[\w-]{20})\) THREADID NIL/.exec(
        (await one.run('FETCH 1 (EMAILID THREADID)'))[0] ?? '',
      )?.[1] ?? '';
    expect(id).not.toBe('');
    expect((await one.run(`SEARCH EMAILID ${id}`))[0]).toBe('* SEARCH 1');
    const box =
      /MAILBOXID \((F[\w-]{20})\)/.exec((await one.run('STATUS INBOX (MAILBOXID)'))[0] ?? '')?.[1] ?? '';
    const selected = (await one.run('SELECT Other')).join('\n');
    expect(selected).not.toContain(box);
    expect((await one.run('FETCH 1 (EMAILID)'))[0]).toContain(id);
  });

  it('tells when a message was saved', async () => {
    const one = await client('Subject: a\r\n\r\nbody\r\n');
    expect((await one.run('FETCH 1 (SAVEDATE)'))[0]).toBe(
      '* 1 FETCH (SAVEDATE "14-Nov-2023 22:13:21 +0000")',
    );
    expect((await one.run('SEARCH SAVEDATESUPPORTED SAVEDON 14-Nov-2023'))[0]).toBe('* SEARCH 1');
    expect((await one.run('SEARCH SAVEDBEFORE 14-Nov-2023'))[0]).toBe('* SEARCH');
  });

  it('answers every item of STATUS', async () => {
    const one = await client('Subject: a\r\n\r\nbody\r\n');
    await one.run('UNSELECT');
    expect((await one.run('STATUS INBOX (APPENDLIMIT SIZE DELETED HIGHESTMODSEQ MESSAGES)'))[0]).toBe(
      '* STATUS INBOX (MESSAGES 1 DELETED 0 HIGHESTMODSEQ 2 SIZE 20 APPENDLIMIT 4294967295)',
    );
    expect((await one.run('LIST "" INBOX RETURN (STATUS (SIZE))')).slice(0, 2)).toEqual([
      '* LIST () "/" INBOX',
      '* STATUS INBOX (SIZE 20)',
    ]);
  });
});
