import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baseOf, sortByArrival } from './file-name.ts';
import { firstRows } from './first-rows.ts';
import { parseUidlistRecords } from './uidlist.ts';

const name = fc
  .tuple(
    fc.nat(20),
    fc.option(fc.nat(9)),
    fc.constantFrom('a', 'b', 'ä', 'c,S=1'),
    fc.constantFrom('', ':2,', ':2,FS', ':1,x'),
  )
  .map(
    ([seconds, micros, rest, info]) => `${seconds}.${micros === null ? '' : `M${micros}`}${rest}.h${info}`,
  );

describe('the first rows of a folder', () => {
  it('give UIDs in the order of arrival, to each file one', () => {
    const names = fc.uniqueArray(name, { selector: baseOf, maxLength: 30 });
    fc.assert(
      fc.property(names, fc.nat(30), (all, n) => {
        const fresh = Math.min(n, all.length);
        const first = firstRows(all, { fresh, firstUid: 5, modseq: 7 });
        if (!first) throw new Error('nothing');
        const { rows, uidlist } = first;
        const expected = sortByArrival(
          all.map((file, i) => ({ base: baseOf(file), file, place: i < fresh ? 1 : 2 })),
        );
        const got = expected.map((_, i) => ({
          base: rows.text.slice(i === 0 ? 0 : rows.ends[i * 2 - 1], rows.ends[i * 2]),
          file: '',
          place: rows.places[i],
          uid: rows.small[i * 2],
          info: rows.infos[rows.small[i * 2 + 1] as number],
        }));
        expect(got.map(({ base, info, place }) => [`${base}${info}`, place])).toEqual(
          expected.map(({ file, place }) => [file, place]),
        );
        expect(got.map(({ uid }) => uid)).toEqual(expected.map((_, i) => i + 5));
        const records: unknown[] = [];
        parseUidlistRecords(uidlist, { from: 0, lastUid: 0, version: 3 }, (uid, fields, base) =>
          records.push([uid, fields, base]),
        );
        expect(records).toEqual(expected.map(({ base }, i) => [i + 5, '', base]));
      }),
    );
  });

  it.each([
    ['the same base twice', ['1.a:2,S', '1.a']],
    ['a name that no uidlist can hold', ['1.a', '1.b\nx:2,']],
    ['no base', [':2,S']],
  ])('leave %s to a closer look', (_, names) => {
    expect(firstRows(names, { fresh: 0, firstUid: 1, modseq: 1 })).toBeUndefined();
  });
});
