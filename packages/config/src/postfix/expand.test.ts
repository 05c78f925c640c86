import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareLevels, expand, type Expansion, type NameLookup } from './expand.ts';

const values = new Map([
  ['a', 'x'],
  ['empty', ''],
]);
const lookup: NameLookup = (name): Expansion | undefined => {
  if (name === 'self') return { ok: false, reason: 'loop' };
  const value = values.get(name);
  return value === undefined ? undefined : { ok: true, value };
};

describe('expand', () => {
  // The right-hand sides are what Postfix 3.7 makes of them.
  it.each([
    ['plain', 'plain'],
    ['$a', 'x'],
    ['${a}', 'x'],
    ['$(a)', 'x'],
    ['${ a }', 'x'],
    ['$nobody', ''],
    ['$a.b', 'x.b'],
    ['$a_$a', 'x'],
    ['$(a)/$$b', 'x/$b'],
    ['$$$$a$$a', '$$a$a'],
    ['${a?yes$a}', 'yesx'],
    ['${a:no}', ''],
    ['${nobody:no}', 'no'],
    ['${nobody?no}', ''],
    ['${empty:no}', 'no'],
    ['${nobody?{a b}:{c d}}', 'c d'],
    ['${a?{q}:r}', 'q'],
    ['${nobody?{a}:b}c', 'bc'],
    ['${a ? {p} : {q} }', 'p'],
    ['${a?  {sp}  :  {sq}  }', 'sp'],
    ['[${a?  unq  }]', '[  unq  ]'],
    ['${a?x:y}', 'x:y'],
    ['${a?(}', '('],
    ['${a?$(a)}', 'x'],
    ['${a?{x}:{$self}}', 'x'],
    ['${{$a} == {x} ? {eq} : {ne}}', 'eq'],
    ['${{$a}=={x}?{eq}:{ne}}', 'eq'],
    ['[${{x} != {y}}]', '[true]'],
    ['[${{x} == {y}}]', '[]'],
    ['[${{x} == {y}:{no}}]', '[no]'],
    ['${{10} < {9} ? {lt} : {ge}}', 'ge'],
    ['${{10a} < {9} ? {lt} : {ge}}', 'lt'],
    ['${{a}<{b}?{1}:{2}}', '1'],
    ['${{01} == {1} ? {e}:{n}}', 'e'],
    ['${{} == {} ? {e}}', 'e'],
    ['${{a} == {b} ? {1}}.', '.'],
    ['${{3.6} >=level {3.10} ? {ge} : {lt}}', 'lt'],
    ['${{2} <level {3.10} ? {lt} : {ge}}', 'lt'],
  ])('%s → %s', (text, expected) => {
    expect(expand(text, lookup)).toEqual({ ok: true, value: expected });
  });

  it.each([
    '$',
    'a$ b',
    '$é',
    '${a',
    '$(a',
    '$(a}',
    '${a)',
    '${}',
    '${$a}',
    '${a+b}',
    '${a?{one}x}',
    '${{a} foo {b}?{1}:{2}}',
    '${{a} == b}',
    '${{x} <level {1} ? {a}}',
    '$self',
  ])('%s is refused', (text) => {
    expect(expand(text, lookup)).toMatchObject({ ok: false });
  });

  it('bounds nesting and size', () => {
    const deep = '${a?{'.repeat(500) + 'z' + '}}'.repeat(500);
    expect(expand(deep, lookup)).toMatchObject({ ok: false });
    const long = (): Expansion => ({ ok: true, value: 'y'.repeat(100_000) });
    expect(expand('$a'.repeat(100), long)).toMatchObject({ ok: false });
  });

  it('never throws and leaves text without a dollar alone', () => {
    const alphabet = fc.constantFrom('$', '{', '}', '(', ')', '?', ':', '=', '<', '!', 'a', ' ', '1');
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 40 }), (chars) => {
        const text = chars.join('');
        const expansion = expand(text, lookup);
        if (!text.includes('$')) expect(expansion).toEqual({ ok: true, value: text });
      }),
    );
  });
});

describe('compareLevels', () => {
  it.each([
    ['3.6', '3.10', -4],
    ['2', '2.0.0', 0],
    ['3.6.1', '3.6', 1],
  ])('%s and %s', (a, b, order) => expect(compareLevels(a, b)).toBe(order));
  it('knows what is no level', () => expect(compareLevels('x', '1')).toBeUndefined());
});
