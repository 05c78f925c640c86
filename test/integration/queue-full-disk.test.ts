// A full disk refuses new mail with `noSpace` before it is acknowledged, keeps what was acknowledged, delivers
// nothing twice, and is over as soon as there is room again. Needs root for a small file system of its own.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openQueue } from '../../packages/queue/src/edge/index.ts';
import { RecordingDeliverer, allDeferred, allSent } from '../../packages/queue/src/testing/index.ts';

const root = process.getuid?.() === 0;

describe.skipIf(!root)('a full disk (needs root: mounts a tmpfs)', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'queue-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
  });
  beforeEach(() => mkdirSync(join(folder, 'queue')));
  afterEach(() => rmSync(join(folder, 'queue'), { recursive: true }));
  afterAll(() => {
    // Lazily: a failed test may leave its queue open.
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true });
  });

  test.each([
    ['small messages, in the database', 20_000],
    ['large messages, as files', 300_000],
  ])('%s', async (_, size) => {
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(1_000_000));
    let full = true;
    const deliverer = new RecordingDeliverer((job) => (full ? allDeferred(job) : allSent(job)));
    const queue = await openQueue({
      directory: join(folder, 'queue'),
      log: () => {},
      settings: { minimalBackoff: 50, maximalBackoff: 50, queueRunDelay: 50, messageSizeLimit: 1000 },
      resolve: async ({ address }) => ({
        kind: 'expanded',
        recipients: [{ address, destination: { transport: 'local', nexthop: 'peter' } }],
      }),
      deliverer,
    });
    const send = async (): Promise<string> => {
      const writer = await queue.begin({
        sender: 'a@example.com',
        recipients: [{ address: 'peter' }],
        smtpUtf8: false,
        client: { address: '127.0.0.1', port: 1, name: 'localhost', reverseName: 'localhost' },
        helo: 'h',
        protocol: 'ESMTP',
      });
      await writer.write(Buffer.alloc(size, 'x'));
      await writer.commit();
      return writer.queueId;
    };

    const kept: string[] = [];
    const fill = async (): Promise<never> => {
      for (;;) kept.push(await send());
    };
    await expect(fill()).rejects.toMatchObject({ name: 'QueueError', code: 'noSpace' });
    expect(kept.length).toBeGreaterThan(5);
    // What is left is less than a message; fill that too, so that not even a deletion can be written.
    const rest = statfsSync(folder);
    writeFileSync(join(folder, 'remainder'), Buffer.alloc(rest.bavail * rest.bsize));
    await expect(send()).rejects.toMatchObject({ code: 'noSpace' });
    expect(await queue.hasRoomFor(1000)).toBe(false);

    full = false;
    deliverer.jobs.length = 0;
    queue.start();
    queue.flush();
    await until(() => deliverer.jobs.length >= kept.length);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(deliverer.jobs.map((job) => job.queueId).toSorted()).toEqual(kept.toSorted());
    expect(deliverer.jobs.every((job) => job.octets.length === size)).toBe(true);

    for (const name of ['ballast', 'remainder']) unlinkSync(join(folder, name));
    await until(async () => (await queue.counts()).messages === 0);
    expect(await send()).toMatch(/^[0-9A-F]+$/);
    await until(async () => (await queue.counts()).messages === 0);
    expect(deliverer.jobs.length).toBe(kept.length + 1);
    await queue.close({ drain: 1000 });
    expect(readdirSync(join(folder, 'queue', 'spool'))).toEqual([]);
  });
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it did not come about');
}
