import { expect, test } from 'vitest';
import fc from 'fast-check';
import { formatQueueId, parseQueueId } from './queue-id.ts';

test.each([
  [0x10000, 1_700_000_000_123, false, '1E29010000'],
  [0xabcde, 1_700_000_000_000, false, '002C6ABCDE'],
] as const)('counter %i at %i gives %s', (counter, at, long, id) => {
  expect(formatQueueId(counter, at, long)).toBe(id);
});

test('the long form begins with the seconds, has no vowels and a z before the counter', () => {
  expect(formatQueueId(0x10000, 1_700_000_000_123, true)).toMatch(
    /^[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10}z[0-9A-Za-y]+$/,
  );
});

test('every id gives its counter back', () => {
  const counter = fc.integer({ min: 16, max: 2 ** 40 });
  fc.assert(
    fc.property(counter, fc.integer({ min: 0, max: 4e12 }), fc.boolean(), (counter, at, long) => {
      expect(parseQueueId(formatQueueId(counter, at, long))).toBe(counter);
    }),
  );
});

test.each(['', 'ALL', '12345', '../../etc/passwd', '1E290 0000', 'z'.repeat(60), 'A'.repeat(40)])(
  '%j is no id',
  (id) => {
    expect(parseQueueId(id)).toBeUndefined();
  },
);

test('ids sort by nothing but differ when counters differ', () => {
  const at = 1_700_000_000_000;
  const ids = new Set(Array.from({ length: 5000 }, (_, i) => formatQueueId(65_536 + i, at, false)));
  expect(ids.size).toBe(5000);
});
