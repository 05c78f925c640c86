import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BaseNames, baseOf, formatInfo, parseInfo, parseSizes, sortByArrival } from './file-name.ts';

describe('info', () => {
  it.each([
    ['', 'S', ':2,S'],
    [':2,', 'SF', ':2,FS'],
    [':2,FS', 'baTa', ':2,Tab'],
    [':2,S,x=1', 'R', ':2,R,x=1'],
    [':a:2,S', 'R', ':a:2,R'],
    [':1,xyz', 'R', ':1,xyz:2,R'],
  ])('%j with letters %j is %j', (old, letters, expected) => {
    expect(formatInfo(parseInfo(old), letters)).toBe(expected);
  });

  it('comes back from what it was made of', () => {
    const letters = fc.uniqueArray(fc.constantFrom(...'DFRSTPXaz'));
    fc.assert(
      fc.property(letters, fc.constantFrom('', ',x', ',W=9,'), (some, tail) => {
        const info = parseInfo(formatInfo(parseInfo(`:2,S${tail}`), some));
        expect(info).toEqual({ prefix: ':', standard: true, letters: some.toSorted().join(''), tail });
      }),
    );
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void formatInfo(parseInfo(`:${text}`), 'S')));
  });
});

describe('base names', () => {
  it.each([
    ['1.M1P1.h,S=10,W=12', 10, 12],
    ['1.M1P1.h,W=12', undefined, 12],
    ['1.M1P1.h,S=,W=x', undefined, undefined],
    ['1.M1P1.h,S=10x', undefined, undefined],
    ['1.M1P1.h,S=99999999999999999999', undefined, undefined],
  ])('%s', (base, size, crlfSize) => {
    expect(parseSizes(base)).toEqual({ size, crlfSize });
    expect(baseOf(`${base}:2,S:x`)).toBe(base);
  });

  it('sort by arrival', () => {
    const inOrder = ['2.V1I1.h', '9.M5P1.h', '9.V1I1M700.mta', '9.R1M800P2.h', '10.x', '10.y', '11.h.M1'];
    expect(sortByArrival(inOrder.toReversed().map((base) => ({ base }))).map((f) => f.base)).toEqual(inOrder);
  });

  it('are never the same, and sort in the order made', () => {
    const names = new BaseNames({ hostName: 'a/b:c', pid: 7, nowMs: () => 1_700_000_000_123 });
    const made = Array.from({ length: 1000 }, () => names.next());
    expect(new Set(made).size).toBe(1000);
    expect(sortByArrival(made.map((base) => ({ base }))).map((f) => f.base)).toEqual(made);
    expect(made[0]).toBe('1700000000.M123000P7.a\\057b\\072c');
    const thread = new BaseNames({ hostName: '', pid: 7, threadId: 2, nowMs: () => 5 });
    expect(thread.next()).toBe('0.M5000P7Q2.localhost');
  });
});
