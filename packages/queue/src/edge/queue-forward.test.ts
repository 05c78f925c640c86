// Recipients that their delivery replaces by others: what a .forward file or a list comes to.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Notify } from '../envelope.ts';
import type { DeliveryJob, DeliveryResult, ResolvedRecipient } from '../ports.ts';
import { RecordingDeliverer, allDeferred, allSent } from '../testing/index.ts';
import { openQueue, type Queue } from './queue.ts';

let directory: string;
let open: Queue[] = [];
let lines: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'queue-test-'));
  lines = [];
});

afterEach(async () => {
  for (const queue of open) await queue.close();
  open = [];
  rmSync(directory, { recursive: true });
});

const local = (name: string, part?: ResolvedRecipient['part']): ResolvedRecipient => ({
  address: name,
  destination: { transport: 'local', nexthop: name },
  ...(part === undefined ? {} : { part }),
});

async function makeQueue(answer: (job: DeliveryJob) => readonly DeliveryResult[]) {
  const deliverer = new RecordingDeliverer(answer);
  const queue = await openQueue({
    directory,
    log: (_level, program, message) => lines.push(`${program}: ${message}`),
    resolve: async ({ address }) => ({ kind: 'expanded', recipients: [local(address)] }),
    deliverer,
  });
  open.push(queue);
  return { queue, deliverer };
}

async function send(queue: Queue, sender: string, notify: readonly Notify[] | undefined, ...to: string[]) {
  const writer = await queue.begin({
    sender,
    recipients: to.map((address) => ({ address, ...(notify === undefined ? {} : { notify }) })),
    smtpUtf8: false,
    client: { address: '127.0.0.1', port: 4000, name: 'localhost', reverseName: 'localhost' },
    helo: 'client.example.com',
    protocol: 'ESMTP',
  });
  await writer.write(Buffer.from('Subject: x\r\n\r\nbody\r\n'));
  return (await writer.commit()).queueId;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error('it did not come about');
}

const forwardTo =
  (table: Readonly<Record<string, readonly ResolvedRecipient[]>>) =>
  (job: DeliveryJob): DeliveryResult[] =>
    allSent(job).map((result, at) => {
      const recipient = job.recipients[at];
      const forwarded = recipient?.part === undefined ? table[recipient?.address ?? ''] : undefined;
      return forwarded === undefined ? result : { ...result, text: 'forwarded', forwarded };
    });

test('the rows that replace a recipient are delivered at once, each once', async () => {
  const { queue, deliverer } = await makeQueue(
    forwardTo({
      // b and c both go on to d, and back to a: no copy comes twice, and nothing goes round for ever.
      a: [local('b'), local('c'), local('a', { kind: 'mailbox', target: 'a' })],
      b: [local('d'), local('a')],
      c: [local('d'), local('a')],
      d: [],
    }),
  );
  queue.start();
  await send(queue, 's@example.com', undefined, 'a');
  await until(async () => (await queue.counts()).messages === 0);
  expect(deliverer.jobs.flatMap((job) => job.addresses).toSorted()).toEqual(['a', 'a', 'a', 'b', 'c', 'd']);
});

test('what is left of them is there after a restart, with its part; success was reported', async () => {
  const part = { kind: 'command', target: 'exit 75', include: '/list' };
  const first = await makeQueue((job) =>
    job.recipients[0]?.part === undefined && job.recipients[0]?.address === 'a'
      ? forwardTo({ a: [local('a', part), local('b')] })(job)
      : job.recipients[0]?.address === 'b' || job.envelope.sender === ''
        ? allSent(job)
        : allDeferred(job),
  );
  first.queue.start();
  const id = await send(first.queue, 's@example.com', ['SUCCESS', 'FAILURE'], 'a');
  await until(async () => (await first.queue.counts()).deferred === 1);
  await first.queue.close();
  expect(lines.some((line) => line.includes(`${id}: sender delivery status notification`))).toBe(true);
  const report = first.deliverer.jobs.find(({ octets }) => octets.includes('Action:'))?.octets ?? '';
  expect(report).toContain('Action: expanded');
  expect(report.match(/Final-Recipient/g)).toHaveLength(1);

  const jobs: DeliveryJob[] = [];
  const second = await makeQueue((job) => (jobs.push(job), allSent(job)));
  second.queue.start();
  second.queue.flush();
  await until(async () => (await second.queue.counts()).messages === 0);
  expect(jobs.map((job) => job.recipients)).toEqual([
    [expect.objectContaining({ address: 'a', original: 'a', part, notify: ['FAILURE'] })],
  ]);
});

test('more than ten thousand are not taken', async () => {
  const many = Array.from({ length: 10_001 }, (_, i) => local(`u${i}`));
  const { queue } = await makeQueue(forwardTo({ a: many }));
  queue.start();
  await send(queue, 's@example.com', undefined, 'a');
  await until(async () => (await queue.counts()).deferred === 1);
  expect(lines.join('\n')).toContain('dsn=4.6.0, status=deferred (mail is forwarded to more than 10000');
});
