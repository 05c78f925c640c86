// The queue with its real thread and files, a manual clock and fake deliveries.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { QueueEnvelope } from '../envelope.ts';
import type { DeliveryJob, DeliveryResult, QueueClock, Resolve } from '../ports.ts';
import { defaultQueueSettings } from '../settings.ts';
import type { QueueSettings } from '../settings.ts';
import { ManualClock, RecordingDeliverer, allDeferred, allSent } from '../testing/index.ts';
import { systemClock } from './clock.ts';
import { openQueue } from './queue.ts';
import type { Queue, QueueListEntry } from './queue.ts';

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

/** `name@remote` goes to the remote transport, everybody else to the local user of that name. */
const resolvePlainly: Resolve = async ({ address }) => {
  const [local = '', domain] = address.split('@');
  const destination =
    domain === 'remote' ? { transport: 'smtp', nexthop: domain } : { transport: 'local', nexthop: local };
  return { kind: 'expanded', recipients: [{ address, destination }] };
};

interface Setup {
  readonly deliverer?: RecordingDeliverer;
  readonly resolve?: Resolve;
  readonly settings?: Partial<QueueSettings>;
  readonly clock?: QueueClock;
}

async function makeQueue({ deliverer, resolve, settings, clock }: Setup = {}): Promise<Queue> {
  const queue = await openQueue({
    directory,
    log: (_level, program, message) => lines.push(`${program}: ${message}`),
    resolve: resolve ?? resolvePlainly,
    deliverer: deliverer ?? new RecordingDeliverer(),
    ...(settings === undefined ? {} : { settings }),
    ...(clock === undefined ? {} : { clock }),
  });
  open.push(queue);
  return queue;
}

function envelope(...recipients: string[]): QueueEnvelope {
  return {
    sender: 'sender@example.com',
    recipients: recipients.map((address) => ({ address })),
    smtpUtf8: false,
    client: { address: '127.0.0.1', port: 4000, name: 'localhost', reverseName: 'localhost' },
    helo: 'client.example.com',
    protocol: 'ESMTP',
  };
}

async function send(queue: Queue, octets: string, ...recipients: string[]): Promise<string> {
  const writer = await queue.begin(envelope(...recipients));
  await writer.write(Buffer.from(octets, 'latin1'));
  const { queueId } = await writer.commit();
  expect(queueId).toBe(writer.queueId);
  return queueId;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error('it did not come about');
}

const counts = async (queue: Queue) => {
  const { messages, deferred, held, active } = await queue.counts();
  return { messages, deferred, held, active };
};
async function listAll(queue: Queue): Promise<QueueListEntry[]> {
  const entries: QueueListEntry[] = [];
  for await (const entry of queue.list()) entries.push(entry);
  return entries;
}

const EMPTY = { messages: 0, deferred: 0, held: 0, active: 0 };
const isEmpty = (queue: Queue) => async () => (await queue.counts()).messages === 0;

test('a message is delivered octet for octet, logged as Postfix does, and gone', async () => {
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer });
  queue.start();
  const octets = 'Message-ID: <m@x>\r\n\r\n\0\x80\xff.\r\n';
  const id = await send(queue, octets, 'peter');
  await until(isEmpty(queue));
  expect(deliverer.jobs).toEqual([{ queueId: id, destination: 'local:peter', addresses: ['peter'], octets }]);
  expect(lines.map((line) => line.replaceAll(/delays?=[\d./]+/g, 'D'))).toEqual([
    `postfix/cleanup: ${id}: message-id=<m@x>`,
    `postfix/qmgr: ${id}: from=<sender@example.com>, size=${octets.length}, nrcpt=1 (queue active)`,
    `postfix/local: ${id}: to=<peter>, relay=local, D, D, dsn=2.0.0, status=sent (delivered to maildir)`,
    `postfix/qmgr: ${id}: removed`,
  ]);
  expect(await counts(queue)).toEqual(EMPTY);
});

test('a large message goes through a file, which goes with it', async () => {
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer });
  const writer = await queue.begin(envelope('peter'));
  const chunk = Buffer.alloc(50_000, 'abcdefghij');
  for (let i = 0; i < 40; i++) await writer.write(chunk);
  await writer.commit();
  expect(readdirSync(join(directory, 'spool'))).toEqual([writer.queueId]);
  queue.start();
  await until(() => readdirSync(join(directory, 'spool')).length === 0);
  expect(deliverer.jobs[0]?.octets).toBe(chunk.toString().repeat(40));
  expect(await counts(queue)).toEqual(EMPTY);
});

test('the caller may reuse its buffer after a write', async () => {
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer, settings: { inlineLimit: 100 } });
  queue.start();
  const writer = await queue.begin(envelope('peter'));
  const buffer = Buffer.alloc(60);
  for (const letter of ['a', 'b', 'c']) {
    buffer.fill(letter);
    void writer.write(buffer);
  }
  buffer.fill('x');
  await writer.commit();
  await until(isEmpty(queue));
  expect(deliverer.jobs[0]?.octets).toBe('a'.repeat(60) + 'b'.repeat(60) + 'c'.repeat(60));
});

test('an abort leaves nothing behind, small or large', async () => {
  const queue = await makeQueue({ settings: { inlineLimit: 100 } });
  for (const size of [50, 1_000_000]) {
    const writer = await queue.begin(envelope('peter'));
    await writer.write(Buffer.alloc(size));
    await writer.abort();
    await expect(writer.commit()).rejects.toThrow('given up');
  }
  expect(readdirSync(join(directory, 'spool'))).toEqual([]);
  expect(await counts(queue)).toEqual(EMPTY);
});

test('expansion: several destinations, duplicates once, orig_to in the log, nobody at all', async () => {
  const resolve: Resolve = async ({ address }) => {
    const names = { team: ['peter', 'paul', 'peter'], paul: ['paul'], nobody: [] }[address] ?? [];
    return {
      kind: 'expanded',
      recipients: names.map((name) => ({
        address: name,
        destination: { transport: 'local', nexthop: name },
      })),
    };
  };
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer, resolve });
  queue.start();
  await send(queue, 'x', 'team', 'paul');
  await send(queue, 'y', 'nobody');
  await until(isEmpty(queue));
  // Twice to paul: once for the list, once under his own name, as Postfix does.
  expect(deliverer.jobs.map((job) => job.addresses)).toEqual([['peter'], ['paul'], ['paul']]);
  expect(lines.some((line) => line.includes('to=<paul>, orig_to=<team>,'))).toBe(true);
});

test.each([
  [{ kind: 'loop', reason: 'goes round' }, 'loop'],
  [{ kind: 'unavailable', reason: 'no table' }, 'unavailable'],
] as const)('a recipient that resolves to %o refuses the message', async (resolution, code) => {
  const queue = await makeQueue({ resolve: async () => resolution, settings: { inlineLimit: 10 } });
  await expect(send(queue, 'x'.repeat(20), 'peter')).rejects.toMatchObject({ code });
  expect(await counts(queue)).toEqual(EMPTY);
  expect(readdirSync(join(directory, 'spool'))).toEqual([]);
});

test('a resolver that throws is a temporary failure, also when nobody awaits it yet', async () => {
  const queue = await makeQueue({ resolve: () => Promise.reject(new Error('boom')) });
  const writer = await queue.begin(envelope('peter'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await expect(writer.commit()).rejects.toMatchObject({ code: 'unavailable' });
});

test('deferred mail is tried again on Postfix’s schedule, only what is left of it', async () => {
  const clock = new ManualClock();
  let attempts = 0;
  const deliverer = new RecordingDeliverer((job) => {
    if (job.destination.nexthop === 'paul') return allSent(job);
    return ++attempts < 3 ? allDeferred(job) : allSent(job);
  });
  const queue = await makeQueue({ deliverer, clock });
  queue.start();
  await send(queue, 'again', 'peter', 'paul');
  await until(() => attempts === 1);
  await until(async () => (await queue.counts()).active === 0);
  expect(lines.some((line) => /to=<peter>.* dsn=4\.2\.0, status=deferred \(not now\)$/.test(line))).toBe(
    true,
  );
  clock.advance(299_000);
  clock.advance(1000);
  await until(() => attempts === 2);
  await until(async () => (await queue.counts()).active === 0);
  clock.advance(300_000);
  await until(() => attempts === 3);
  clock.advance(100);
  await until(isEmpty(queue));
  expect(deliverer.jobs.map((job) => job.destination)).toEqual([
    'local:peter',
    'local:paul',
    'local:peter',
    'local:peter',
  ]);
  expect(deliverer.jobs.at(-1)?.octets).toBe('again');
});

const refuseNo = (job: DeliveryJob): DeliveryResult[] => {
  if (job.destination.nexthop === 'no')
    return allSent(job).map((r) => ({ ...r, status: 'bounced' as const, dsn: '5.1.1', text: 'no such' }));
  if (job.destination.nexthop === 'mute') return [];
  if (job.destination.nexthop === 'throw') throw new Error('fell over');
  return allSent(job);
};

test('with soft_bounce a permanent failure, a missing result and a throw are kept, not lost', async () => {
  const queue = await makeQueue({
    deliverer: new RecordingDeliverer(refuseNo),
    settings: { softBounce: true },
  });
  queue.start();
  await send(queue, 'x', 'no', 'mute', 'throw');
  await until(async () => (await queue.counts()).active === 0);
  expect(await counts(queue)).toEqual({ messages: 1, deferred: 1, held: 0, active: 0 });
  const [entry] = await listAll(queue);
  expect(entry?.recipients.map(({ address, dsn, reason }) => [address, dsn, reason])).toEqual([
    ['no', '4.1.1', 'no such'],
    ['mute', '4.3.0', 'delivery ended without a result'],
    ['throw', '4.3.0', 'delivery ended without a result'],
  ]);
});

/** The notifications that were delivered, as text. */
const noticesOf = (deliverer: RecordingDeliverer): string[] =>
  deliverer.jobs.flatMap(({ octets }) => (octets.includes('multipart/report') ? [octets] : []));

async function sendAs(queue: Queue, given: Partial<QueueEnvelope>, octets = 'Subject: s\r\n\r\nbody\r\n') {
  const writer = await queue.begin({ ...envelope(), ...given });
  await writer.write(Buffer.from(octets, 'latin1'));
  return (await writer.commit()).queueId;
}

test('a permanent failure is returned to its sender, and the others stay', async () => {
  const deliverer = new RecordingDeliverer(refuseNo);
  const queue = await makeQueue({ deliverer });
  queue.start();
  const id = await sendAs(queue, {
    recipients: [{ address: 'no', originalRecipient: 'rfc822;n+2Bo@example.com' }, { address: 'mute' }],
    envelopeId: 'my id',
  });
  await until(() => noticesOf(deliverer).length === 1);
  await until(async () => (await queue.counts()).active === 0);
  const [notice = ''] = noticesOf(deliverer);
  for (const part of [
    'Subject: Undelivered Mail Returned to Sender',
    'To: sender@example.com',
    '<no>: no such',
    'Original-Envelope-Id: my id',
    'Final-Recipient: rfc822; no',
    'Original-Recipient: rfc822;n+o@example.com',
    'Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: X-Postfix; no such',
    'Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nbody\r\n',
  ])
    expect(notice).toContain(part);
  expect(lines.join('\n')).toMatch(new RegExp(`postfix/bounce: ${id}: sender non-delivery notification: `));
  const [entry] = await listAll(queue);
  expect(entry?.recipients.map(({ address }) => address)).toEqual(['mute']);
});

test.each<[string, Partial<QueueEnvelope>, Partial<QueueSettings>, string[]]>([
  ['nobody hears of a bounce that fails', { sender: '', recipients: [{ address: 'no' }] }, {}, []],
  ['NOTIFY=NEVER is kept', { recipients: [{ address: 'no', notify: ['NEVER'] }] }, {}, []],
  [
    'RET=HDRS returns the header alone',
    { recipients: [{ address: 'no' }], ret: 'HDRS' },
    {},
    ['text/rfc822-headers\r\n\r\nSubject: s\r\n\r\n--'],
  ],
  [
    'success is reported when asked for',
    { recipients: [{ address: 'peter', notify: ['SUCCESS'] }] },
    {},
    ['Action: relayed\r\nStatus: 2.0.0'],
  ],
])('%s', async (_name, given, settings, parts) => {
  const deliverer = new RecordingDeliverer(refuseNo);
  const queue = await makeQueue({ deliverer, settings });
  queue.start();
  await sendAs(queue, given);
  await until(isEmpty(queue));
  const notices = noticesOf(deliverer);
  expect(notices).toHaveLength(parts.length);
  for (const [i, part] of parts.entries()) expect(notices[i]).toContain(part);
});

test('the postmaster hears of bounces that fail, when notify_classes says so', async () => {
  const deliverer = new RecordingDeliverer(refuseNo);
  const { notices } = defaultQueueSettings;
  const settings = {
    notices: { ...notices, classes: new Set(['2bounce']), doubleBounceRecipient: 'pm' },
  };
  const queue = await makeQueue({ deliverer, settings });
  queue.start();
  await sendAs(queue, { sender: '', recipients: [{ address: 'no' }] });
  await until(isEmpty(queue));
  expect(deliverer.jobs.map(({ destination }) => destination)).toEqual(['local:no', 'local:pm']);
  await sendAs(queue, { sender: notices.doubleBounceSender, recipients: [{ address: 'no' }] });
  await until(isEmpty(queue));
  expect(deliverer.jobs).toHaveLength(3);
});

test('a warning comes once, and old mail is returned', async () => {
  const clock = new ManualClock();
  const deliverer = new RecordingDeliverer((job) =>
    job.destination.nexthop === 'late' ? allDeferred(job) : allSent(job),
  );
  const hour = 3_600_000;
  const queue = await makeQueue({
    deliverer,
    clock,
    settings: { delayWarning: hour, maximalLifetime: 10 * hour },
  });
  queue.start();
  await sendAs(queue, { recipients: [{ address: 'late' }] });
  await until(async () => (await queue.counts()).deferred === 1);
  const subjects = () => noticesOf(deliverer).map((text) => /Subject: (\S+)/.exec(text)?.[1]);
  for (let tries = 2; tries <= 40 && (await queue.counts()).messages > 0; tries++) {
    clock.advance(hour / 2);
    await until(async () => {
      const { active, running } = await queue.counts();
      return active === 0 && running === 0;
    });
  }
  await until(isEmpty(queue));
  expect(subjects()).toEqual(['Delayed', 'Undelivered']);
  expect(lines.join('\n')).toContain('status=expired, returned to sender');
});

test('what is in the queue survives a restart, in flight or waiting, with its DSN parameters', async () => {
  const first = await makeQueue({ deliverer: new RecordingDeliverer(() => new Promise(() => {})) });
  first.start();
  const flying = await send(first, 'in flight', 'peter');
  const writer = await first.begin({
    ...envelope(),
    recipients: [{ address: 'paul', notify: ['NEVER'], originalRecipient: 'rfc822;p' }],
    envelopeId: 'env',
    ret: 'HDRS',
  });
  await writer.write(Buffer.alloc(200_000, 'l'));
  await writer.commit();
  writeFileSync(join(directory, 'spool', 'STRAY'), 'left by a crash');
  await first.close();

  const jobs: DeliveryJob[] = [];
  const deliverer = new RecordingDeliverer((job) => (jobs.push(job), allSent(job)));
  const second = await makeQueue({ deliverer });
  expect(readdirSync(join(directory, 'spool'))).toEqual([writer.queueId]);
  second.start();
  await until(isEmpty(second));
  const octets = new Map(deliverer.jobs.map((job) => [job.queueId, job.octets.length]));
  expect([...octets].toSorted((a, b) => a[1] - b[1])).toEqual([
    [flying, 9],
    [writer.queueId, 200_000],
  ]);
  const spooled = jobs.find((job) => job.queueId === writer.queueId);
  expect(spooled?.recipients[0]).toMatchObject({ notify: ['NEVER'], originalRecipient: 'rfc822;p' });
  expect(spooled?.envelope).toMatchObject({ envelopeId: 'env', ret: 'HDRS', sender: 'sender@example.com' });
  expect(await send(second, 'x', 'peter')).not.toBe(flying);
});

test('hold, release, remove', async () => {
  const clock = new ManualClock();
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer, clock });
  const kept = await send(queue, 'kept', 'peter');
  const gone = await send(queue, 'gone', 'peter');
  expect(await queue.hold(kept)).toBe(true);
  expect(await queue.remove(gone)).toBe(true);
  expect(await queue.hold('1234567890')).toBe(false);
  queue.start();
  queue.flush();
  await until(async () => (await queue.counts()).active === 0);
  expect(await counts(queue)).toEqual({ messages: 1, deferred: 0, held: 1, active: 0 });
  expect((await listAll(queue)).map((entry) => [entry.queueId, entry.status])).toEqual([[kept, 'hold']]);
  expect(deliverer.jobs).toEqual([]);
  await queue.release(kept);
  await until(() => deliverer.jobs.length === 1);
  expect(deliverer.jobs[0]?.octets).toBe('kept');
});

test('flush tries everything once, now', async () => {
  const clock = new ManualClock();
  const deliverer = new RecordingDeliverer(allDeferred);
  const queue = await makeQueue({ deliverer, clock });
  queue.start();
  for (let i = 0; i < 250; i++) await send(queue, 'x', `user${i}`);
  await until(() => deliverer.jobs.length === 250);
  await until(async () => (await queue.counts()).active === 0);
  clock.advance(1000);
  queue.flush();
  await until(() => deliverer.jobs.length === 500);
  await until(async () => (await queue.counts()).active === 0);
  expect(deliverer.jobs.length).toBe(500);
});

test('a destination that is down is tried once; what waits for it is deferred with the reason', async () => {
  const clock = new ManualClock();
  const deliverer = new RecordingDeliverer(nobodyAnswers);
  const queue = await makeQueue({ deliverer, clock, settings: { destinationConcurrency: 1 } });
  for (let i = 0; i < 5; i++) await send(queue, 'x', `user${i}@remote`);
  queue.start();
  await until(async () => lines.filter((line) => line.includes('status=deferred')).length === 5);
  expect(deliverer.jobs.length).toBe(1);
  expect(
    lines.filter(
      (line) =>
        line.startsWith('postfix/error: ') && line.includes('temporarily suspended: connect: no answer'),
    ).length,
  ).toBe(4);
  await queue.counts();
  clock.advance(300_000);
  await until(() => deliverer.jobs.length === 2);
});

const nobodyAnswers = (job: DeliveryJob): DeliveryResult[] =>
  job.recipients.map(({ index }) => ({
    index,
    status: 'deferred',
    dsn: '4.4.1',
    text: 'connect: no answer',
    destinationDown: true,
  }));

test('a destination counts as down when a cohort of tries failed, and the limits of a transport are its own', async () => {
  const clock = new ManualClock();
  const deliverer = new RecordingDeliverer(nobodyAnswers);
  const queue = await makeQueue({ deliverer, clock, settings: { transports: { smtp: { initial: 3 } } } });
  for (let i = 0; i < 20; i++) await send(queue, 'x', `user${i}@remote`);
  queue.start();
  await until(async () => lines.filter((line) => line.includes('status=deferred')).length === 20);
  // 1/3 + 1/2 + 1: the third failure is the one; those under way with it end by themselves.
  expect(deliverer.jobs.length).toBeLessThanOrEqual(5);
  expect(deliverer.mostRunning).toBeLessThanOrEqual(3);
});

test('a rate delay: one at a time, and a pause between', async () => {
  const clock = new ManualClock();
  const deliverer = new RecordingDeliverer();
  const settings = { transports: { smtp: { rateDelay: 60_000 } } };
  const queue = await makeQueue({ deliverer, clock, settings });
  for (let i = 0; i < 3; i++) await send(queue, 'x', `user${i}@remote`);
  await send(queue, 'x', 'peter');
  queue.start();
  await until(() => deliverer.jobs.length === 2);
  await queue.counts();
  clock.advance(59_000);
  await queue.counts();
  expect(deliverer.jobs.length).toBe(2);
  clock.advance(1_000);
  await until(() => deliverer.jobs.length === 3);
  clock.advance(60_000);
  await until(isEmpty(queue));
  expect(deliverer.mostRunning).toBeLessThanOrEqual(2);
});

test('defer_transports: waits until somebody flushes', async () => {
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer, settings: { deferTransports: new Set(['smtp']) } });
  queue.start();
  await send(queue, 'x', 'a@remote');
  const id = await send(queue, 'x', 'b@remote');
  await until(
    () => lines.filter((line) => line.includes('status=deferred (deferred transport)')).length === 2,
  );
  expect(await queue.flushMessage(id)).toBe(true);
  await until(() => deliverer.jobs.length === 1);
  expect(deliverer.jobs[0]?.addresses).toEqual(['b@remote']);
  queue.flush();
  await until(isEmpty(queue));
});

test('a transport that breaks is left alone for transport_retry_time', async () => {
  const clock = new ManualClock();
  let broken = true;
  const deliverer = new RecordingDeliverer((job) => {
    if (broken) throw new Error('its table is gone');
    return allSent(job);
  });
  const settings = {
    destinationConcurrency: 1,
    minimalBackoff: 1_000,
    maximalBackoff: 1_000,
    queueRunDelay: 1_000,
  };
  const queue = await makeQueue({ deliverer, clock, settings });
  queue.start();
  await send(queue, 'x', 'a@remote');
  await until(() => lines.some((line) => line.includes('delivery failed: its table is gone')));
  await send(queue, 'x', 'b@remote');
  await until(() =>
    lines.some((line) => line.includes('suspended: mail transport unavailable: its table is gone')),
  );
  broken = false;
  await queue.counts();
  expect(deliverer.jobs.length).toBe(1);
  clock.advance(62_000);
  await until(isEmpty(queue));
});

test('limits: per destination, per transport, recipients in a job', async () => {
  const slow = async (job: DeliveryJob) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return allSent(job);
  };
  const deliverer = new RecordingDeliverer(slow);
  const settings = {
    transportConcurrency: { local: 3 },
    transportRecipients: { local: 1 },
    destinationRecipients: 4,
    processLimit: 5,
  };
  const queue = await makeQueue({ deliverer, settings });
  for (let i = 0; i < 12; i++) await send(queue, 'x', 'peter');
  queue.start();
  await until(isEmpty(queue));
  expect(deliverer.mostRunning).toBe(3);
  deliverer.mostRunning = 0;
  await Promise.all(Array.from({ length: 20 }, (_, i) => send(queue, 'x', `user${i}`)));
  await until(isEmpty(queue));
  expect(deliverer.mostRunning).toBe(5);
  deliverer.jobs.length = 0;
  await send(queue, 'x', ...Array.from({ length: 10 }, (_, i) => `user${i}@remote`));
  await until(isEmpty(queue));
  expect(deliverer.jobs.map((job) => job.addresses.length)).toEqual([4, 4, 2]);
});

test('beyond the active limit mail waits on disk and is still delivered at once when there is room', async () => {
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer, settings: { activeLimit: 4, cacheLimit: 10 } });
  for (let i = 0; i < 300; i++) await send(queue, `message ${i}`, 'peter');
  expect((await queue.counts()).active).toBeLessThanOrEqual(4);
  queue.start();
  await until(isEmpty(queue));
  expect(new Set(deliverer.jobs.map((job) => job.octets)).size).toBe(300);
  expect(deliverer.jobs.length).toBe(300);
});

test('more recipients than a window are all delivered to, once', async () => {
  const names = Array.from({ length: 12_001 }, (_, i) => `user${i}@remote`);
  const resolve: Resolve = async () => ({
    kind: 'expanded',
    recipients: names.map((address) => ({ address, destination: { transport: 'smtp', nexthop: 'remote' } })),
  });
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer, resolve });
  queue.start();
  await send(queue, 'x', 'list');
  await until(isEmpty(queue));
  expect(deliverer.jobs.flatMap((job) => job.addresses).toSorted()).toEqual(names.toSorted());
});

test('a second process is refused while the first has the queue', async () => {
  await makeQueue();
  await expect(makeQueue()).rejects.toThrow(/locked/);
});

test('close waits for what is under way, starts nothing new, and is final', async () => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const deliverer = new RecordingDeliverer(async (job) => (await gate, allSent(job)));
  const queue = await makeQueue({ deliverer, settings: { transportConcurrency: { local: 1 } } });
  queue.start();
  await send(queue, 'first', 'peter');
  await send(queue, 'second', 'peter');
  await until(() => deliverer.running === 1);
  const closed = queue.close({ drain: 5000 });
  release();
  await closed;
  expect(deliverer.jobs.map((job) => job.octets)).toEqual(['first']);
  await expect(queue.begin(envelope('peter'))).rejects.toMatchObject({ code: 'unavailable' });
  const again = await makeQueue({ clock: systemClock });
  expect(await counts(again)).toEqual({ messages: 1, deferred: 1, held: 0, active: 0 });
});

test('room: queue_minfree and one and a half messages of the largest size', async () => {
  const plenty = await makeQueue();
  expect(await plenty.hasRoomFor(1000)).toBe(true);
  expect(await plenty.hasRoomFor(1e18)).toBe(false);
  plenty.configure({ queueMinfree: 1e18 });
  expect(await plenty.hasRoomFor(1000)).toBe(false);
  plenty.configure({ messageSizeLimit: 1e18 });
  expect(await plenty.hasRoomFor(1000)).toBe(false);
});

test('one message is tried at once when asked, another that waits is not', async () => {
  let works = false;
  const deliverer = new RecordingDeliverer(async (job) => (works ? allSent(job) : allDeferred(job)));
  const clock = new ManualClock();
  const queue = await makeQueue({ deliverer, clock });
  queue.start();
  const wanted = await send(queue, 'wanted', 'peter');
  await send(queue, 'other', 'paul');
  await until(async () => (await counts(queue)).deferred === 2);
  works = true;
  expect(await queue.flushMessage(wanted)).toBe(true);
  await until(async () => (await counts(queue)).messages === 1);
  expect(deliverer.jobs.at(-1)?.octets).toBe('wanted');
  expect(await queue.flushMessage(wanted)).toBe(false);
  const [other] = await listAll(queue);
  await queue.hold(other?.queueId ?? '');
  expect(await queue.flushMessage(other?.queueId ?? '')).toBe(false);
});

test('requeue: what is left is looked up anew, under a new id, and keeps where it came from', async () => {
  let target = 'old';
  const resolve: Resolve = async ({ address }) => ({
    kind: 'expanded',
    recipients:
      address === 'list'
        ? ['done', 'waits'].map((name) => ({
            address: name,
            sender: 'owner-list',
            destination: { transport: 'local', nexthop: name },
          }))
        : [{ address, destination: { transport: 'local', nexthop: target } }],
  });
  const deliverer = new RecordingDeliverer(async (job) =>
    job.destination.nexthop === 'done' || job.destination.nexthop === 'new' ? allSent(job) : allDeferred(job),
  );
  const clock = new ManualClock();
  const queue = await makeQueue({ deliverer, resolve, clock, settings: { inlineLimit: 4 } });
  queue.start();
  const id = await send(queue, 'larger than that', 'list');
  await until(async () => (await counts(queue)).deferred === 1);
  const arrivedAt = (await listAll(queue))[0]?.arrivedAt;
  target = 'elsewhere';
  clock.advance(1000);
  const again = await queue.requeue(id);
  expect(again).not.toBe(id);
  expect(await queue.requeue(id)).toBeUndefined();
  await until(async () => (await counts(queue)).deferred === 1 && deliverer.running === 0);
  expect(await listAll(queue)).toMatchObject([
    {
      queueId: again,
      arrivedAt,
      recipients: [
        { address: 'waits', original: 'list', sender: 'owner-list', destination: { nexthop: 'elsewhere' } },
      ],
    },
  ]);
  const shown = await queue.show(again ?? '');
  expect(shown).toMatchObject({ status: 'deferred', size: 16, envelope: { sender: 'sender@example.com' } });
  target = 'new';
  expect(await queue.requeue(again ?? '')).toBeDefined();
  await until(isEmpty(queue));
  expect(readdirSync(join(directory, 'spool'))).toEqual([]);
});

test('a message that cannot be requeued stays as it was', async () => {
  let broken = false;
  const resolve: Resolve = async (recipient, given) =>
    broken ? { kind: 'unavailable', reason: 'no table' } : await resolvePlainly(recipient, given);
  const queue = await makeQueue({
    deliverer: new RecordingDeliverer(async (job) => allDeferred(job)),
    resolve,
    clock: new ManualClock(),
  });
  queue.start();
  const id = await send(queue, 'x', 'peter');
  await until(async () => (await counts(queue)).deferred === 1);
  broken = true;
  await expect(queue.requeue(id)).rejects.toMatchObject({ code: 'unavailable' });
  await until(async () => (await counts(queue)).active === 0);
  expect(await counts(queue)).toEqual({ messages: 1, deferred: 1, held: 0, active: 0 });
});

test('a message that comes in held waits until it is released', async () => {
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer });
  queue.start();
  const writer = await queue.begin({ ...envelope('peter'), hold: true });
  await writer.write(Buffer.from('x\r\n'));
  const { queueId } = await writer.commit();
  queue.flush();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(deliverer.jobs).toEqual([]);
  expect(await counts(queue)).toEqual({ messages: 1, deferred: 0, held: 1, active: 0 });
  expect((await listAll(queue))[0]).toMatchObject({ queueId, status: 'hold' });
  await queue.release(queueId);
  await until(isEmpty(queue));
  expect(deliverer.jobs).toHaveLength(1);
});

test('a message to be thrown away is accepted, and nothing of it stays', async () => {
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer, settings: { inlineLimit: 10 } });
  queue.start();
  const writer = await queue.begin({ ...envelope('peter'), discard: true });
  await writer.write(Buffer.alloc(1000));
  expect(await writer.commit()).toEqual({ queueId: writer.queueId });
  expect(await counts(queue)).toEqual(EMPTY);
  expect(readdirSync(join(directory, 'spool'))).toEqual([]);
  expect(deliverer.jobs).toEqual([]);
  expect(lines.at(-1)).toBe(`postfix/qmgr: ${writer.queueId}: removed`);
});

test('an envelope may be changed until the message is complete', async () => {
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer });
  queue.start();
  const writer = await queue.begin(envelope('peter', 'paul'));
  await writer.write(Buffer.from('x\r\n'));
  writer.amend(envelope('mary'));
  await writer.commit();
  await until(isEmpty(queue));
  expect(deliverer.jobs.map(({ addresses }) => addresses)).toEqual([['mary']]);
});

test('NOTIFY=SUCCESS of a list is answered by its expansion, once', async () => {
  const resolve: Resolve = async ({ address }, given) => {
    if (address !== 'list@remote') return await resolvePlainly({ address }, given);
    const members = ['a@remote', 'b@remote'];
    return {
      kind: 'expanded',
      recipients: members.map((one) => ({
        address: one,
        original: address,
        destination: { transport: 'smtp', nexthop: 'remote' },
      })),
    };
  };
  const deliverer = new RecordingDeliverer();
  const queue = await makeQueue({ deliverer, resolve });
  const writer = await queue.begin({
    ...envelope(),
    sender: 'sender@remote',
    recipients: [{ address: 'list@remote', notify: ['SUCCESS', 'FAILURE'], originalRecipient: 'rfc822;l@x' }],
  });
  await writer.write(Buffer.from('Subject: to all\r\n\r\nx\r\n'));
  await writer.commit();
  queue.start();
  await until(isEmpty(queue));
  const notices = deliverer.jobs.filter(({ addresses }) => addresses[0] === 'sender@remote');
  expect(notices).toHaveLength(1);
  expect(notices[0]?.octets).toContain(
    'Final-Recipient: rfc822; list@remote\r\nOriginal-Recipient: rfc822;l@x\r\nAction: expanded\r\nStatus: 2.0.0\r\n',
  );
  expect(deliverer.jobs.flatMap(({ addresses }) => addresses).sort()).toEqual([
    'a@remote',
    'b@remote',
    'sender@remote',
  ]);
  expect(lines.filter((line) => line.includes('alias expanded'))).toHaveLength(1);
});
