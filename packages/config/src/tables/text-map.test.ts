import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAliasText, parsePostmapText } from './text-map.ts';

// The same text went through postmap(1) and postalias(1) of Postfix 3.7; the entries are what `-s` listed.
const POSTMAP = `Key@EXAMPLE.com  value one
"quoted user"@example.com  v2
"Quoted"@x v3
ab"c d"e v4
dup a
dup b
cont
  x
  # c
 y
novalue
colon: zz
"unbal foo
esc"a\\"b"@c v5
a	tabbed	x
"with\\ space"@x v6
"plain" v7
`;

describe('parsePostmapText', () => {
  const { content, errors, warnings } = parsePostmapText('t', POSTMAP);

  it.each([
    ['key@example.com', 'value one', 1],
    ['"quoted user"@example.com', 'v2', 2],
    ['"quoted"@x', 'v3', 3],
    ['ab"c d"e', 'v4', 4],
    ['dup', 'a', 5],
    ['colon:', 'zz', 12],
    ['esc"a\\"b"@c', 'v5', 14],
    ['a', 'tabbed\tx', 15],
    ['"with\\ space"@x', 'v6', 16],
    ['"plain"', 'v7', 17],
  ])('%s', (key, value, line) => {
    expect(content.get(key)).toEqual({ value, origin: { file: 't', line } });
  });

  it('joins continuation lines', () => expect(content.get('cont')?.value.split(/\s+/)).toEqual(['x', 'y']));

  it('says what it skipped and what looks wrong', () => {
    expect(errors.map(({ line }) => line)).toEqual([11, 13]);
    expect(warnings.map(({ line }) => line)).toEqual([6, 12]);
    expect(content.size).toBe(11);
  });

  it('reads what was written', () => {
    const word = fc.stringMatching(/^[a-z0-9@._-]{1,12}$/);
    fc.assert(
      fc.property(fc.dictionary(word, word), (entries) => {
        const text = Object.entries(entries)
          .map(([key, value]) => `${key}\t${value}\n`)
          .join('');
        const map = parsePostmapText('t', text).content;
        for (const [key, value] of Object.entries(entries)) expect(map.get(key)?.value).toBe(value);
      }),
    );
  });

  it('loads a hundred thousand entries quickly', () => {
    const lines = Array.from(
      { length: 100_000 },
      (_, index) => `user${index}@example.com  mailbox${index}\n`,
    );
    const started = performance.now();
    const map = parsePostmapText('t', lines.join('')).content;
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(map.get('user99999@example.com')).toEqual({
      value: 'mailbox99999',
      origin: { file: 't', line: 100_000 },
    });
  });
});

describe('parseAliasText', () => {
  const { content, errors } = parseAliasText(
    'aliases',
    `# comment
root: user
Post.Master:	root
"a b": c
"q@x": d
no colon
dup: 1
dup: 2
empty:
cont: a,
   b
"a\\"b": z
foo@example.com: bar
owner-list:me
x : y, |"/bin/x -y"
`,
  );
  it.each([
    ['root', 'user', 2],
    ['post.master', 'root', 3],
    ['a b', 'c', 4],
    ['q@x', 'd', 5],
    ['dup', '1', 7],
    ['a"b', 'z', 12],
    ['owner-list', 'me', 14],
    ['x', 'y, |"/bin/x -y"', 15],
  ])('%s', (name, value, line) => {
    expect(content.get(name)).toEqual({ value, origin: { file: 'aliases', line } });
  });
  it('skips what is no alias', () => expect(errors.map(({ line }) => line)).toEqual([6, 9, 13]));
});
