import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatUidlistHeader,
  formatUidlistRecord,
  parseUidlistHeader,
  parseUidlistRecords,
  recordField,
  withRecordField,
} from './uidlist.ts';

const GUID = '0123456789abcdef0123456789abcdef';

function records(text: string, version: 1 | 3 = 3, lastUid = 0) {
  const found: [number, string, string][] = [];
  const body = parseUidlistRecords(text, { from: 0, lastUid, version }, (uid, fields, base) => {
    found.push([uid, fields, base]);
  });
  return { ...body, found };
}

describe('header', () => {
  it.each([
    [`3 V5 N9 G${GUID}\n`, { version: 3, uidValidity: 5, nextUid: 9, guid: GUID, extra: '' }],
    ['3 V5 Xkept N9 Yes\n', { version: 3, uidValidity: 5, nextUid: 9, guid: undefined, extra: ' Xkept Yes' }],
    ['3 V5\n', { version: 3, uidValidity: 5, nextUid: 1, guid: undefined, extra: '' }],
    ['1 5 20\n', { version: 1, uidValidity: 5, nextUid: 20, guid: undefined, extra: '' }],
    ['3 V0 N1\n', undefined],
    ['3 V4294967296 N1\n', undefined],
    ['2 V5 N1\n', undefined],
    ['1 5\n', undefined],
    ['3 V5 N9', undefined],
    ['', undefined],
  ])('%j', (text, header) => {
    expect(parseUidlistHeader(text)?.header).toEqual(header);
  });

  it('is written as version 3, unknown fields included', () => {
    const text = `3 V5 N9 G${GUID} Xkept\n`;
    const parsed = parseUidlistHeader(text);
    expect(parsed && formatUidlistHeader(parsed.header)).toBe(text);
  });
});

describe('records', () => {
  it('are read with their fields', () => {
    expect(records('1 :a.b\n2 W177 :c\n5 Pold-1 O2 Zx :d,S=3\n').found).toEqual([
      [1, '', 'a.b'],
      [2, ' W177', 'c'],
      [5, ' Pold-1 O2 Zx', 'd,S=3'],
    ]);
    expect(records('4 x y,S=3\n7 z:2,S\n', 1).found).toEqual([
      [4, '', 'x y,S=3'],
      [7, '', 'z'],
    ]);
  });

  it.each([
    ['not ascending', '2 :a\n2 :b\n1 :c\n3 :d\n', [2, 3], 2],
    ['no UID', ' :a\nx :b\n:c\n3 :d\n', [3], 3],
    ['too large', '4294967295 :a\n99999999999999999999 :b\n4294967294 :c\n', [4_294_967_294], 2],
    ['no base', '1 :\n2 W3\n3\n4 ::2,S\n5 :e\n', [5], 4],
    ['bad fields', '1 w3 :a\n2  :b\n3 W3:c\n4 :d\n', [4], 3],
  ])('skips lines that are broken: %s', (_, text, uids, bad) => {
    const body = records(text);
    expect(body.found.map(([uid]) => uid)).toEqual(uids);
    expect(body.bad).toBe(bad);
  });

  it('ends before a line without its LF, and goes on there', () => {
    const text = '1 :a\n2 :b\n3 :cc\n';
    for (let cut = 0; cut <= text.length; cut++) {
      const first = records(text.slice(0, cut));
      const rest = records(text.slice(first.end), 3, first.lastUid);
      expect([...first.found, ...rest.found]).toEqual(records(text).found);
      expect(first.bad + rest.bad).toBe(0);
    }
  });

  it('come back from their text, and no text throws', () => {
    const field = fc.tuple(fc.constantFrom(...'GSWPOZ'), fc.stringMatching(/^[a-z0-9.=,]{0,8}$/));
    const base = fc.stringMatching(/^[A-Za-z0-9.,=_ -]{1,20}$/);
    const list = fc.array(fc.tuple(fc.array(field, { maxLength: 3 }), base));
    fc.assert(
      fc.property(list, (items) => {
        const expected = items.map(([fields, name], i): [number, string, string] => [
          i + 1,
          fields.map(([key, value]) => ` ${key}${value}`).join(''),
          name,
        ]);
        expect(records(expected.map((r) => formatUidlistRecord(...r)).join('')).found).toEqual(expected);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void records(text)));
  });
});

it('reads and replaces single fields', () => {
  expect(recordField(' W1 Pabc Zx', 'P')).toBe('abc');
  expect(recordField(' W1', 'P')).toBeUndefined();
  expect(withRecordField(' W1 Zx', 'W', '22')).toBe(' Zx W22');
  expect(withRecordField('', 'G', 'g')).toBe(' Gg');
});
