// kill -9 while messages are returned to their senders, held, released, requeued and deleted: each message that was
// acknowledged and not deleted is delivered, or its sender is told; whole in any case.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const KILLS = 12;
const child = fileURLToPath(new URL('./queue-crash-admin-child.ts', import.meta.url));
const folder = makeTempFolder('queue-crash-admin');

beforeAll(() => mkdirSync(path.join(folder.path, 'queue')));
afterAll(() => folder.remove());

function linesOf(name: string): string[] {
  const file = path.join(folder.path, name);
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

test(`${KILLS} kills while the queue is administered lose nothing`, { timeout: 180_000 }, async () => {
  for (let kill = 0; kill < KILLS; kill++) {
    const before = linesOf('acknowledged').length;
    const running = spawn(process.execPath, [child, folder.path, String((kill + 1) * 1_000_000), 'load'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const exited = once(running, 'exit');
    await eventually(() => expect(linesOf('acknowledged').length).toBeGreaterThan(before + 20), 30_000);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
    running.kill('SIGKILL');
    await exited;
  }
  const running = spawn(process.execPath, [child, folder.path, '0', 'drain'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  expect(await once(running, 'exit')).toEqual([0, null]);

  const acknowledged = linesOf('acknowledged');
  const ended = new Set([...linesOf('delivered'), ...linesOf('returned'), ...linesOf('deleted')]);
  expect(acknowledged.filter((name) => !ended.has(name))).toEqual([]);
  expect([...ended].filter((name) => name.startsWith('damaged') || name === 'nameless')).toEqual([]);
  // All of it did happen.
  for (const file of ['delivered', 'returned', 'deleted']) expect(linesOf(file).length).toBeGreaterThan(0);
  expect(linesOf('returned').filter((name) => Number(name) % 3 !== 0)).toEqual([]);
  expect(linesOf('problems')).toEqual([]);
  expect(readdirSync(path.join(folder.path, 'queue', 'spool'))).toEqual([]);
});
