// The queue keeps its word: whatever was acknowledged before a kill -9 is delivered, whole, and what is
// delivered twice is at most what was in flight when the process died.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const KILLS = 18;
const child = fileURLToPath(new URL('./queue-crash-child.ts', import.meta.url));
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'queue-crash-'));
  mkdirSync(join(directory, 'queue'));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function start(...args: string[]): Promise<ChildProcess> {
  const running = spawn(process.execPath, [child, directory, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(running, 'exit').then(() => Promise.reject(new Error('it did not start')));
  await Promise.race([once(running.stdout, 'data'), ended]);
  ended.catch(() => {});
  return running;
}

function linesOf(name: string): string[] {
  const path = join(directory, name);
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

test(`${KILLS} kills during acceptance and delivery lose nothing`, async () => {
  let inFlight = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const running = await start(String((kill + 1) * 1_000_000), 'load');
    const exited = once(running, 'exit');
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 250));
    running.kill('SIGKILL');
    await exited;
    inFlight += 2 * 40;
  }
  const running = await start('0', 'drain');
  const [code] = await once(running, 'exit');
  expect(code).toBe(0);

  const acknowledged = linesOf('acknowledged');
  const delivered = linesOf('delivered');
  const unique = new Set(delivered);
  expect(acknowledged.length).toBeGreaterThan(KILLS * 10);
  expect(acknowledged.filter((name) => !unique.has(`${name} one`) || !unique.has(`${name} two`))).toEqual([]);
  expect(delivered.filter((line) => line.startsWith('damaged'))).toEqual([]);
  expect(delivered.length - unique.size).toBeLessThanOrEqual(inFlight);
  expect(linesOf('problems')).toEqual([]);
  expect(readdirSync(join(directory, 'queue', 'spool'))).toEqual([]);
  console.log(
    `${acknowledged.length} acknowledged over ${KILLS} kills, ${unique.size} delivered, ${delivered.length - unique.size} of them twice`,
  );
});
