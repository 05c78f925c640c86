// Command lines, ESMTP parameters, networks, replies, names of clients.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findClientName } from './client-name.ts';
import { splitCommandLine } from './command-line.ts';
import { decodeXtext, parseMailParameters, parseRecipientParameters } from './esmtp-parameters.ts';
import { NetworkSyntaxError, compileNetworks, parseIpv4, parseIpv6 } from './networks.ts';
import { ReplyError, formatReply, plainReply, printable, reply, softened } from './reply.ts';
import { defaultSmtpSettings } from './settings.ts';
import { FakeDns } from './testing/index.ts';

describe('splitCommandLine', () => {
  it.each<[string, string[]]>([
    ['MAIL FROM:<a@b> SIZE=1', ['MAIL', 'FROM:', '<a@b>', 'SIZE=1']],
    ['MAIL FROM: <a@b>', ['MAIL', 'FROM:', '<a@b>']],
    ['MAIL FROM:<"a b"@c> X', ['MAIL', 'FROM:', '<"a b"@c>', 'X']],
    ['MAIL FROM:<a b>', ['MAIL', 'FROM:', '<a b>']],
    ['  NOOP\t x ', ['NOOP', 'x']],
    ['', []],
    ['a:b c:d', ['a:b', 'c:d']],
    ['X y\\ z', ['X', 'y\\ z']],
  ])('%j', (line, words) => {
    expect(splitCommandLine(line).map((word) => word.text)).toEqual(words);
  });

  it('marks what never closes', () => {
    expect(splitCommandLine('MAIL FROM:<a b').at(-1)).toEqual({ text: '<a b', broken: true });
  });

  it('is linear in hostile lines', () => {
    const started = performance.now();
    for (const c of ['<', '"', '[', '\\', '<"', '>']) splitCommandLine(`MAIL FROM:${c.repeat(20_000)}`);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('parameters', () => {
  const settings = { ...defaultSmtpSettings('m'), saslAuthEnable: true };
  it.each<[string, unknown]>([
    ['SIZE=100 BODY=8BITMIME', { size: 100, bodyType: '8BITMIME' }],
    ['size=5 body=7bit smtputf8', { size: 5, bodyType: '7BIT', smtpUtf8: true }],
    ['RET=hdrs ENVID=a+2Bb', { ret: 'HDRS', envelopeId: 'a+b' }],
    ['AUTH=<>', { size: 0 }],
  ])('MAIL %s', (text, value) => {
    expect(parseMailParameters(text.split(' '), settings)).toMatchObject({ value });
  });

  it.each<[string, string]>([
    ['SIZE=x', '501 5.5.4 Bad message size syntax'],
    ['SIZE=-1', '501 5.5.4 Bad message size syntax'],
    ['SIZE=99999999999999999999', '552 5.3.4 Message size exceeds file system imposed limit'],
    ['BODY=9BIT', '555 5.5.4 Unsupported option: BODY=9BIT'],
    ['RET=X', '501 5.5.4 Bad RET parameter syntax'],
    ['ENVID=+', '501 5.5.4 Bad ENVID parameter syntax'],
    [`ENVID=${'x'.repeat(101)}`, '501 5.5.4 Bad ENVID parameter syntax'],
    ['__proto__=1', '555 5.5.4 Unsupported option: __proto__=1'],
  ])('MAIL %s is refused', (text, expected) => {
    const parsed = parseMailParameters([text], settings);
    expect('refusal' in parsed ? formatReply(parsed.refusal).trimEnd() : parsed).toBe(expected);
  });

  it.each<[string, unknown]>([
    [
      'NOTIFY=SUCCESS,failure ORCPT=rfc822;a+2Bb@c',
      { notify: ['SUCCESS', 'FAILURE'], originalRecipient: 'rfc822;a+2Bb@c' },
    ],
    ['NOTIFY=NEVER', { notify: ['NEVER'] }],
  ])('RCPT %s', (text, value) => {
    expect(parseRecipientParameters(text.split(' '), settings)).toMatchObject({ value });
  });

  it.each([
    'NOTIFY=NEVER,SUCCESS',
    'NOTIFY=',
    'NOTIFY=X',
    'ORCPT=abc',
    'ORCPT=;x',
    'FROB',
    'NOTIFY=DELAY NOTIFY=DELAY',
  ])('RCPT %s is refused', (text) => {
    expect(parseRecipientParameters(text.split(' '), settings)).toHaveProperty('refusal');
  });

  it('decodes xtext', () => {
    expect(decodeXtext('a+2Bb')).toBe('a+b');
    expect(decodeXtext('a+2')).toBeUndefined();
    expect(decodeXtext('a+0A')).toBeUndefined();
  });
});

describe('networks', () => {
  const match = compileNetworks(['!10.0.0.1', '10.0.0.0/8', '192.0.2.7', '[::1]/128', '2001:db8::/33']);
  it.each<[string, boolean]>([
    ['10.1.2.3', true],
    ['10.0.0.1', false],
    ['11.0.0.1', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['::1', true],
    ['::2', false],
    ['2001:db8:7fff::1', true],
    ['2001:db8:8000::1', false],
    ['unknown', false],
    ['', false],
  ])('%s: %s', (address, expected) => {
    expect(match(address)).toBe(expected);
  });

  it.each(['10.0.0.0/33', '10.0.0', 'x/8', '::1/129', '010.0.0.1', '[::1'])('refuses %s', (pattern) => {
    expect(() => compileNetworks([pattern])).toThrow(NetworkSyntaxError);
  });

  it('reads addresses as they are written', () => {
    fc.assert(fc.property(fc.ipV4(), (text) => [...(parseIpv4(text) ?? [])].join('.') === text));
    fc.assert(fc.property(fc.ipV6(), (text) => parseIpv6(text)?.length === 16));
    fc.assert(fc.property(fc.string(), (text) => void [parseIpv4(text), parseIpv6(text)]));
  });
});

describe('replies', () => {
  it('formats several lines with one code', () => {
    expect(formatReply(plainReply(250, 'a', 'b'))).toBe('250-a\r\n250 b\r\n');
    expect(formatReply(reply(452, '3.1', 'full'))).toBe('452 4.3.1 full\r\n');
    expect(formatReply(softened(reply(550, '1.1', 'no')))).toBe('450 4.1.1 no\r\n');
  });

  it('never writes a stray CR, LF or NUL', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(0x2fff), { maxLength: 60 }).map((codes) => String.fromCodePoint(...codes)),
        (text) => {
          expect(formatReply(reply(250, '0.0', printable(text)))).toMatch(/^250 2\.0\.0 [^\r\n\0]*\r\n$/);
          if (/[\r\n\0]/.test(text)) expect(() => formatReply(plainReply(250, text))).toThrow(ReplyError);
        },
      ),
    );
  });
});

describe('findClientName', () => {
  const find = async (zone: ConstructorParameters<typeof FakeDns>[0]): Promise<unknown> => {
    const { client, warning } = await findClientName(new FakeDns(zone), '192.0.2.7');
    return {
      name: client.name,
      reverse: client.reverseName,
      status: client.status,
      warns: warning !== undefined,
    };
  };
  it.each<[string, ConstructorParameters<typeof FakeDns>[0], unknown]>([
    [
      'verified',
      { reverse: { '192.0.2.7': ['a.example'] }, addresses: { 'a.example': ['192.0.2.8', '192.0.2.7'] } },
      { name: 'a.example', reverse: 'a.example', status: 'ok', warns: false },
    ],
    [
      'forged',
      { reverse: { '192.0.2.7': ['a.example'] }, addresses: { 'a.example': ['192.0.2.8'] } },
      { name: 'unknown', reverse: 'a.example', status: 'permanent', warns: true },
    ],
    [
      'leading nowhere',
      { reverse: { '192.0.2.7': ['a.example'] } },
      { name: 'unknown', reverse: 'a.example', status: 'permanent', warns: true },
    ],
    [
      'not to be verified now',
      { reverse: { '192.0.2.7': ['a.example'] }, broken: ['a.example'] },
      { name: 'unknown', reverse: 'a.example', status: 'temporary', warns: true },
    ],
    ['absent', {}, { name: 'unknown', reverse: 'unknown', status: 'permanent', warns: false }],
    [
      'not to be had now',
      { broken: ['192.0.2.7'] },
      { name: 'unknown', reverse: 'unknown', status: 'temporary', warns: false },
    ],
    [
      'no host name',
      { reverse: { '192.0.2.7': ['a b\r\n250 x'] } },
      { name: 'unknown', reverse: 'unknown', status: 'permanent', warns: false },
    ],
    [
      'an address',
      { reverse: { '192.0.2.7': ['10.0.0.1'] } },
      { name: 'unknown', reverse: 'unknown', status: 'permanent', warns: false },
    ],
  ])('%s', async (_, zone, expected) => {
    expect(await find(zone)).toEqual(expected);
  });
});
