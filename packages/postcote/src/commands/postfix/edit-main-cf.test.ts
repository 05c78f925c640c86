import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MainCfEdit, editMainCf, replaceFile } from './edit-main-cf.ts';

const TEXT = `# Head
myhostname = old
#relayhost = commented
mynetworks = 127.0.0.0/8
# within
  10.0.0.0/8

foo = 1
foo = 2
`;

const set = (name: string, value: string): MainCfEdit => ({ kind: 'set', name, value });

describe('editMainCf', () => {
  it.each<[title: string, edits: MainCfEdit[], expected: string]>([
    ['replaces in place', [set('myhostname', 'new')], TEXT.replace('= old', '= new')],
    [
      'replaces every definition',
      [set('foo', '9')],
      TEXT.replace('foo = 1', 'foo = 9').replace('foo = 2', 'foo = 9'),
    ],
    [
      'drops continuation lines and keeps comments',
      [set('mynetworks', 'x')],
      TEXT.replace('127.0.0.0/8', 'x').replace('  10.0.0.0/8\n', ''),
    ],
    ['adds at the end', [set('relayhost', '[a]:25')], `${TEXT}relayhost = [a]:25\n`],
    ['writes an empty value', [set('relayhost', '')], `${TEXT}relayhost = \n`],
    [
      'comments out',
      [{ kind: 'comment', name: 'mynetworks', value: '' }],
      TEXT.replace('mynetworks', '#mynetworks').replace('  10.', '#  10.'),
    ],
    ['removes', [{ kind: 'remove', name: 'foo', value: '' }], TEXT.replace('foo = 1\nfoo = 2\n', '')],
    ['leaves alone', [], TEXT],
  ])('%s', (_title, edits, expected) => {
    expect(editMainCf(TEXT, edits)).toBe(expected);
  });
});

it('replaceFile keeps mode and a link to the file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edit-main-cf-'));
  const real = join(folder, 'real.cf');
  writeFileSync(real, 'a = 1\n');
  chmodSync(real, 0o640);
  symlinkSync(real, join(folder, 'main.cf'));
  replaceFile(join(folder, 'main.cf'), 'a = 2\n');
  expect(readFileSync(real, 'utf8')).toBe('a = 2\n');
  expect(statSync(real).mode & 0o777).toBe(0o640);
  expect(readdirSync(folder).sort()).toEqual(['main.cf', 'real.cf']);
  rmSync(folder, { recursive: true });
});
