import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readForwarding, readList, TooManyTargets } from './forward-file.ts';
import { readLocalRecipient } from './recipient.ts';
import { DEFAULT_LOCAL_SETTINGS, type LocalSettings } from './settings.ts';

let home: string;
let warnings: string[];
const settings: LocalSettings = {
  ...DEFAULT_LOCAL_SETTINGS,
  recipientDelimiter: '+',
  propagate: ['forward'],
};
const ports = { uid: process.getuid?.() ?? 0, warn: (text: string) => void warnings.push(text) };

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'forward-'));
  warnings = [];
});
afterEach(() => fs.rmSync(home, { recursive: true }));

const write = (name: string, text: string, mode = 0o644): string => {
  const file = path.join(home, name);
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
  return file;
};
const read = (address = 'bob@h') =>
  readForwarding({ ...readLocalRecipient(address, settings), home }, settings, ports);

describe('readForwarding', () => {
  it('finds nothing where there is no file', async () => {
    expect(await read()).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it('reads every kind of destination, each once, lists last', async () => {
    const list = write('list', 'member\n"|no"\n/no\n');
    write(
      '.forward',
      `# c\n\\bob, carol@x.example\n"|run a, b" carol@x.example\n/file ~/below\n:include:${list}\n`,
    );
    const found = await read();
    expect(found?.propagates).toBe(true);
    expect(found?.targets).toEqual([
      { kind: 'user', name: 'bob' },
      { kind: 'address', mailbox: { local: 'carol', domain: 'x.example' } },
      { kind: 'command', target: 'run a, b' },
      { kind: 'file', target: '/file' },
      { kind: 'file', target: '~/below' },
      { kind: 'address', mailbox: { local: 'member' } },
      { kind: 'failed', target: '|no', dsn: '5.7.1', text: 'mail to command is restricted' },
      { kind: 'failed', target: '/no', dsn: '5.7.1', text: 'mail to file is restricted' },
    ]);
  });

  it('prefers the file of the extension, which then goes no further', async () => {
    write('.forward', 'general');
    write('.forward+x', 'special');
    expect(await read('bob+x@h')).toMatchObject({
      targets: [{ mailbox: { local: 'special' } }],
      propagates: false,
    });
    expect(await read('bob+y@h')).toMatchObject({
      targets: [{ mailbox: { local: 'general' } }],
      propagates: true,
    });
  });

  it.each<[string, () => void, string]>([
    ['a world-writable file', () => write('.forward', 'x', 0o666), 'is world writable'],
    [
      'a link',
      () => fs.symlinkSync(write('real', 'x'), path.join(home, '.forward')),
      'is not a regular file',
    ],
    ['a folder', () => fs.mkdirSync(path.join(home, '.forward')), 'is not a regular file'],
  ])('passes over %s, and says so', async (_title, make, words) => {
    make();
    expect(await read()).toBeUndefined();
    expect(warnings.join()).toContain(words);
  });

  it('takes a file without destinations for none', async () => {
    write('.forward', '\n# only this\n  \n');
    expect(await read()).toBeUndefined();
  });
});

describe('readList', () => {
  it('ends where lists include one another', async () => {
    const [a, b] = [path.join(home, 'a'), path.join(home, 'b')];
    write('a', `one\n:include:${b}\n`);
    write('b', `two\n:include:${a}\n:include:${b}\n`);
    expect((await readList(a, settings, ports)).map((target) => JSON.stringify(target))).toEqual(
      ['one', 'two'].map((local) => JSON.stringify({ kind: 'address', mailbox: { local } })),
    );
  });

  it.each<[string, () => string]>([
    ['that is missing', () => path.join(home, 'none')],
    ['with a relative path', () => 'list'],
    ['that everybody may write to', () => write('open', 'x', 0o646)],
    ['that is a folder', () => home],
  ])('answers for a list %s with 5.3.5', async (_title, make) => {
    expect(await readList(make(), settings, ports)).toEqual([
      expect.objectContaining({ kind: 'failed', dsn: '5.3.5', text: 'mail system configuration error' }),
    ]);
    expect(warnings).toHaveLength(1);
  });

  it('takes all or nothing', async () => {
    const list = write('many', Array.from({ length: 10_001 }, (_, i) => `m${i}\n`).join(''));
    await expect(readList(list, settings, ports)).rejects.toThrow(TooManyTargets);
  });
});
