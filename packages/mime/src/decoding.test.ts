import fc from 'fast-check';
import libmime from 'libmime';
import { describe, expect, it } from 'vitest';
import { baseSubject } from './base-subject.ts';
import { decodeCharset, isKnownCharset } from './charset.ts';
import { parseDate } from './date.ts';
import { decodeWords } from './encoded-word.ts';
import { parseMessageIds } from './message-id.ts';
import { parseContentType } from './mime-fields.ts';
import { decodeParameter } from './parameters.ts';
import { parseMessageStructure } from './structure-parser.ts';
import { findInMessage, foldForSearch, searchableText } from './search-text.ts';
import { decodeTransferEncoding } from './transfer-encoding.ts';

describe('decodeWords', () => {
  it.each([
    ['plain', 'plain'],
    ['=?utf-8?q?J=C3=B6rg_M?= <a@b>', 'Jörg M <a@b>'],
    ['=?UTF-8?B?SsO2cmc=?=', 'Jörg'],
    ['=?iso-8859-1?Q?J=F6rg?= =?iso-8859-1?Q?_M?=', 'Jörg M'],
    ['a =?utf-8?q?b?= c =?utf-8?q?d?=', 'a b c d'],
    // A character cut between two words.
    ['=?utf-8?q?=C3?=\r\n =?utf-8?q?=B6?=', 'ö'],
    ['=?utf-8*de?q?=C3=B6?=', 'ö'],
    ['=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=', '日本'],
    ['=?windows-1251?Q?=CF=F0?=', 'Пр'],
    ['=?gb2312?B?1tDOxA==?=', '中文'],
    ['=?unknown-thing?q?abc?=', 'abc'],
    ['=?utf-8?q?unterminated', '=?utf-8?q?unterminated'],
    ['=?utf-8?x?a?=', '=?utf-8?x?a?='],
    ['=?=?=?utf-8?q?a?=', '=?=?a'],
    ['J\xc3\xb6rg', 'Jörg'],
    ['J\xf6rg', 'Jörg'],
    ['=?utf-8?q?a b?=', 'a b'],
  ])('%j reads %j', (text, expected) => expect(decodeWords(text)).toBe(expected));

  it('undoes what libmime encodes', () => {
    const texts = fc.string({
      unit: fc.constantFrom('a', 'ö', '日', ' ', '😀', '?', '=', '_'),
      maxLength: 60,
    });
    fc.assert(
      fc.property(texts, fc.constantFrom('Q' as const, 'B' as const), (text, encoding) => {
        expect(decodeWords(libmime.encodeWord(text, encoding, 50))).toBe(text);
      }),
    );
  });

  it('takes no long over hostile text', () => {
    const start = performance.now();
    for (const text of ['=?'.repeat(500_000), '=?a?q?'.repeat(150_000), `=?a?q?${'x'.repeat(1_000_000)}`])
      decodeWords(text);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('charsets', () => {
  it.each([
    'utf-8',
    'US-ASCII',
    'iso-8859-15',
    'KOI8-R',
    'Big5',
    'euc-jp',
    'Shift_JIS',
    'gb18030',
    'iso-2022-jp',
    'euc-kr',
    'windows-1252',
    'utf-7',
    'utf-16',
    '"utf-8"',
  ])('knows %s', (name) => expect(isKnownCharset(name)).toBe(true));
  it.each(['', 'x', 'base64', 'hex', 'a'.repeat(100), '__proto__'])('does not know %j', (name) => {
    expect(isKnownCharset(name)).toBe(false);
    expect(decodeCharset(Buffer.from('ok'), name)).toBe('ok');
  });
});

describe('decodeTransferEncoding', () => {
  it.each([
    ['YWJj\r\nZGVm\r\n', 'base64', 'abcdef'],
    ['YQ==\r\nYg==\r\n', 'BASE64', 'ab'],
    ['YW!Jj', 'base64', 'abc'],
    ['a=3D=\r\nb=C3=B6', 'quoted-printable', 'a=bö'],
    ['a=ZZb', 'quoted-printable', 'a=ZZb'],
    ['a=3D', '8bit', 'a=3D'],
    ['x', 'nonsense', 'x'],
  ])('%j in %s', (text, encoding, expected) => {
    expect(decodeTransferEncoding(Buffer.from(text, 'latin1'), encoding).toString()).toBe(expected);
  });
});

describe('parameters', () => {
  it.each([
    ["a/b; filename*=utf-8''na%C3%AFve.txt", 'naïve.txt'],
    ["a/b; filename*0*=utf-8''na%C3; filename*1*=%AFve; filename*2=.txt", 'naïve.txt'],
    ['a/b; filename="x y"', 'x y'],
    ['a/b; FILENAME=x', 'x'],
    ['a/b', undefined],
  ])('reads the file name of %s', (value, expected) => {
    expect(decodeParameter(parseContentType(value).parameters, 'filename')).toBe(expected);
  });
});

describe('parseDate', () => {
  it.each([
    ['Fri, 21 Nov 1997 09:55:06 -0600', '1997-11-21T15:55:06.000Z', '1997-11-21'],
    ['21 Nov 97 09:55 GMT', '1997-11-21T09:55:00.000Z', '1997-11-21'],
    ['Tue, 1 Jul 2003 10:52:37 +0200 (CEST)', '2003-07-01T08:52:37.000Z', '2003-07-01'],
    ['Thu,\r\n 13\r\n Feb 1969 23:32:54 -0330', '1969-02-14T03:02:54.000Z', '1969-02-13'],
    ['Mon, 1 Jan 2024 00:30:00 EST', '2024-01-01T05:30:00.000Z', '2024-01-01'],
    ['(c) Mon (d), 1 January 2024 00:30:00 +0000', '2024-01-01T00:30:00.000Z', '2024-01-01'],
    ['1 Jan 2024', '2024-01-01T00:00:00.000Z', '2024-01-01'],
    ['Sat, 31 Dec 2016 23:59:60 +0000', '2017-01-01T00:00:00.000Z', '2016-12-31'],
    ['Monday, 01-Jan-24 10:00:00 UTC', '2024-01-01T10:00:00.000Z', '2024-01-01'],
  ])('%s', (value, utc, day) => {
    const date = parseDate(value);
    expect(new Date(date?.time ?? NaN).toISOString()).toBe(utc);
    const two = (n: number | undefined): string => String(n).padStart(2, '0');
    expect(`${date?.year}-${two(date?.month)}-${two(date?.day)}`).toBe(day);
  });
  it.each(['', 'yesterday', '32 Jan 2024', '1 Foo 2024', '1 Jan 2024 25:00', '('.repeat(1000)])(
    '%s is none',
    (value) => expect(parseDate(value)).toBeUndefined(),
  );
});

describe('parseMessageIds', () => {
  it.each([
    ['<a@b> <c@d>', ['a@b', 'c@d']],
    ['junk <a@b> (comment) <"x y"@z>', ['a@b', 'xy@z']],
    ['<a@b', []],
    ['a@b', []],
    ['<@b> <a@> <ab>', []],
    ['<"a"@b>', ['a@b']],
    ['<a\r\n @b>', ['a@b']],
  ])('%j', (value, ids) => expect(parseMessageIds(value)).toEqual(ids));
});

describe('baseSubject', () => {
  it.each([
    ['Re: hello', 'hello', true],
    ['RE: re:  Fwd: [list] hello (fwd)', 'hello', true],
    ['[list] hello', 'hello', false],
    ['[PATCH]', '[PATCH]', false],
    ['[list] Re[2]: x', 'x', true],
    ['[fwd: hello]', 'hello', true],
    ['Re: ', '', true],
    ['Reply: x', 'Reply: x', false],
    ['a  b', 'a b', false],
  ])('%j', (subject, text, isReply) => expect(baseSubject(subject)).toEqual({ text, isReply }));
  it('takes no long', () => {
    const start = performance.now();
    baseSubject('re:'.repeat(300_000));
    baseSubject('[a]'.repeat(300_000));
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe('searching', () => {
  const message = Buffer.from(
    [
      'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=',
      'Content-Type: multipart/mixed; boundary=x',
      '',
      '--x',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(`${'line öä\n'.repeat(60_000)}needle here\n`)
        .toString('base64')
        .replace(/.{76}/g, '$&\r\n'),
      '--x',
      'Content-Type: image/png',
      '',
      'invisible',
      '--x',
      'Content-Type: message/rfc822',
      '',
      'Subject: inner',
      '',
      'inside',
      '--x--',
      '',
    ].join('\r\n'),
  );
  const source = { read: ({ start, end }: { start: number; end: number }) => message.subarray(start, end) };
  const structure = parseMessageStructure(message);
  const find = async (scope: 'body' | 'text', words: string[]): Promise<string[]> => [
    ...(await findInMessage(source, structure, { scope, needles: words.map(foldForSearch) })),
  ];

  it('finds decoded text in the scope', async () => {
    expect(await find('body', ['NEEDLE here', 'inside', 'inner', 'invisible', 'grüße'])).toEqual([
      'needle here',
      'inner',
      'inside',
    ]);
    expect(await find('text', ['grüße', 'SUBJECT: INNER', 'image/png'])).toHaveLength(3);
  });

  it('loses nothing where slices meet', async () => {
    let text = '';
    for await (const piece of searchableText(source, structure, 'body')) text += piece.text;
    expect(text.startsWith(`${'line öä\n'.repeat(60_000)}needle here\n`)).toBe(true);
  });
});
