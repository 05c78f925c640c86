import { describe, expect, it } from 'vitest';
import { formatMaildirsize, parseMaildirsize } from './maildirsize.ts';
import { fits, limitsFor, type QuotaAmount, type QuotaRule } from './quota-rules.ts';

const amount = (value: number, kind: QuotaAmount['kind'] = 'absolute'): QuotaAmount => ({ value, kind });
const RULES: readonly QuotaRule[] = [
  { mailbox: '*', ignore: false, storage: amount(1000), messages: amount(10) },
  { mailbox: 'Trash', ignore: false, storage: amount(100, 'more') },
  { mailbox: 'Half', ignore: false, storage: amount(50, 'percent') },
  { mailbox: 'Grown', ignore: false, storage: amount(20, 'morePercent') },
  { mailbox: 'Own', ignore: false, storage: amount(7), messages: amount(2) },
  { mailbox: 'List/*', ignore: true },
];

describe('limitsFor', () => {
  it.each([
    ['INBOX', 1000, 10, false],
    ['Trash', 1100, 10, false],
    ['Half', 500, 10, false],
    ['Grown', 1200, 10, false],
    ['Own', 7, 2, false],
    ['List/x', 1000, 10, true],
    ['List', 1000, 10, false],
  ])('%s', (name, octets, messages, ignored) => {
    expect(limitsFor(RULES, name)).toEqual({ octets, messages, ignored });
  });

  it('adds nothing to no limit, and compares hostile patterns in time', () => {
    expect(limitsFor(RULES.slice(1), 'Trash').octets).toBe(0);
    const stars: QuotaRule = { mailbox: `${'*a'.repeat(2000)}b`, ignore: true };
    expect(limitsFor([stars], 'a'.repeat(4000)).ignored).toBe(false);
  });
});

describe('fits', () => {
  const limits = { octets: 1000, messages: 3, ignored: false };
  const grace = amount(10, 'percent');
  it.each([
    [0, 0, 1000, true],
    [900, 1, 200, true],
    [900, 1, 201, false],
    // Over already: the grace was for one message.
    [1000, 1, 1, false],
    [0, 2, 1, true],
    [0, 3, 1, false],
  ])('%i octets in %i messages and %i more: %s', (octets, messages, more, expected) => {
    expect(fits({ octets, messages }, { octets: more, messages: 1 }, limits, grace)).toBe(expected);
  });
});

describe('maildirsize', () => {
  it('reads what Dovecot writes, and writes it the same', () => {
    expect(parseMaildirsize('10240S,5C\n0 0\n4999 1\n-99 -1\n')).toEqual({
      limits: { octets: 10_240, messages: 5 },
      used: { octets: 4900, messages: 0 },
      lines: 3,
    });
    expect(formatMaildirsize({ octets: 10_240, messages: 5 }, { octets: 10_004, messages: 3 })).toBe(
      '10240S,5C\n10004 3\n',
    );
    expect(formatMaildirsize({ octets: 0, messages: 5 }, { octets: 1, messages: 3 })).toBe('5C\n1 3\n');
  });

  it.each([
    [''],
    ['10S\n'],
    ['10S\n1 1'],
    ['10S\n1\n'],
    ['10S\n1 x\n'],
    ['10X\n1 1\n'],
    ['10S\n-1 1\n'],
    [`10S\n${'1 1\n'.repeat(1300)}`],
  ])('has %j made anew', (text) => {
    expect(parseMaildirsize(text)).toBeUndefined();
  });
});
