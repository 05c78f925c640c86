import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatNumbers,
  formatSequenceSet,
  mergeRanges,
  parseSequenceSet,
  rangesOf,
  resolveSequenceSet,
} from './sequence-set.ts';

describe('sequence sets', () => {
  it.each([
    ['1', 10, '1'],
    ['3:1', 10, '1:3'],
    ['*', 10, '10'],
    ['12:*', 10, '10:12'],
    ['1,2,5:4,3', 10, '1:5'],
    ['1:4294967295', 10, '1:4294967295'],
    ['*:*', 0, '0'],
  ])('%s of %i is %s', (text, largest, expected) => {
    const set = parseSequenceSet(text);
    if (set === undefined) throw new Error('not a set');
    expect(
      resolveSequenceSet(set, largest)
        .map(({ first, last }) => (first === last ? `${first}` : `${first}:${last}`))
        .join(','),
    ).toBe(expected);
  });

  it.each([
    '',
    '0',
    '1:',
    ':1',
    '1,,2',
    'a',
    '-1',
    '01',
    '4294967296',
    '99999999999',
    '1:2:3',
    ' 1',
    '1 ',
    '+1',
    '1.5',
    '*1',
  ])('refuses %j', (text) => {
    expect(parseSequenceSet(text)).toBeUndefined();
  });

  it('is the same after formatting and parsing', () => {
    const bound = fc.oneof(fc.constant<'*'>('*'), fc.integer({ min: 1, max: 0xffffffff }));
    fc.assert(
      fc.property(
        fc.array(fc.record({ from: bound, to: bound }), { minLength: 1, maxLength: 20 }),
        (ranges) => {
          const set = { kind: 'ranges', ranges } as const;
          expect(parseSequenceSet(formatSequenceSet(set))).toEqual(set);
        },
      ),
    );
  });

  it('merges to what the numbers are', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(10)), { maxLength: 15 }), (pairs) => {
        const ranges = pairs.map(([first, length]) => ({ first, last: first + length }));
        const numbers = new Set(
          ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)),
        );
        expect(mergeRanges(ranges)).toEqual(rangesOf([...numbers].sort((a, b) => a - b)));
      }),
    );
  });

  it('keeps order for COPYUID', () => {
    expect(formatNumbers([3, 4, 9, 1, 2])).toBe('3:4,9,1:2');
  });
});
