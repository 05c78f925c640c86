// The process that queue-crash-admin.test.ts kills: takes messages in, returns every third to its sender, and holds,
// releases, requeues and deletes the others as fast as it can. What happened stands in files, which survive the process in
// the page cache. Arguments: directory, first number, `load` or `drain`.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { openQueue } from '../../packages/queue/src/edge/index.ts';

const [directory = '', first = '0', mode = 'load'] = process.argv.slice(2);
const note = (file: string, line: string): void => appendFileSync(join(directory, file), `${line}\n`);
const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
const nameIn = (text: string): string => /b\+(\d+)@/.exec(text)?.[1] ?? 'nameless';
const isReturned = (name: string): boolean => Number(name) % 3 === 0;

const queue = await openQueue({
  directory: join(directory, 'queue'),
  log: (level, _program, message) => {
    if (level !== 'info') note('problems', message);
  },
  settings: { minimalBackoff: 20, maximalBackoff: 50, queueRunDelay: 20, activeLimit: 40 },
  resolve: async ({ address }) => ({
    kind: 'expanded',
    recipients: [
      { address, destination: { transport: 'smtp', nexthop: `site${nameIn(address).slice(-1)}` } },
    ],
  }),
  deliverer: {
    async deliver(job) {
      await pause(Math.random() * 3);
      const body = await job.open();
      const chunks: Uint8Array[] = [];
      if (body.kind === 'octets') chunks.push(body.octets);
      else for await (const chunk of body.stream()) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString('latin1');
      return job.recipients.map(({ index, address }) => {
        const isNotice = job.envelope.sender === '';
        const name = nameIn(isNotice ? text : address);
        const later = mode === 'load' && Math.random() < 0.5;
        if (isNotice && !later)
          note('returned', text.includes('Final-Recipient: rfc822; b+') ? name : 'damaged');
        else if (!isNotice && isReturned(name))
          return { index, status: 'bounced', dsn: '5.1.1', text: 'nobody' };
        else if (!later) note('delivered', text.endsWith(`end of ${name}\r\n`) ? name : `damaged-${name}`);
        return later
          ? { index, status: 'deferred', dsn: '4.0.0', text: 'later' }
          : { index, status: 'sent', dsn: '2.0.0', text: 'sent' };
      });
    },
  },
});
queue.start();
process.stdout.write('ready\n');

if (mode === 'drain') {
  while ((await queue.counts()).messages > 0) {
    for await (const { queueId, status } of queue.list()) if (status === 'hold') await queue.release(queueId);
    await pause(10);
  }
  await queue.close({ drain: 1000 });
} else {
  let number = Number(first);
  await Promise.all([...Array.from({ length: 6 }, accept), ...Array.from({ length: 4 }, administer)]);

  async function accept(): Promise<void> {
    for (;;) {
      const name = String(number++);
      // Every seventh is a spool file.
      const filler = 'x'.repeat(Number(name) % 7 === 0 ? 150_000 : 700);
      const writer = await queue.begin({
        sender: 'a@example.com',
        recipients: [{ address: `b+${name}@example.net` }],
        smtpUtf8: false,
        client: { address: '127.0.0.1', port: 1, name: 'localhost', reverseName: 'localhost' },
        helo: 'h',
        protocol: 'ESMTP',
      });
      await writer.write(Buffer.from(`Subject: ${name}\r\n\r\n${filler}\r\nend of ${name}\r\n`));
      await writer.commit();
      note('acknowledged', name);
      await pause(2);
    }
  }

  async function administer(): Promise<void> {
    for (;;) {
      await pause(1);
      for await (const { queueId, sender, recipients } of queue.list()) {
        const choice = Math.floor(Math.random() * 12);
        if (choice < 3) await queue.hold(queueId);
        else if (choice < 6) await queue.release(queueId);
        else if (choice < 9) await queue.requeue(queueId);
        else if (choice < 11 && sender !== '') {
          note('deleted', nameIn(recipients[0]?.address ?? ''));
          await queue.remove(queueId);
        }
      }
    }
  }
}
