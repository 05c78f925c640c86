import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderReader } from './header-reader.ts';
import { missingHeaders } from './missing-headers.ts';

const ADDED = 'Added: yes\r\n';

function run(chunks: readonly Buffer[]): { text: string; received: number; seen: string[] } {
  let seen: string[] = [];
  const out: Buffer[] = [];
  const reader = new HeaderReader({
    complete: (names) => {
      seen = [...names];
      return ADDED;
    },
  });
  for (const chunk of chunks) reader.push(chunk, (piece) => out.push(Buffer.from(piece)));
  reader.finish((piece) => out.push(Buffer.from(piece)));
  return { text: Buffer.concat(out).toString('latin1'), received: reader.received, seen };
}

const whole = (text: string): Buffer[] => [Buffer.from(text, 'latin1')];
const bytes = (text: string): Buffer[] => [...Buffer.from(text, 'latin1')].map((octet) => Buffer.of(octet));

const CASES: readonly [name: string, input: string, output: string, received: number][] = [
  ['a header and a body', 'Subject: x\r\n\r\nbody\r\n', `Subject: x\r\n${ADDED}\r\nbody\r\n`, 0],
  ['a header alone', 'Subject: x\r\n', `Subject: x\r\n${ADDED}`, 0],
  ['nothing', '', ADDED, 0],
  ['a body alone', 'hello\r\nSubject: x\r\n', `${ADDED}\r\nhello\r\nSubject: x\r\n`, 0],
  ['an empty header', '\r\nbody: x\r\n', `${ADDED}\r\nbody: x\r\n`, 0],
  ['folded fields', 'A: x\r\n y\r\n\tz\r\n\r\n', `A: x\r\n y\r\n\tz\r\n${ADDED}\r\n`, 0],
  [
    'hops',
    'Received: a\r\nreceived : b\r\nX-Received: c\r\n\r\nReceived: d\r\n',
    `Received: a\r\nreceived : b\r\nX-Received: c\r\n${ADDED}\r\nReceived: d\r\n`,
    2,
  ],
  ['text that follows a field', 'A: x\r\nplain text\r\n', `A: x\r\n${ADDED}\r\nplain text\r\n`, 0],
  ['a long line', `A: ${'x'.repeat(5000)}\r\n\r\nb\r\n`, `A: ${'x'.repeat(5000)}\r\n${ADDED}\r\nb\r\n`, 0],
  ['a long line of text', `${'x'.repeat(5000)}\r\n`, `${ADDED}\r\n${'x'.repeat(5000)}\r\n`, 0],
];

describe('HeaderReader', () => {
  it.each(CASES)('reads %s, whole and octet by octet', (_, input, text, received) => {
    expect(run(whole(input))).toMatchObject({ text, received });
    expect(run(bytes(input))).toMatchObject({ text, received });
  });

  it('gives the same for any chunking', () => {
    const line = fc.constantFrom('A: b', 'Received: x', ' folded', 'text', '', 'Re', 'x:');
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 12 }),
        fc.array(fc.nat(20), { maxLength: 20 }),
        (lines, cuts) => {
          const input = Buffer.from(lines.map((l) => `${l}\r\n`).join(''));
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) chunks.push(input.subarray(at, (at += cut)));
          chunks.push(input.subarray(at));
          expect(run(chunks)).toEqual(run([input]));
        },
      ),
    );
  });
});

describe('missingHeaders', () => {
  const facts = {
    queueId: 'ABC',
    myhostname: 'mail.example.com',
    sender: 'bob@sender.example',
    date: new Date(Date.UTC(2026, 10, 24, 20, 53, 9)),
  };
  const names = (seen: string[], sender = facts.sender): string[] =>
    missingHeaders({ ...facts, sender })(new Set(seen))
      .split('\r\n')
      .filter((line) => line !== '');

  it('adds what is missing, in order', () => {
    const [messageId, date, from] = names(['subject']);
    expect(messageId).toBe('Message-Id: <20261124205309.ABC@mail.example.com>');
    expect(date).toMatch(/^Date: \w{3}, 2\d \w{3} 2026 \d\d:\d\d:\d\d [+-]\d{4} \(.+\)$/);
    expect(from).toBe('From: bob@sender.example');
  });

  it('adds nothing that is there', () => {
    expect(names(['message-id', 'date', 'from'])).toEqual([]);
  });

  it('looks for Resent- fields in a resent message', () => {
    expect(
      names(['message-id', 'date', 'from', 'resent-to', 'resent-date']).map((line) => line.split(':')[0]),
    ).toEqual(['Resent-Message-Id', 'Resent-From']);
  });

  it('names the mailer daemon for the null sender', () => {
    expect(names(['message-id', 'date'], '')).toEqual(['From: MAILER-DAEMON@mail.example.com']);
  });
});
