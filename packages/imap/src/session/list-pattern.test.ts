import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ListPattern } from './list-pattern.ts';

describe('ListPattern', () => {
  it.each([
    ['*', 'a/b', true],
    ['%', 'a', true],
    ['%', 'a/b', false],
    ['%/%', 'a/b', true],
    ['a*', 'a', true],
    ['a%b', 'ab', true],
    ['a%b', 'a/b', false],
    ['*b', 'a/b', true],
    ['%*', 'a/b', true],
    ['inbox', 'INBOX', true],
    ['inbox/%', 'INBOX/x', true],
    ['INBOX', 'INBOXES', false],
    ['', 'a', false],
    ['a.b', 'axb', false],
  ])('%s on %s: %s', (pattern, name, expected) => {
    expect(new ListPattern(pattern).matches(name)).toBe(expected);
  });

  it('agrees with the obvious definition', () => {
    const chars = fc.constantFrom('a', 'b', '/', '*', '%');
    fc.assert(
      fc.property(
        fc.string({ unit: chars, maxLength: 8 }),
        fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 8 }),
        (pattern, name) => {
          const source = pattern.replaceAll('*', '.*').replaceAll('%', '[^/]*');
          expect(new ListPattern(pattern).matches(name)).toBe(new RegExp(`^${source}$`).test(name));
        },
      ),
    );
  });

  it('takes no time for a hostile pattern', () => {
    const started = performance.now();
    expect(new ListPattern(`${'*a'.repeat(120)}b`).matches('a'.repeat(250))).toBe(false);
    expect(new ListPattern('*%'.repeat(30_000)).matches('a'.repeat(250))).toBe(true);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
