// Commands and files for real, as whoever runs the tests.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendToFile } from './mbox.ts';
import { MessageBody } from './message-body.ts';
import { runCommand } from './run-command.ts';
import { DEFAULT_LOCAL_SETTINGS } from './settings.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'local-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

async function* text(...pieces: readonly string[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece);
}

const run = (command: string | readonly [string, ...string[]], input = 'hello\n') =>
  runCommand({
    command,
    environment: { NAME: 'value' },
    directory: folder,
    timeLimit: 10_000,
    fileSizeLimit: 0,
    input: text(input),
  });

describe('runCommand', () => {
  it.each<[string, string | readonly [string, ...string[]], object, string]>([
    ['a line of plain words without a shell', '/bin/cat -', { kind: 'exit', status: 0 }, 'hello\n'],
    [
      'a line for the shell',
      'read x; echo "$x $NAME"; pwd >&2',
      { kind: 'exit', status: 0 },
      'hello value\nFOLDER\n',
    ],
    ['words as they are', ['/bin/echo', '$NAME', '; id'], { kind: 'exit', status: 0 }, '$NAME ; id\n'],
    ['a word of the shell’s own', 'exit 7', { kind: 'exit', status: 7 }, ''],
    ['a signal', 'kill -TERM $$', { kind: 'signal', signal: 15 }, ''],
    ['a program that is not there', '/nonexistent', { kind: 'notStarted' }, ''],
    ['nothing read', 'exec 0<&-; exit 0', { kind: 'exit', status: 0 }, ''],
  ])('runs %s', async (_title, command, end, output) => {
    const result = await run(command, command === 'exec 0<&-; exit 0' ? 'x'.repeat(5_000_000) : undefined);
    expect(result.end).toMatchObject(end);
    expect(result.output).toBe(output.replace('FOLDER', folder));
  });

  it('passes the environment it was given and no more', async () => {
    const { output } = await run('env');
    expect(output.trim().split('\n').toSorted()).toEqual(
      expect.arrayContaining(['NAME=value', 'PATH=/usr/bin:/bin']),
    );
    expect(output).not.toMatch(/HOME|NODE|VITEST/);
  });

  it('says so when the message cannot be read to its end, whatever the command made of it', async () => {
    const result = await runCommand({
      command: 'cat > /dev/null; exit 0',
      environment: {},
      directory: folder,
      timeLimit: 10_000,
      fileSizeLimit: 0,
      input: (async function* (): AsyncGenerator<Buffer> {
        yield Buffer.from('half');
        throw new Error('cut short');
      })(),
    });
    expect(result.end).toEqual({ kind: 'notStarted', reason: 'cut short' });
  });
});

describe('appendToFile', () => {
  const append = (name: string, pieces: AsyncGenerator<Buffer>, extra: object = {}) =>
    appendToFile({
      path: path.join(folder, name),
      chunks: pieces,
      locks: { ...DEFAULT_LOCAL_SETTINGS.locks, attempts: 2, delay: 10 },
      mayLackDotlock: false,
      dsn: '5.2.0',
      sizeLimit: 0,
      ...extra,
    });
  const read = (name: string): string => fs.readFileSync(path.join(folder, name), 'utf8');

  it('makes the file for its owner alone, and adds to it', async () => {
    expect(await append('box', text('one\n'))).toBeUndefined();
    expect(await append('box', text('tw', 'o\n'))).toBeUndefined();
    expect(read('box')).toBe('one\ntwo\n');
    expect(fs.statSync(path.join(folder, 'box')).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(folder)).toEqual(['box']);
  });

  it('leaves the file as it was when something goes wrong', async () => {
    fs.writeFileSync(path.join(folder, 'box'), 'before\n');
    const broken = (async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('half a mess');
      throw new Error('cut short');
    })();
    expect(await append('box', broken)).toEqual({ status: 'bounced', dsn: '5.2.0', text: 'cut short' });
    expect(await append('box', text('0123456789'), { sizeLimit: 10 })).toMatchObject({ dsn: '5.2.2' });
    expect(read('box')).toBe('before\n');
    expect(fs.readdirSync(folder)).toEqual(['box']);
  });

  it.each<[string, (file: string) => void, object]>([
    [
      'a fresh lock file',
      (file) => fs.writeFileSync(`${file}.lock`, ''),
      { dsn: '4.2.0', status: 'deferred' },
    ],
    [
      'a second name',
      (file) => fs.linkSync(file, `${file}2`),
      { dsn: '5.2.0', text: expect.stringContaining('hard links') },
    ],
  ])('does not write past %s', async (_title, make, expected) => {
    const file = path.join(folder, 'box');
    fs.writeFileSync(file, 'before\n');
    make(file);
    expect(await append('box', text('x'))).toMatchObject(expected);
    expect(read('box')).toBe('before\n');
  });

  it('does not follow a link that is not root’s', async () => {
    fs.writeFileSync(path.join(folder, 'real'), '');
    fs.symlinkSync('real', path.join(folder, 'link'));
    if (process.getuid?.() === 0) fs.lchownSync(path.join(folder, 'link'), 12345, 12345);
    expect(await append('link', text('x'))).toMatchObject({ status: 'bounced' });
    expect(read('real')).toBe('');
  });

  it('writes to /dev/null', async () => {
    expect(
      await appendToFile({
        path: '/dev/null',
        chunks: text('x'),
        locks: DEFAULT_LOCAL_SETTINGS.locks,
        mayLackDotlock: true,
        dsn: '5.2.0',
        sizeLimit: 0,
      }),
    ).toBeUndefined();
  });
});

describe('MessageBody', () => {
  it.each([10, 300_000, 3_000_000])('keeps %d octets, to be read more than once', async (size) => {
    const body = new MessageBody();
    for (let at = 0; at < size; at += 70_000)
      await body.write(Buffer.alloc(Math.min(70_000, size - at), 'x'));
    for (let i = 0; i < 2; i++) {
      let length = 0;
      for await (const chunk of body.read()) length += chunk.length;
      expect(length).toBe(size);
    }
    expect(body.size).toBe(size);
    await body.close();
  });
});
