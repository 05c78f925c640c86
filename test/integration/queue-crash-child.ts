// The process that queue-crash.test.ts kills: accepts and delivers as fast as it can and notes both in files.
// A line in `acknowledged` is written after a commit settled, one in `delivered` while a delivery runs; both
// survive the process in the page cache. Arguments: directory, first number, `load` or `drain`.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { openQueue } from '../../packages/queue/src/edge/index.ts';
import { QueueError } from '../../packages/queue/src/index.ts';

const [directory = '', first = '0', mode = 'load'] = process.argv.slice(2);
const SESSIONS = 12;

function octetsOf(name: string): Buffer {
  // Every seventh is a spool file.
  const size = Number(name) % 7 === 0 ? 150_000 : 700;
  return Buffer.alloc(size, `${name}.`);
}

async function readName(body: AsyncIterable<Uint8Array> | readonly Uint8Array[]): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const octets = Buffer.concat(chunks);
  const name = octets.toString('latin1', 0, octets.indexOf('.'));
  return octets.equals(octetsOf(name)) ? name : `damaged-${name}`;
}

const queue = await openQueue({
  directory: join(directory, 'queue'),
  log: (level, _program, message) => {
    if (level !== 'info') appendFileSync(join(directory, 'problems'), `${message}\n`);
  },
  settings: { minimalBackoff: 20, maximalBackoff: 50, queueRunDelay: 20, activeLimit: 40 },
  resolve: async ({ address }) => ({
    kind: 'expanded',
    recipients: ['one', 'two'].map((user) => ({
      address: `${user}+${address}`,
      destination: { transport: 'local', nexthop: user },
    })),
  }),
  deliverer: {
    async deliver(job) {
      const body = await job.open();
      const name = await readName(body.kind === 'octets' ? [body.octets] : body.stream());
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
      const later = mode === 'load' && Math.random() < 0.1;
      if (!later) appendFileSync(join(directory, 'delivered'), `${name} ${job.destination.nexthop}\n`);
      const status = later ? ('deferred' as const) : ('sent' as const);
      return job.recipients.map(({ index }) => ({
        index,
        status,
        dsn: later ? '4.0.0' : '2.0.0',
        text: status,
      }));
    },
  },
});
queue.start();
process.stdout.write('ready\n');

if (mode === 'drain') {
  while ((await queue.counts()).messages > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await queue.close({ drain: 1000 });
} else {
  let number = Number(first);
  await Promise.all(Array.from({ length: SESSIONS }, session));

  async function session(): Promise<void> {
    for (;;) {
      const name = String(number++);
      const octets = octetsOf(name);
      try {
        const writer = await queue.begin({
          sender: 'a@example.com',
          recipients: [{ address: 'b' }],
          smtpUtf8: false,
          client: { address: '127.0.0.1', port: 1, name: 'localhost', reverseName: 'localhost' },
          helo: 'h',
          protocol: 'ESMTP',
        });
        for (let at = 0; at < octets.length; at += 40_000)
          await writer.write(octets.subarray(at, at + 40_000));
        await writer.commit();
        appendFileSync(join(directory, 'acknowledged'), `${name}\n`);
      } catch (error) {
        if (!(error instanceof QueueError)) throw error;
        appendFileSync(join(directory, 'problems'), `${error.message}\n`);
      }
    }
  }
}
