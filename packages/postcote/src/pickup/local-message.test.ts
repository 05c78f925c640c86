import { describe, expect, it } from 'vitest';
import { completeAddresses } from './header-addresses.ts';
import type { LocalHeaderFacts } from './local-header.ts';
import { LocalMessage } from './local-message.ts';

const complete = (address: string): string => (address.includes('@') ? address : `${address}@example.com`);

const facts: LocalHeaderFacts = {
  queueId: '4A',
  myhostname: 'mail.example.com',
  mailName: 'Postfix',
  uid: 1000,
  date: new Date('2026-11-24T22:16:34Z'),
  sender: 'bob@example.com',
  fullName: 'Bob Example',
  complete,
};

function convert(
  text: string,
  { step = Infinity, ...other }: Partial<LocalHeaderFacts> & { step?: number } = {},
): string {
  const message = new LocalMessage({ ...facts, ...other });
  const pieces: Buffer[] = [];
  const emit = (piece: Buffer): void => {
    pieces.push(Buffer.from(piece));
  };
  const octets = Buffer.from(text, 'latin1');
  for (let at = 0; at < octets.length; at += step) message.push(octets.subarray(at, at + step), emit);
  message.finish(emit);
  return Buffer.concat(pieces).toString('latin1');
}

const RECEIVED =
  /^Received: by mail\.example\.com \(Postfix, from userid 1000\)\r\n\tid 4A; Tue, 24 Nov 2026 [^\r]+\r\n/;

/** Without our own Received and the fields that hold a date. */
const rest = (text: string): string => {
  const out = convert(text);
  expect(out).toMatch(RECEIVED);
  return out.replace(RECEIVED, '').replace(/^(?:Resent-)?(?:Date|Message-Id): .*\r\n/gm, '');
};

const FROM = 'From: Bob Example <bob@example.com>\r\n';

describe('LocalMessage', () => {
  it.each<[title: string, given: string, expected: string]>([
    ['completes a header', 'Subject: x\n\nhi\n', `Subject: x\r\n${FROM}\r\nhi\r\n`],
    ['makes one where there is none', 'hi there\n', `${FROM}\r\nhi there\r\n`],
    ['takes a body that looks odd', '\nFrom: no header\n', `${FROM}\r\nFrom: no header\r\n`],
    ['ends the last line', 'From: a\n\nhi', 'From: a@example.com\r\n\r\nhi\r\n'],
    ['ends a header that is all', 'From: a', 'From: a@example.com\r\n\r\n'],
    ['takes nothing at all', '', `${FROM}\r\n`],
    [
      'takes CRLF and CR',
      'From: a\r\nX: y\r\n\r\n1\r2\r\n3\n',
      'From: a@example.com\r\nX: y\r\n\r\n1\r\n2\r\n3\r\n',
    ],
    ['drops NUL', 'From: a\0b\n\nx\0y\n', 'From: ab@example.com\r\n\r\nxy\r\n'],
    ['keeps dots', 'From: a\n\n.\n..x\n', 'From: a@example.com\r\n\r\n.\r\n..x\r\n'],
    [
      'drops Bcc with its continuation',
      'Bcc: x,\n y\nTo: z\nReturn-Path: <q>\nContent-Length: 1\nFrom: a\n\n',
      'To: z@example.com\r\nFrom: a@example.com\r\n\r\n',
    ],
    ["drops a mailbox's first line", 'From bob Tue Nov 24\nFrom: a\n\n', 'From: a@example.com\r\n\r\n'],
    [
      'keeps folding',
      'To: a,\n\tb (c, d)\nFrom: a\n\n',
      'To: a@example.com,\r\n\tb@example.com (c, d)\r\nFrom: a@example.com\r\n\r\n',
    ],
    [
      'resends',
      'Resent-To: a\nFrom: b\n\n',
      'Resent-To: a@example.com\r\nFrom: b@example.com\r\nResent-From: Bob Example <bob@example.com>\r\n\r\n',
    ],
  ])('%s', (_title, given, expected) => {
    expect(rest(given)).toBe(expected);
    expect(convert(given, { step: 1 })).toBe(convert(given));
    expect(convert(given, { step: 2 })).toBe(convert(given));
    // Nothing that leaves here holds a CR or LF of its own.
    expect(convert(given).replaceAll('\r\n', '')).not.toMatch(/[\r\n\0]/);
  });

  it.each<[fullName: string | undefined, sender: string, from: string]>([
    [undefined, 'bob@example.com', 'bob@example.com'],
    ['Bob "the" B.', 'bob@example.com', String.raw`"Bob \"the\" B." <bob@example.com>`],
    ['Jürgen', 'j@example.com', '=?utf-8?B?SsO8cmdlbg==?= <j@example.com>'],
    ['Bob', '', 'MAILER-DAEMON@mail.example.com'],
  ])('names %s', (fullName, sender, from) => {
    expect(convert('\n', { fullName, sender })).toContain(`\r\nFrom: ${from}\r\n`);
  });

  it('counts hops', () => {
    const message = new LocalMessage(facts);
    message.push(Buffer.from('Received: a\nReceived: b\n\nReceived: c\n'), () => {});
    expect(message.received).toBe(2);
  });

  it('takes a header without end in bounded memory', () => {
    const message = new LocalMessage(facts);
    let octets = 0;
    for (let i = 0; i < 100; i++)
      message.push(Buffer.alloc(65_536, 'x'), (piece) => void (octets += piece.length));
    expect(octets).toBeGreaterThan(4_000_000);
  });
});

describe('completeAddresses', () => {
  it.each([
    ['bob', 'bob@example.com'],
    [' bob@x , alice', ' bob@x , alice@example.com'],
    ['Bob B <bob>, "a, b" <c@d>', 'Bob B <bob@example.com>, "a, b" <c@d>'],
    ['list: a, b@c;', 'list: a@example.com, b@c;'],
    ['(comment, x) bob', '(comment, x) bob@example.com'],
    ['"bob b"', '"bob b"@example.com'],
    ['undisclosed-recipients:;', 'undisclosed-recipients:;'],
    ['<>', '<>'],
    ['a b c', 'a b c'],
    ['"unclosed, bob', '"unclosed, bob@example.com'],
    ['', ''],
  ])('%s', (given, expected) => {
    expect(completeAddresses(given, complete)).toBe(expected);
  });
});
