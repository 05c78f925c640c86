import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddresses, internalise, parseAddresses, quoteLocal } from './address-tokens.ts';

const addresses = (text: string): string[] =>
  parseAddresses(text, 0)
    .tokens.filter(({ kind }) => kind === 'address')
    .map(({ external }) => external);

describe('parseAddresses', () => {
  it.each<[text: string, found: string[]]>([
    ['', []],
    ['bob', ['bob']],
    ['bob@example.com', ['bob@example.com']],
    ['Bob B <bob@x>, carol@y', ['bob@x', 'carol@y']],
    ['"a, b" <c@d>', ['c@d']],
    ['bob carol', ['bob', 'carol']],
    ['list: a, b@c;, d', ['a', 'b@c', 'd']],
    ['undisclosed-recipients:;', []],
    ['undisclosed-recipients: ;', []],
    ['<>', []],
    ['bob@x (a comment)', ['bob@x']],
    ['bob (here) @x', ['bob@x']],
    ['"unclosed, bob', ['"unclosed, bob"']],
    ['<@a,@b:bob@x>', ['@a,@b:bob@x']],
    ['[192.0.2.1]', ['[192.0.2.1]']],
    ['a:b:c;d', ['c', 'd']],
    ['>', []],
    ['<bob@x', ['<bob@x']],
  ])('%s', (text, found) => {
    expect(addresses(text)).toEqual(found);
  });

  it('ends on anything, in time linear to it', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      ',',
      ';',
      ':',
      '(',
      ')',
      '"',
      '\\',
      '@',
      '.',
      ' ',
      'a',
      '[',
      ']',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const { tokens } = parseAddresses(pieces.join(''), 0);
        formatAddresses(tokens);
      }),
      { numRuns: 3000 },
    );
    for (const unit of ['a,', '<a>', '(', '"', ':;', 'a b ', '>', '(x)<', ';']) {
      const text = unit.repeat(200_000 / unit.length);
      expect(parseAddresses(text, 0).cut).toBe(false);
      expect(parseAddresses(text, 10_240).tokens.length).toBeLessThan(50_000);
    }
  });
});

describe('formatAddresses', () => {
  it.each([
    ['Bob   B<bob@x>,carol@y', 'Bob B <bob@x>,\ncarol@y'],
    ['bob@x(c)', 'bob@x (c)'],
    ['list:a,b;', 'list: a,\nb;'],
    [`bob@x (${'c'.repeat(300)})`, '<bob@x>'],
  ])('%s', (text, expected) => {
    expect(formatAddresses(parseAddresses(text, 0).tokens)).toBe(expected);
  });
});

describe('quoteLocal', () => {
  it.each([
    ['bob@x', 'bob@x'],
    ['a b@x', '"a b"@x'],
    ['a@b@x', '"a@b"@x'],
    ['a"b@x', '"a\\"b"@x'],
    ['.a@x', '".a"@x'],
    ['', '""'],
  ])('%s', (internal, external) => {
    expect(quoteLocal(internal)).toBe(external);
    expect(internalise(external)).toBe(internal);
  });
});
