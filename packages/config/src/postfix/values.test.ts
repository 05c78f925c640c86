import { describe, expect, it } from 'vitest';
import { parseBool, parseInteger, parseTime, splitList, stripBraces } from './values.ts';

describe('values', () => {
  it.each([
    ['yes', true],
    ['YES', true],
    ['no', false],
    ['true', undefined],
    ['', undefined],
  ])('bool %j', (text, expected) => expect(parseBool(text)).toBe(expected));

  it.each([
    ['10240000', 10_240_000],
    ['-1', -1],
    ['1.5', undefined],
    ['99999999999', undefined],
    ['', undefined],
  ])('int %j', (text, expected) => expect(parseInteger(text)).toBe(expected));

  it.each([
    ['5', 'd', 432_000],
    ['5s', 'd', 5],
    ['4h', 's', 14_400],
    ['1W', 's', 604_800],
    ['0', 'h', 0],
    ['5x', 's', undefined],
    ['', 's', undefined],
    ['9999999w', 's', undefined],
  ] as const)('time %j in %s', (text, unit, expected) => expect(parseTime(text, unit)).toBe(expected));

  it.each([
    ['a, b c,,d\n\te', ['a', 'b', 'c', 'd', 'e']],
    ['inline:{ {a = b}, c=d } hash:/x', ['inline:{ {a = b}, c=d }', 'hash:/x']],
    ['{ a, b } c', ['{ a, b }', 'c']],
    ['a } b', ['a', '}', 'b']],
    ['{ a b', ['{ a b']],
    [' , ', []],
  ])('list %j', (text, expected) => expect(splitList(text)).toEqual(expected));

  it('strips braces', () => expect(stripBraces('{ a b }')).toBe('a b'));
});
