import fc from 'fast-check';
import { parseMessageStructure } from '@postcote/mime';
import { describe, expect, it } from 'vitest';
import { formatDateTime, parseDateTime, parseDay } from './dates.ts';
import { formatFlags, parseFlag } from './flags.ts';
import {
  formatAstring,
  formatContinuation,
  formatNstring,
  formatStatus,
  formatString,
  no,
} from './response.ts';
import { formatBodyStructure, formatEnvelope } from './structure-format.ts';

describe('dates', () => {
  it('reads and writes date-times', () => {
    expect(parseDateTime('07-Feb-1994 21:52:25 -0800')).toEqual(new Date('1994-02-08T05:52:25Z'));
    expect(parseDateTime(' 7-feb-1994 21:52:25 +0530')).toEqual(new Date('1994-02-07T16:22:25Z'));
    expect(formatDateTime(new Date('1994-02-08T05:52:25Z'), -480)).toBe('07-Feb-1994 21:52:25 -0800');
    expect(formatDateTime(new Date('1994-02-08T05:52:25Z'), 330)).toBe('08-Feb-1994 11:22:25 +0530');
    for (const wrong of [
      '',
      '7-Feb-1994',
      '32-Feb-1994 00:00:00 +0000',
      '07-Foo-1994 21:52:25 -0800',
      '07-Feb-1994 24:00:00 +0000',
      '07-Feb-1994 21:52:25 0800',
    ]) {
      expect(parseDateTime(wrong)).toBeUndefined();
    }
    expect(parseDay('1-Jan-1970')).toBe(0);
    expect(parseDay('2-JAN-1970')).toBe(1);
    expect(parseDay('0-Jan-1970')).toBeUndefined();
  });

  it('brings every moment back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4_000_000_000 }),
        fc.integer({ min: -14 * 60, max: 14 * 60 }),
        (seconds, zone) => {
          const date = new Date(seconds * 1000);
          expect(parseDateTime(formatDateTime(date, zone))).toEqual(date);
        },
      ),
    );
  });
});

describe('flags', () => {
  it('spells system flags in any case, and orders them as Dovecot does', () => {
    expect(parseFlag('\\SEEN')).toBe('\\Seen');
    expect(parseFlag('$Label1')).toBe('$Label1');
    for (const wrong of ['\\Recent', '\\Foo', '', 'a b', 'a(', 'a]', 'x'.repeat(64), 'ü'])
      expect(parseFlag(wrong)).toBeUndefined();
    expect(formatFlags(['$a', '\\Seen', '\\Answered', 'b'], true)).toBe('\\Answered \\Seen \\Recent $a b');
    expect(formatFlags([], false)).toBe('');
  });
});

describe('responses', () => {
  it('chooses quotes and literals', () => {
    expect(formatString('a b')).toBe('"a b"');
    expect(formatString('a"b')).toBe('{3}\r\na"b');
    expect(formatString('ü')).toBe('{1}\r\n\xfc');
    expect(formatString('€')).toBe('{3}\r\n\xe2\x82\xac');
    expect(formatString('a\r\nb\0')).toBe('{5}\r\na\r\nb\x80');
    expect(formatNstring(null)).toBe('NIL');
    expect(formatAstring('INBOX')).toBe('INBOX');
    expect(formatAstring('nil')).toBe('"nil"');
    expect(formatAstring('a "b" \\')).toBe('"a \\"b\\" \\\\"');
    expect(formatAstring('100%')).toBe('"100%"');
    expect(formatAstring('')).toBe('""');
  });

  it('never lets a text out of its line', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', ' ', '\r', '\n', '\0', ']', '[', 'ü', '€', '\u2028'),
      maxLength: 12,
    });
    fc.assert(
      fc.property(text, text, (text, code) => {
        for (const line of [formatStatus('a', no(text, code)), formatContinuation(text)]) {
          expect(line.slice(0, -2)).not.toMatch(/[\r\n\0]/);
          expect(line.endsWith('\r\n')).toBe(true);
        }
      }),
    );
  });
});

// What Dovecot 2.3.19 answers for this message.
const MESSAGE = [
  'From: "Ann B." <ann@example.com>, bob@example.org',
  'Sender: s@example.com',
  'To: undisclosed-recipients:;',
  'Cc: grp: a@b.c, "x\\\\y \\"q\\"" <d@e>;, =?utf-8?q?=C3=BC?= <u@e.f>',
  'Subject: Hello {world}',
  'Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)',
  'Message-ID: <m1@example.com>',
  'In-Reply-To: <m0@example.com>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary="xx"; charset="us-ascii"',
  'Content-Language: en, de',
  '',
  'preamble',
  '--xx',
  'Content-Type: text/plain; charset=utf-8; format=flowed',
  'Content-Transfer-Encoding: quoted-printable',
  'Content-ID: <cid@x>',
  'Content-Description: de sc',
  'Content-MD5: abc',
  '',
  'Hello =C3=BC',
  'line',
  '--xx',
  "Content-Type: application/octet-stream; name*=utf-8''%e4x",
  'Content-Disposition: attachment; filename="a b.bin"; size=3',
  'Content-Transfer-Encoding: base64',
  'Content-Location: http://x/',
  '',
  'AAEC',
  '--xx',
  'Content-Type: message/rfc822',
  '',
  'Subject: inner',
  'From: i@n.er',
  '',
  'inner body',
  'two',
  '--xx',
  'Content-Type: multipart/alternative; boundary=yy',
  '',
  '--yy',
  '',
  'plain',
  '--yy',
  'Content-Type: text/html',
  '',
  '<b>x</b>',
  '--yy--',
  '--xx--',
  'epilogue',
  '',
].join('\r\n');

describe('structures, as Dovecot 2.3 writes them', () => {
  const structure = parseMessageStructure(Buffer.from(MESSAGE));

  it('ENVELOPE', () => {
    expect(formatEnvelope(structure.envelope)).toBe(
      '("Mon, 7 Feb 1994 21:52:25 -0800 (PST)" "Hello {world}" (("Ann B." NIL "ann" "example.com")(NIL NIL "bob" "example.org")) ' +
        '((NIL NIL "s" "example.com")) (("Ann B." NIL "ann" "example.com")(NIL NIL "bob" "example.org")) ' +
        '((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)) ((NIL NIL "grp" NIL)(NIL NIL "a" "b.c")({7}\r\n' +
        'x\\y "q" NIL "d" "e")(NIL NIL NIL NIL)("=?utf-8?q?=C3=BC?=" NIL "u" "e.f")) NIL "<m0@example.com>" "<m1@example.com>")',
    );
  });

  it('BODY', () => {
    expect(formatBodyStructure(structure.root, false)).toBe(
      '(("text" "plain" ("charset" "utf-8" "format" "flowed") "<cid@x>" "de sc" "quoted-printable" 18 1)' +
        '("application" "octet-stream" ("name*" "utf-8\'\'%e4x") NIL NIL "base64" 4)' +
        '("message" "rfc822" NIL NIL NIL "7bit" 47 (NIL "inner" ((NIL NIL "i" "n.er")) ((NIL NIL "i" "n.er")) ((NIL NIL "i" "n.er")) NIL NIL NIL NIL NIL) ' +
        '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 15 1) 4)' +
        '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0)("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 8 0) "alternative") "mixed")',
    );
  });

  it('BODYSTRUCTURE', () => {
    expect(formatBodyStructure(structure.root, true)).toBe(
      '(("text" "plain" ("charset" "utf-8" "format" "flowed") "<cid@x>" "de sc" "quoted-printable" 18 1 "abc" NIL NIL NIL)' +
        '("application" "octet-stream" ("name*" "utf-8\'\'%e4x") NIL NIL "base64" 4 NIL ("attachment" ("filename" "a b.bin" "size" "3")) NIL "http://x/")' +
        '("message" "rfc822" NIL NIL NIL "7bit" 47 (NIL "inner" ((NIL NIL "i" "n.er")) ((NIL NIL "i" "n.er")) ((NIL NIL "i" "n.er")) NIL NIL NIL NIL NIL) ' +
        '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 15 1 NIL NIL NIL NIL) 4 NIL NIL NIL NIL)' +
        '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0 NIL NIL NIL NIL)("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 8 0 NIL NIL NIL NIL) ' +
        '"alternative" ("boundary" "yy") NIL NIL NIL) "mixed" ("boundary" "xx" "charset" "us-ascii") NIL ("en" "de") NIL)',
    );
  });
});
