import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KeptMap } from './kept-map.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept-map-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const said: string[] = [];
const open = (maxEntries = 100): KeptMap<number> =>
  new KeptMap({
    path: join(folder, 'map'),
    maxEntries,
    read: (value) => (typeof value === 'number' ? value : undefined),
    log: (_, __, message) => said.push(message),
  });

it('knows after a restart what it knew before', async () => {
  const map = open();
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  map.set('c', 4);
  map.delete('b');
  await map.flush();
  const again = open();
  expect(['a', 'b', 'c'].map((key) => again.get(key))).toEqual([3, undefined, 4]);
  expect(statSync(join(folder, 'map')).mode & 0o777).toBe(0o600);
});

it('skips what is broken, half written or no value', async () => {
  const map = open();
  map.set('a', 1);
  await map.flush();
  appendFileSync(join(folder, 'map'), 'nonsense\n{}\n["b","text"]\n["c",5]\n["d",');
  const again = open();
  expect(again.size).toBe(2);
  expect(again.get('c')).toBe(5);
});

it('forgets the oldest beyond its limit', () => {
  const map = open(3);
  for (const key of ['a', 'b', 'c']) map.set(key, 1);
  map.set('a', 2);
  map.set('d', 1);
  expect(['a', 'b', 'c', 'd'].filter((key) => map.get(key) !== undefined)).toEqual(['a', 'c', 'd']);
});

it('keeps the file in proportion to what it holds', async () => {
  const map = open();
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 100; i++) map.set(`key${i}`, round);
    await map.flush();
  }
  expect(readFileSync(join(folder, 'map'), 'utf8').split('\n').length).toBeLessThan(1400);
  expect(open().get('key99')).toBe(39);
});

it('goes on in memory when the disk fails, and says so once', async () => {
  const map = open();
  rmSync(folder, { recursive: true });
  said.length = 0;
  map.set('a', 1);
  await map.flush();
  map.set('b', 1);
  await map.flush();
  expect(map.get('a')).toBe(1);
  expect(said).toHaveLength(1);
  folder = mkdtempSync(join(tmpdir(), 'kept-map-'));
});
