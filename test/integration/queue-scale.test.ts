// A queue in which very many messages wait: what comes in is taken as before, what an administrator does to all of them
// ends, and memory stays bounded. `POSTCOTE_QUEUE_SCALE=100000` for the size of the acceptance text; the times are the
// benchmark's matter (`pnpm bench --only deferred`).

import fs from 'node:fs';
import path from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { act, flushSite, listQueue } from '../../packages/postcote/src/control/queue-operations.ts';
import type { QueueAction } from '../../packages/postcote/src/control/protocol.ts';
import { type Queue, openQueue } from '../../packages/queue/src/edge/index.ts';
import type { DeliveryJob } from '../../packages/queue/src/index.ts';
import { silentLog } from '../../packages/wire/src/index.ts';
import { eventually } from '../support/eventually.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const SCALE = Number(process.env['POSTCOTE_QUEUE_SCALE'] ?? 10_000);
const ACTIVE_LIMIT = 500;
/** Milliseconds, on a machine that does other things too. */
const PATIENCE = 240_000;
const MIB = 1024 * 1024;

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;

/** Megabytes that are really in use, the queue thread's aside. */
function usedMib(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / MIB;
}

describe.each([
  ['one site', 1],
  ['a thousand sites', 1000],
])(`${SCALE} messages that wait for %s`, (_, sites) => {
  const folder = makeTempFolder('queue-scale');
  const directory = path.join(folder.path, 'queue');
  let queue: Queue;
  let tried: string[] = [];
  let mostActive = 0;
  let answer: 'deferred' | 'sent' = 'deferred';

  const open = async (): Promise<void> => {
    queue = await openQueue({
      directory,
      log: silentLog,
      settings: { minimalBackoff: 3_600_000, activeLimit: ACTIVE_LIMIT, activeRecipientLimit: ACTIVE_LIMIT },
      resolve: async ({ address }) => ({
        kind: 'expanded',
        recipients: [{ address, destination: { transport: 'smtp', nexthop: address.split('@')[1] ?? '' } }],
      }),
      deliverer: {
        async deliver(job: DeliveryJob) {
          tried.push(job.destination.nexthop);
          if (tried.length % 50 === 0) mostActive = Math.max(mostActive, (await queue.counts()).active);
          return job.recipients.map(({ index }) => ({
            index,
            status: job.destination.nexthop === 'fresh.example' ? 'sent' : answer,
            dsn: '4.4.1',
            text: 'connect to mx.example[192.0.2.1]:25: Connection timed out',
          }));
        },
      },
    });
    queue.start();
  };

  const accept = async (address: string): Promise<void> => {
    const writer = await queue.begin({
      sender: 'sender@example.com',
      recipients: [{ address }],
      smtpUtf8: false,
      client: { address: '192.0.2.9', port: 1, name: 'unknown', reverseName: 'unknown' },
      helo: 'client.example',
      protocol: 'ESMTP',
    });
    await writer.write(Buffer.alloc(1000, 'x'));
    await writer.commit();
  };
  const acceptMany = async (count: number, address: (number: number) => string): Promise<void> => {
    for (let at = 0; at < count; at += 100)
      await Promise.all(
        Array.from({ length: Math.min(100, count - at) }, (_unused, i) => accept(address(at + i))),
      );
  };
  const all = async (action: QueueAction, queues?: string[]): Promise<number> => {
    let done = 0;
    const request = {
      op: 'act' as const,
      action,
      ids: 'ALL' as const,
      ...(queues === undefined ? {} : { queues }),
    };
    for await (const one of act(queue, request)) if (one.type === 'done') done++;
    return done;
  };
  const waiting = (count: number): Promise<void> =>
    eventually(async () => {
      const { deferred, active } = await queue.counts();
      expect({ deferred, active }).toEqual({ deferred: count, active: 0 });
    }, PATIENCE);

  afterEach(() => {
    tried = [];
    mostActive = 0;
  });
  afterAll(async () => {
    await queue?.close();
    folder.remove();
  });

  it('are taken in', { timeout: 300_000 }, async () => {
    await open();
    await accept('u@fresh.example');
    const before = usedMib();
    await acceptMany(SCALE, (number) => `u@d${number % sites}.example`);
    await waiting(SCALE);
    expect(usedMib() - before).toBeLessThan(40);
  });

  it('do not hold up fresh mail', { timeout: 60_000 }, async () => {
    await acceptMany(100, () => 'u@fresh.example');
    await eventually(
      () => expect(tried).toEqual(Array.from({ length: 100 }, () => 'fresh.example')),
      PATIENCE,
    );
    await waiting(SCALE);
  });

  it('are listed in a stream', { timeout: 60_000 }, async () => {
    const before = usedMib();
    let messages = 0;
    let most = 0;
    for await (const one of listQueue(queue)) {
      if (one.type === 'message' && ++messages % 5000 === 0) most = Math.max(most, usedMib());
    }
    expect(messages).toBe(SCALE);
    expect(most - before).toBeLessThan(40);
  });

  it(
    'are all tried by a flush, no more than the limit at a time, with fresh mail in between',
    { timeout: 300_000 },
    async () => {
      queue.flush();
      await accept('u@fresh.example');
      await eventually(() => expect(tried).toContain('fresh.example'), PATIENCE);
      const place = tried.indexOf('fresh.example');
      await eventually(() => expect(tried.length).toBe(SCALE + 1), PATIENCE);
      await waiting(SCALE);
      // It waited for what was active already, not for the backlog.
      expect(place).toBeLessThan(SCALE / 2);
      expect(mostActive).toBeLessThanOrEqual(ACTIVE_LIMIT + 100);
    },
  );

  it('are held, released, requeued and deleted', { timeout: 300_000 }, async () => {
    expect(await all('hold')).toBe(SCALE);
    expect((await queue.counts()).held).toBe(SCALE);
    await accept('u@fresh.example');
    await eventually(() => expect(tried).toEqual(['fresh.example']), PATIENCE);
    expect(await all('release', ['hold'])).toBe(SCALE);
    await eventually(() => expect(tried.length).toBe(SCALE + 1), PATIENCE);
    await waiting(SCALE);
    const site = sites === 1 ? SCALE : SCALE / sites;
    let flushed = 0;
    for await (const one of flushSite(queue, { op: 'flushSite', site: 'd0.example' }))
      if (one.type === 'done') flushed++;
    expect(flushed).toBe(site);
    await waiting(SCALE);
    expect(await all('requeue')).toBe(SCALE);
    await waiting(SCALE);
  });

  it('are there after a start, and go when they can', { timeout: 300_000 }, async () => {
    await queue.close();
    await open();
    expect((await queue.counts()).messages).toBe(SCALE);
    answer = 'sent';
    queue.flush();
    await eventually(async () => expect((await queue.counts()).messages).toBe(0), PATIENCE);
    expect(fs.readdirSync(path.join(directory, 'spool'))).toEqual([]);
  });
});
