import { describe, expect, it } from 'vitest';
import { parseUidlFormat } from './uidl-format.ts';

const VALUES = {
  uid: 10,
  uidValidity: 0x6b04aff8,
  guid: '1700000001.M1.host',
  storageName: '1700000001.M1 h',
};

describe('parseUidlFormat', () => {
  it.each([
    // DOVECOT: lower-case hex; upper case makes every client download everything again.
    ['%08Xu%08Xv', '0000000a6b04aff8'],
    ['%{uid | hex(8)}%{uidvalidity | hex(8)}', '0000000a6b04aff8'],
    ['%{uid|hex(8)}%{uidvalidity|hex(8)|upper}', '0000000a6B04AFF8'],
    ['%u', '10'],
    ['%v.%u', '1795469304.10'],
    ['%v-%05u', '1795469304-00010'],
    ['%Xu.%Xv', 'a.6b04aff8'],
    ['%g', '1700000001.M1.host'],
    ['%f', '1700000001.M1_h'],
    ['%Uf', '1700000001.M1_H'],
    ['UID%u-%v', 'UID10-1795469304'],
    ['%%%u', '%10'],
    ['%{uid}', '10'],
    ['%{guid}', '1700000001.M1.host'],
    ['%{filename | lower}', '1700000001.m1_h'],
  ])('%s gives %s', (text, expected) => {
    const parsed = parseUidlFormat(text);
    expect(parsed.kind === 'format' ? parsed.format(VALUES) : parsed.message).toBe(expected);
  });

  it.each([
    '',
    '%v',
    'abc',
    '%m',
    '%08Xq',
    '%',
    '%{uid',
    '%{nonsense}',
    '%{uid | frobnicate}',
    '%{uid | hex(999)}',
    '%z%u',
  ])('refuses %j', (text) => {
    expect(parseUidlFormat(text)).toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('pop3_uidl_format'),
    });
  });

  it('keeps ids within 70 characters', () => {
    const parsed = parseUidlFormat('%g');
    const id = parsed.kind === 'format' ? parsed.format({ ...VALUES, guid: 'x'.repeat(200) }) : '';
    expect(id).toHaveLength(70);
  });
});
