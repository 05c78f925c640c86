import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TableError } from './lookup-table.ts';
import { findInPatterns, parsePcreText, parseRegexpText } from './pattern-table.ts';

type Kind = 'regexp' | 'pcre';
const read = (kind: Kind, text: string): ReturnType<typeof parsePcreText> =>
  kind === 'pcre' ? parsePcreText('t', text) : parseRegexpText('t', text);
const find = (kind: Kind, text: string, key: string): string | undefined => {
  const { content, errors } = read(kind, text);
  expect(errors).toEqual([]);
  return findInPatterns(content, 't', key)?.value;
};

describe('pattern tables', () => {
  // Answers of `postmap -q` of Postfix 3.7.
  it.each<[Kind, string, string, string | undefined]>([
    ['regexp', '/^a(b)c$/ x${1}y', 'ABC', 'xBy'],
    ['regexp', '!/^z/ not $$', 'q', 'not $'],
    ['regexp', '!/^z/ not', 'zz', undefined],
    ['regexp', '/(a|ab)(c|bcd)(d*)/ [$1|$2|$3]', 'abcd', '[a|bcd|]'],
    ['regexp', '/[]x]y/ class', ']y', 'class'],
    ['regexp', '/\\<foo\\>/ word', 'a foo b', 'word'],
    ['regexp', '/\\<foo\\>/ word', 'afoo b', undefined],
    ['regexp', '/^[[:digit:]]+$/ number', '123', 'number'],
    ['regexp', '/p\\/q/ slash', 'p/q', 'slash'],
    ['regexp', '|u/v| pipe', 'u/v', 'pipe'],
    ['regexp', '/ABC/i exact', 'abc', undefined],
    ['regexp', '/a\\(b\\)c/x $1', 'abc', 'b'],
    ['regexp', '/^a{,2}b/ upto', 'aab', 'upto'],
    ['regexp', '/a/ one\n/b/ two', 'b', 'two'],
    ['regexp', 'if /@example/\n/^a/ A\nendif\n/./ rest', 'a@example', 'A'],
    ['regexp', 'if /@example/\n/^a/ A\nendif\n/./ rest', 'a@other', 'rest'],
    ['regexp', 'if !/@example/\nif /^a/\n/./ inner\nendif\nendif\n/./ rest', 'a@other', 'inner'],
    ['pcre', '/^(\\w+)@(?:x|y)\\.org$/ $(1)', 'Joe@y.org', 'Joe'],
    ['pcre', '/(?i)abc/i hit', 'ABC', 'hit'],
    ['pcre', '/a b/x hit', 'ab', 'hit'],
    ['pcre', '/\\Qa.b\\E$/ hit', 'a.b', 'hit'],
    ['pcre', '/\\Qa.b\\E$/ hit', 'axb', undefined],
    ['pcre', '/\\Aab\\z/ hit', 'ab', 'hit'],
    ['pcre', '/b/A hit', 'ab', undefined],
    ['pcre', '/^(?P<who>a)(?#note)b/ $1', 'ab', 'a'],
    ['pcre', '/[\\d[:alpha:]]+-/ hit', '1a-', 'hit'],
    ['pcre', '/(a)|(b)/ <$1$2>', 'b', '<b>'],
  ])('%s %j of %j', (kind, text, key, expected) => expect(find(kind, text, key)).toBe(expected));

  it('names the line that answered', () => {
    const { content } = read('regexp', '# c\n/a/ one\n\n/b/\n  two\n');
    expect(findInPatterns(content, 't', 'b')).toEqual({ value: 'two', origin: { file: 't', line: 4 } });
  });

  it.each<[Kind, string, 'notice' | 'refuse']>([
    ['regexp', '/a', 'notice'],
    ['regexp', 'word result', 'notice'],
    ['regexp', '/x/ $2', 'notice'],
    ['regexp', '/x/ $1y', 'notice'],
    ['regexp', '!/(x)/ $1', 'notice'],
    ['regexp', '/x/q z', 'notice'],
    ['regexp', '/x/', 'notice'],
    ['regexp', 'if /x/\n/y/ z', 'notice'],
    ['regexp', 'endif', 'notice'],
    ['regexp', '/(/ z', 'refuse'],
    ['regexp', '/(?:x)/ z', 'refuse'],
    ['regexp', '/\\d/ z', 'refuse'],
    ['regexp', '/a+?/ z', 'refuse'],
    ['pcre', '/a++/ z', 'refuse'],
    ['pcre', '/(?>a)/ z', 'refuse'],
    ['pcre', '/(?R)/ z', 'refuse'],
    ['pcre', '/[a/ z', 'refuse'],
    ['pcre', '/\\p{L}/ z', 'refuse'],
  ])('%s %j is a %s', (kind, text, severity) => {
    expect(read(kind, text).errors).toEqual([expect.objectContaining({ severity, line: 1 })]);
  });

  it('never runs the inside of an if that could not be read', () => {
    const { content } = read('pcre', 'if /a++/\n/./ inside\nendif\n/./ outside');
    expect(findInPatterns(content, 't', 'x')?.value).toBe('outside');
  });

  it('warns of nested repetition and refuses very long keys', () => {
    expect(read('pcre', '/^(a+)+$/ x').warnings).toEqual([expect.objectContaining({ line: 1 })]);
    const { content } = read('pcre', '/x/ y');
    expect(() => findInPatterns(content, 't', 'a'.repeat(5000))).toThrow(TableError);
  });

  it('never throws while reading', () => {
    const alphabet = fc.constantFrom(
      '/',
      '\\',
      '(',
      ')',
      '[',
      ']',
      '?',
      '*',
      '+',
      'a',
      '$',
      '1',
      '{',
      '}',
      '!',
      ' ',
      '\n',
      '^',
      ':',
      '<',
      'Q',
    );
    fc.assert(
      fc.property(
        fc.array(alphabet, { maxLength: 30 }),
        fc.constantFrom<Kind>('regexp', 'pcre'),
        (chars, kind) => {
          read(kind, `/${chars.join('')}/ x`);
        },
      ),
      { numRuns: 500 },
    );
  });
});
