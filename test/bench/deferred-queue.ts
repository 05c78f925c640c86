// A queue in which very many messages wait: what it costs those that come in meanwhile. The messages are put there as
// each server would have left them, while it is stopped: ours through the queue package itself, Postfix's by copies of
// a file it deferred. They are due in an hour, so nothing is tried during a measurement unless it is asked for.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openQueue } from '../../packages/queue/src/edge/index.ts';
import { silentLog } from '../../packages/wire/src/index.ts';
import { sendFromSource } from './mail-load.ts';
import type { BenchSide, SideOptions } from './sides.ts';

/** Mail to it waits: nobody listens at the relay host. */
export const WAITING_DOMAIN = 'w0000.example';
const domainOf = (index: number): string => `w${String(index).padStart(4, '0')}.example`;
const DUE_IN_MS = 3_600_000;
const OCTETS = 2048;

export const deferredOptions = (): SideOptions => ({ main: () => ['relayhost = [127.0.0.1]:1'] });

export interface Backlog {
  readonly messages: number;
  readonly destinations: number;
}

/** The side must have run once, and must not run now. */
export async function fillQueue(side: BenchSide, backlog: Backlog): Promise<void> {
  if (side.name === 'ours') await fillOurs(side, backlog);
  else await fillTheirs(side, backlog);
}

async function fillOurs(side: BenchSide, { messages, destinations }: Backlog): Promise<void> {
  const { uid, gid } = fs.statSync(path.join(side.queueFolder, 'queue.db'));
  const queue = await openQueue({
    directory: side.queueFolder,
    log: silentLog,
    settings: {
      minimalBackoff: DUE_IN_MS,
      maximalBackoff: DUE_IN_MS,
      processLimit: 1000,
      destinationConcurrency: 1000,
    },
    resolve: async ({ address }) => ({
      kind: 'expanded',
      recipients: [{ address, destination: { transport: 'smtp', nexthop: address.split('@')[1] ?? '' } }],
    }),
    deliverer: {
      deliver: async ({ recipients }) => {
        return recipients.map(({ index }) => ({ index, status: 'deferred', dsn: '4.0.0', text: 'waits' }));
      },
    },
  });
  const before = (await queue.counts()).deferred;
  queue.start();
  const octets = Buffer.from(`Subject: waits\r\n\r\n${`${'x'.repeat(78)}\r\n`.repeat(25)}`).subarray(
    0,
    OCTETS,
  );
  const one = async (number: number): Promise<void> => {
    const writer = await queue.begin({
      sender: 'sender@example.com',
      recipients: [{ address: `somebody@${domainOf(number % destinations)}` }],
      smtpUtf8: false,
      client: { address: '127.0.0.1', port: 1, name: 'localhost', reverseName: 'localhost' },
      helo: 'localhost',
      protocol: 'ESMTP',
    });
    await writer.write(octets);
    await writer.commit();
  };
  for (let at = 0; at < messages; at += 200)
    await Promise.all(Array.from({ length: Math.min(200, messages - at) }, (_, i) => one(at + i)));
  while ((await queue.counts()).deferred < before + messages) await sleep(50);
  await queue.close({ drain: 10_000 });
  for (const name of fs.readdirSync(side.queueFolder))
    fs.chownSync(path.join(side.queueFolder, name), uid, gid);
}

async function fillTheirs(side: BenchSide, { messages, destinations }: Backlog): Promise<void> {
  await side.start();
  const folder = path.join(side.queueFolder, 'deferred');
  let template: string | undefined;
  try {
    await sendFromSource(side, `somebody@${WAITING_DOMAIN}`, {
      sessions: 1,
      messages: 1,
      length: OCTETS,
      reuse: true,
    });
    for (let tries = 0; template === undefined && tries < 200; tries++) {
      template = findFile(folder);
      if (template === undefined) await sleep(50);
    }
  } finally {
    await side.stop();
  }
  if (template === undefined) throw new Error(`nothing was deferred\n${side.log().slice(-2000)}`);
  const record = fs.readFileSync(template).toString('latin1');
  const { uid, gid, mode } = fs.statSync(template);
  const due = (Date.now() + DUE_IN_MS) / 1000;
  for (let i = 0; i < messages; i++) {
    const draft = path.join(folder, 'draft');
    fs.writeFileSync(
      draft,
      Buffer.from(record.replaceAll(WAITING_DOMAIN, domainOf(i % destinations)), 'latin1'),
    );
    fs.chmodSync(draft, mode & 0o777);
    fs.chownSync(draft, uid, gid);
    fs.utimesSync(draft, due, due);
    // POSTFIX: a short queue id is five digits of microseconds and the inode; its first digit is the subfolder.
    const id =
      `${(i % 0xfffff).toString(16).padStart(5, '0')}${fs.statSync(draft).ino.toString(16)}`.toUpperCase();
    const home = path.join(folder, id.slice(0, 1));
    if (!fs.existsSync(home)) {
      fs.mkdirSync(home, { mode: 0o700 });
      fs.chownSync(home, uid, gid);
    }
    fs.renameSync(draft, path.join(home, id));
  }
}

function findFile(folder: string): string | undefined {
  if (!fs.existsSync(folder)) return undefined;
  const [name] = execFileSync('find', [folder, '-type', 'f'], { encoding: 'utf8' }).split('\n');
  return name === undefined || name === '' ? undefined : name;
}
