import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '@postcote/wire';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parsePostmapText, type TextMap } from '../tables/text-map.ts';
import type { LiveFile } from '../tables/open-table.ts';
import { TableFiles } from './table-files.ts';

describe('TableFiles', () => {
  let folder = '';
  let path = '';
  let lines: string[] = [];
  let files: TableFiles;
  const log: Log = (level, _program, message) => void lines.push(`${level} ${message}`);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'postcote-tables-'));
    path = join(folder, 'virtual');
    lines = [];
    writeFileSync(path, 'a 1\n');
    files = new TableFiles({ log, pollInterval: 20, settleTime: 5 });
  });
  afterEach(() => {
    files.stop();
    rmSync(folder, { recursive: true });
  });

  function open(): LiveFile<TextMap> {
    const opened = files.open(path, 'text', parsePostmapText);
    if (opened.kind !== 'open') throw new Error(opened.kind);
    return opened.file;
  }

  it('takes an edit over without being told', async () => {
    const file = open();
    files.start();
    writeFileSync(path, 'a 2\nb 3\n');
    await vi.waitFor(() => expect(file.current().get('b')?.value).toBe('3'));
    expect(file.current().get('a')?.value).toBe('2');
    expect(lines.filter((line) => line.startsWith('info'))).toHaveLength(1);
  });

  it('sees a file that was replaced by another of the same size', async () => {
    const file = open();
    writeFileSync(`${path}.new`, 'a 9\n');
    renameSync(`${path}.new`, path);
    await files.check();
    expect(file.current().get('a')?.value).toBe('9');
  });

  it('keeps the last good map through a bad edit, and says so once with the line', async () => {
    const file = open();
    writeFileSync(path, 'a 2\nbroken\n');
    await files.check();
    await files.check();
    expect(file.current().get('a')?.value).toBe('1');
    expect(lines).toEqual([
      expect.stringMatching(/^error .*virtual: the edit is not taken over.*virtual:2: broken/),
    ]);
    appendFileSync(path, 'c 3\n');
    await files.check();
    expect(lines).toHaveLength(2);
    writeFileSync(path, 'a 2\n');
    await files.check();
    expect(file.current().get('a')?.value).toBe('2');
  });

  it('keeps the last good map when the file goes, and takes up its return', async () => {
    const file = open();
    rmSync(path);
    await files.check();
    await files.check();
    expect(file.current().get('a')?.value).toBe('1');
    expect(lines).toEqual([expect.stringContaining('the file is gone')]);
    writeFileSync(path, 'a 5\n');
    await files.check();
    expect(file.current().get('a')?.value).toBe('5');
  });

  it('reads one file once', () => {
    expect(open()).toBe(open());
  });

  it('says what is missing', () => {
    expect(files.open(join(folder, 'none'), 'text', parsePostmapText)).toEqual({ kind: 'missing' });
    expect(files.open(folder, 'text', parsePostmapText)).toEqual({
      kind: 'unreadable',
      reason: 'it is a directory',
    });
  });
});
