import { describe, expect, it } from 'vitest';
import { type MasterEdit, editMasterCf } from './edit-master-cf.ts';
import { formatMasterRow, readMasterRows, splitWords } from './master-rows.ts';

const TEXT = `# a comment
smtp      inet  n       -       y       -       -       smtpd
  -o smtpd_proxy_filter=x
# within
  -o { smtpd_a = b c }
#smtps inet n - - - - smtpd
pickup    unix  n       -       y       60      1       pickup

cleanup unix n - y - 0 cleanup -v -o foo=bar -v
`;

describe('editMasterCf', () => {
  const smtp = { service: 'smtp', type: 'inet' };
  const cases: readonly [string, MasterEdit, string][] = [
    [
      'sets a field',
      { ...smtp, kind: 'field', field: 'chroot', value: 'n' },
      TEXT.replace(
        /smtp {6}inet.*\n.*\n/,
        'smtp       inet  n       -       n       -       -       smtpd\n    -o smtpd_proxy_filter=x\n    -o {smtpd_a=b c}\n',
      ).replace('  -o { smtpd_a = b c }\n', ''),
    ],
    [
      'replaces a parameter where it stands',
      { service: 'cleanup', type: 'unix', kind: 'parameter', name: 'foo', value: 'new' },
      TEXT.replace(
        /cleanup unix.*\n/,
        'cleanup    unix  n       -       y       -       0       cleanup -v\n    -o foo=new\n    -v\n',
      ),
    ],
    [
      'removes a parameter',
      { service: 'cleanup', type: 'unix', kind: 'parameter', name: 'foo', value: undefined },
      TEXT.replace(
        /cleanup unix.*\n/,
        'cleanup    unix  n       -       y       -       0       cleanup -v -v\n',
      ),
    ],
    [
      'removes a row and keeps the comments in it',
      { ...smtp, kind: 'remove' },
      `# a comment\n# within\n${TEXT.slice(TEXT.indexOf('#smtps'))}`,
    ],
    [
      'comments a row out',
      { ...smtp, kind: 'comment' },
      TEXT.replace('smtp      inet', '#smtp      inet').replaceAll('\n  -o', '\n#  -o'),
    ],
    [
      'adds a row',
      {
        service: 'x',
        type: 'unix',
        kind: 'row',
        row: splitWords('x unix - n n - - pipe flags=R argv=/bin/x ${a}'),
      },
      `${TEXT}x          unix  -       n       n       -       -       pipe flags=R\n    argv=/bin/x \${a}\n`,
    ],
  ];
  it.each(cases)('%s', (_, edit, expected) => {
    const edited = editMasterCf(TEXT, [edit]);
    expect(edited.text).toBe(expected);
    expect(edited.unmatched).toEqual([]);
  });

  it('changes every row a pattern names, and no other', () => {
    const { text } = editMasterCf(TEXT, [
      { service: '*', type: 'unix', kind: 'field', field: 'chroot', value: 'n' },
    ]);
    expect(readMasterRows(text).map((row) => [row[0], row[4]])).toEqual([
      ['smtp', 'y'],
      ['pickup', 'n'],
      ['cleanup', 'n'],
    ]);
    expect(text).toContain('smtp      inet  n       -       y');
  });

  it('says which edits found nothing, and leaves the text alone', () => {
    const edit: MasterEdit = { service: 'none', type: 'inet', kind: 'field', field: 'chroot', value: 'n' };
    expect(editMasterCf(TEXT, [edit])).toEqual({ text: TEXT, unmatched: [edit] });
  });
});

describe('rows', () => {
  it.each([
    ['a  b\tc', ['a', 'b', 'c']],
    ['-o { x = y  z } d', ['-o', '{x=y  z}', 'd']],
    ['argv=/x ${sender} {${a} b}', ['argv=/x', '${sender}', '{${a} b}']],
    ['{ never closed', ['{ never closed']],
    ['', []],
  ])('%j is split at blanks outside braces', (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  it('is read again as it was written', () => {
    for (const row of readMasterRows(TEXT))
      for (const folded of [true, false]) expect(readMasterRows(formatMasterRow(row, folded))).toEqual([row]);
  });
});
