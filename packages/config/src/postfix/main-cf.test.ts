import { describe, expect, it } from 'vitest';
import { originOfWord, parseMainCf } from './main-cf.ts';

const valuesOf = (text: string): Record<string, string> =>
  Object.fromEntries([...parseMainCf('main.cf', text).definitions].map(([name, { value }]) => [name, value]));

describe('parseMainCf', () => {
  it.each([
    ['a = x\n', { a: 'x' }],
    ['a=x', { a: 'x' }],
    ['a = x\r\nb = y\r\n', { a: 'x', b: 'y' }],
    ['a = 1\n# c\n  2\n\n  \n   3\n#d\nb=\n r\n   # inside\n y\n', { a: '1  2   3', b: 'r y' }],
    ['a = x # y\n', { a: 'x # y' }],
    ['a = x  \t \n', { a: 'x' }],
    ['a = x = y\n', { a: 'x = y' }],
    ['a = {\n b = c }\n', { a: '{ b = c }' }],
    ['', {}],
  ])('%j', (text, expected) => expect(valuesOf(text)).toEqual(expected));

  it('takes the last of several definitions and says so', () => {
    const main = parseMainCf('main.cf', 'a = x\na = y\n');
    expect(main.definitions.get('a')).toMatchObject({ value: 'y', origin: { file: 'main.cf', line: 2 } });
    expect(main.problems).toEqual([expect.objectContaining({ severity: 'notice', line: 2, name: 'a' })]);
  });

  it.each(['word\n', '= v\n', 'a b = c\n'])('refuses %j with its line', (text) => {
    expect(parseMainCf('main.cf', `# first\n${text}`).problems).toEqual([
      expect.objectContaining({ severity: 'refuse', line: 2 }),
    ]);
  });

  it('ignores a first line that starts with white space, as Postfix does', () => {
    const main = parseMainCf('main.cf', ' a = x\nb = y\n');
    expect([...main.definitions.keys()]).toEqual(['b']);
    expect(main.problems).toEqual([expect.objectContaining({ severity: 'notice', line: 1 })]);
  });

  it('knows the line of a word in a continuation line', () => {
    const definition = parseMainCf('main.cf', 'a = one,\n  two,\n# c\n  three\n').definitions.get('a');
    expect(definition).toBeDefined();
    if (definition === undefined) return;
    expect(['one', 'two', 'three', 'four'].map((word) => originOfWord(definition, word).line)).toEqual([
      1, 2, 4, 1,
    ]);
  });
});
