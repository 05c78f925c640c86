// 250 means durable. First by watching system calls: no reply before the message is synced. Then by pulling the plug
// again and again: whatever was acknowledged is in a Maildir afterwards, whole.

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { makeFolder, readMessages } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { type SystemCall, readTrace } from '../support/strace.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

const TRACED =
  'fsync,fdatasync,sync_file_range,write,writev,pwrite64,pwritev,sendto,sendmsg,rename,renameat,renameat2,link,linkat,openat,close';
const KILLING_MS = 20_000;
const SENDERS = 4;

describeAsRoot('durability', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let accounts: Account[];
  beforeAll(async () => {
    bed = await TestBed.open('durability');
    ours = await startOurs(bed);
    accounts = bed.users.create(2);
    for (const account of accounts) makeFolder(account, 'INBOX');
  });
  afterAll(async () => {
    await ours?.stop();
    await bed?.close();
  });

  /** Attaches to the whole tree of processes while `during` runs. */
  const trace = async (during: () => Promise<void>): Promise<SystemCall[]> => {
    const file = path.join(bed.folder, 'strace.out');
    const pids = ours.daemon.processes().flatMap(({ pid }) => ['-p', String(pid)]);
    const strace: ChildProcess = spawn(
      'strace',
      ['-f', '-y', '-s', '8192', '-e', `trace=${TRACED}`, '-o', file, ...pids],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    const ended = new Promise((resolve) => strace.once('close', resolve));
    let said = '';
    strace.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await eventually(() =>
      expect(said.match(/attached/g)?.length ?? 0).toBeGreaterThanOrEqual(pids.length / 2),
    );
    try {
      await during();
    } finally {
      strace.kill('SIGINT');
      await ended;
    }
    return readTrace(fs.readFileSync(file, 'latin1'));
  };

  it.each([
    ['a small message', 100],
    ['a large message', 3_000_000],
  ])('syncs %s before it writes the 250', async (_name, size) => {
    const account = accounts[0] as Account;
    const marker = `mark-${size}-${Date.now()}`;
    const present = readMessages(account.home).length;
    let queueId = '';
    const calls = await trace(async () => {
      const smtp = await SmtpClient.connect({ port: ours.ports.smtp });
      const filling = `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(size / 72));
      queueId = await smtp.deliver(
        'bob@sender.example',
        [`${account.name}@example.com`],
        `X-Mark: ${marker}\r\n\r\n${filling}`,
      );
      await smtp.quit();
      await eventually(() => expect(readMessages(account.home)).toHaveLength(present + 1));
      await sleep(200);
    });

    const reply = calls.findIndex((call) => call.args.includes(`250 2.0.0 Ok: queued as ${queueId}`));
    expect(reply).toBeGreaterThan(0);
    const before = calls.slice(0, reply);
    // The octets went to a file, and that file was synced after its last write and before the reply.
    const written = before.find(
      (call) => /^p?write/.test(call.name) && call.args.includes(marker) && /^\d+<\//.test(call.args),
    );
    expect(written).toBeDefined();
    const target = /^\d+<([^>]*)>/.exec(written?.args ?? '')?.[1] ?? '?';
    const lastWrite = before.findLastIndex(
      (call) => /^p?write/.test(call.name) && call.args.includes(`<${target}>`),
    );
    const synced = before.findIndex(
      (call, i) =>
        i > lastWrite &&
        /^f(?:data)?sync$/.test(call.name) &&
        call.args.includes(`<${target}>`) &&
        call.result === '0',
    );
    expect(synced, `${target} was not synced between its last write and the reply`).toBeGreaterThan(
      lastWrite,
    );

    // The delivery as well: the file in the Maildir is synced before its name appears in new/.
    const appears = calls.findIndex(
      (call) => /^(?:link|rename)/.test(call.name) && call.args.includes('/new/'),
    );
    const madeDurable = calls.findIndex(
      (call) => /^f(?:data)?sync$/.test(call.name) && call.args.includes('/mail/tmp/'),
    );
    expect(madeDurable).toBeGreaterThan(0);
    if (appears !== -1) expect(madeDurable).toBeLessThan(appears);
  });

  it('loses nothing that it acknowledged, however often it is killed', async () => {
    const acknowledged = new Set<string>();
    let offered = 0;
    const stopping = new AbortController();
    const send = async (): Promise<void> => {
      while (!stopping.signal.aborted) {
        try {
          const smtp = await SmtpClient.connect({ port: ours.ports.smtp, timeoutMs: 5000 });
          for (let i = 0; i < 20 && !stopping.signal.aborted; i++) {
            const id = `id-${++offered}-end`;
            const account = accounts[offered % accounts.length] as Account;
            const body = `Subject: ${id}\r\n\r\n${`${'y'.repeat(60)}\r\n`.repeat(offered % 50)}last line of ${id}`;
            await smtp.deliver('bob@sender.example', [`${account.name}@example.com`], body);
            acknowledged.add(id);
          }
          smtp.line.close();
        } catch {
          await sleep(50);
        }
      }
    };
    const senders = Array.from({ length: SENDERS }, send);
    const deadline = Date.now() + KILLING_MS;
    let kills = 0;
    while (Date.now() < deadline) {
      const target = acknowledged.size + 10;
      while (acknowledged.size < target && Date.now() < deadline) await sleep(10);
      await sleep(Math.random() * 400);
      await ours.daemon.kill();
      kills++;
      await ours.daemon.start();
    }
    stopping.abort();
    await Promise.all(senders);
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(acknowledged.size).toBeGreaterThan(30);

    await eventually(() => {
      const missing = new Set(acknowledged);
      for (const account of accounts) {
        for (const { bytes } of readMessages(account.home))
          missing.delete(/^Subject: (id-\d+-end)$/m.exec(bytes.toString('latin1'))?.[1] ?? '');
      }
      expect([...missing]).toEqual([]);
    }, 40_000);
    // No half message either, acknowledged or not.
    for (const account of accounts) {
      for (const { file, bytes } of readMessages(account.home)) {
        const id = /^Subject: (id-\d+-end)$/m.exec(bytes.toString('latin1'))?.[1];
        if (id !== undefined)
          expect(bytes.toString('latin1'), file).toMatch(new RegExp(`\\nlast line of ${id}\\n$`));
      }
    }
  });
});
