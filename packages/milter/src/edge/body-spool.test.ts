import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { BodySpool } from './body-spool.ts';

let folder = '';
afterEach(() => {
  if (existsSync(folder)) rmSync(folder, { recursive: true });
});

async function whole(spool: BodySpool): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of spool.read()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}

it.each([
  ['in memory', 1000, 5],
  ['just in memory', 1000, 10],
  ['in a file', 1000, 11],
  ['in a file, long', 1000, 5000],
])('gives back what it was given: %s', async (_, limit, count) => {
  folder = await mkdtemp(join(tmpdir(), 'postcote-spool-'));
  const spool = new BodySpool({ folder, memoryLimit: limit });
  const expected: string[] = [];
  const buffer = Buffer.alloc(100);
  for (let i = 0; i < count; i++) {
    const line = `${String(i).padEnd(98, 'x')}\r\n`;
    expected.push(line);
    buffer.write(line);
    await spool.write(buffer);
    // The writer's again.
    buffer.fill(0);
  }
  expect(spool.size).toBe(count * 100);
  // Each filter reads it anew.
  for (let i = 0; i < 2; i++) expect(await whole(spool)).toBe(expected.join(''));
  expect(readdirSync(folder)).toEqual([]);
  spool.drop();
  expect(spool.write(buffer)).toBeUndefined();
});

it('says so when there is nowhere to write', async () => {
  folder = await mkdtemp(join(tmpdir(), 'postcote-spool-'));
  const spool = new BodySpool({ folder: join(folder, 'missing'), memoryLimit: 10 });
  await spool.write(Buffer.alloc(100));
  await expect(whole(spool)).rejects.toThrow('ENOENT');
  spool.drop();
});
