// Whatever deliveries answer and whatever an administrator does meanwhile, every recipient gets a message once and
// the queue ends empty. Real clock, real thread, tiny limits, so that every path is taken often.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DeliveryJob, DeliveryResult } from '../ports.ts';
import { openQueue } from './queue.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'queue-random-'))));
afterEach(() => rmSync(directory, { recursive: true }));

/** Small numbers in a repeatable order (mulberry32). */
function makeRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

test.each([1, 2])('seed %i', async (seed) => {
  const random = makeRandom(seed);
  const sent = new Map<string, number>();
  let calm = false;

  const answer = (job: DeliveryJob): DeliveryResult[] => {
    const choice = calm ? 0 : random(8);
    if (choice === 7) throw new Error('fell over');
    const results: DeliveryResult[] = [];
    for (const { index, address } of job.recipients) {
      if (choice === 6 && index % 2 === 1) continue;
      const status = choice < 4 ? 'sent' : choice === 4 ? 'bounced' : 'deferred';
      if (status === 'sent') {
        const key = `${job.queueId} ${address}`;
        sent.set(key, (sent.get(key) ?? 0) + 1);
      }
      results.push({
        index,
        status,
        dsn: '4.0.0',
        text: 'x',
        destinationDown: choice === 5 && random(3) === 0,
      });
    }
    return results;
  };

  const queue = await openQueue({
    directory,
    log: () => {},
    settings: {
      minimalBackoff: 5,
      maximalBackoff: 20,
      queueRunDelay: 7,
      activeLimit: 6,
      activeRecipientLimit: 25,
      processLimit: 4,
      destinationConcurrency: 2,
      destinationRecipients: 3,
      inlineLimit: 1000,
      cacheLimit: 3000,
      softBounce: true,
    },
    resolve: async ({ address }) => ({
      kind: 'expanded',
      recipients: [
        { address, destination: { transport: address.slice(0, 1), nexthop: address.slice(0, 2) } },
      ],
    }),
    deliverer: {
      async deliver(job) {
        const body = await job.open();
        expect(body.size).toBe(job.size);
        if (random(2) === 0) await new Promise((resolve) => setTimeout(resolve, random(4)));
        return answer(job);
      },
    },
  });
  queue.start();

  const expected: string[] = [];
  const ids: string[] = [];
  const accept = async (): Promise<void> => {
    const recipients = Array.from({ length: 1 + random(9) }, (_, i) => ({
      address: `${'ab'[random(2)]}${random(4)}${i}`,
    }));
    const writer = await queue.begin({
      sender: '',
      recipients,
      smtpUtf8: false,
      client: { address: '127.0.0.1', port: 1, name: 'localhost', reverseName: 'localhost' },
      helo: 'h',
      protocol: 'ESMTP',
    });
    await writer.write(Buffer.alloc(random(2000)));
    await writer.commit();
    ids.push(writer.queueId);
    for (const { address } of recipients) expected.push(`${writer.queueId} ${address}`);
  };
  const disturb = async (): Promise<void> => {
    const id = ids[random(ids.length)] ?? '';
    const choice = random(6);
    if (choice === 0) queue.flush();
    else if (choice === 1) await queue.hold(id);
    else if (choice === 2) await queue.release(id);
    else if (choice === 3) await queue.counts();
    else await new Promise((resolve) => setTimeout(resolve, 1));
  };
  for (let i = 0; i < 80; i++) {
    await Promise.all(Array.from({ length: 1 + random(3) }, accept));
    await disturb();
  }
  calm = true;
  for (const id of ids) await queue.release(id);
  const deadline = Date.now() + 10_000;
  while ((await queue.counts()).messages > 0 && Date.now() < deadline) {
    queue.flush();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(await queue.counts()).toEqual({ messages: 0, held: 0, deferred: 0, active: 0, running: 0 });
  expect([...sent].filter(([, times]) => times !== 1)).toEqual([]);
  expect([...sent.keys()].toSorted()).toEqual(expected.toSorted());
  expect(readdirSync(join(directory, 'spool'))).toEqual([]);
  await queue.close({ drain: 1000 });
});
