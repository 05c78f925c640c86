// IMAP sessions whose worker has left: they cost no process, and miss and repeat nothing when they wake by a delivery,
// by another program's change in the folder, by another session's, or by their client's next word.

import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ImapClient, SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { NO_SETTINGS } from '../support/guide-config.ts';
import type { Account } from '../support/play-transcript.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

describeAsRoot('sleeping sessions', () => {
  let bed: TestBed;
  let world: OurWorld;
  let alice: Account;
  const clients: ImapClient[] = [];
  beforeAll(async () => {
    bed = await TestBed.open('sleeping');
    world = await startOurs(bed, {
      settings: {
        ...NO_SETTINGS,
        dovecot: ['imap_hibernate_timeout = 1s', 'imap_idle_notify_interval = 3s'],
      },
    });
    [alice] = bed.users.create(1) as [Account];
    for (let i = 0; i < 3; i++) await send(`seed ${i}`);
    await eventually(() => expect(arrived()).toBe(3));
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.line.close();
  });
  afterAll(async () => {
    await world.stop();
    await bed.close();
  });

  const folder = (name: string): string => path.join(alice.home ?? '', 'mail', name);
  const arrived = (): number => fs.readdirSync(folder('new')).length + fs.readdirSync(folder('cur')).length;
  const send = async (subject: string): Promise<void> => {
    const client = await SmtpClient.connect({ port: world.ports.smtp });
    await client.deliver(
      'x@sender.example',
      [`${alice.name}@example.com`],
      `Subject: ${subject}\r\n\r\nhi\r\n`,
    );
    await client.quit();
  };
  const workers = (): number =>
    world.daemon.processes().filter(({ command }) => command === `postcote: ${alice.name}`).length;
  const asleep = (): Promise<void> => eventually(() => expect(workers()).toBe(0));
  const login = async (secure = true): Promise<ImapClient> => {
    const client = await ImapClient.login(
      secure ? { port: world.ports.imaps, secure: true } : { port: world.ports.imap },
      alice,
    );
    clients.push(client);
    return client;
  };
  const idle = async (): Promise<ImapClient> => {
    const client = await login();
    await client.select();
    client.line.send('i IDLE\r\n');
    await client.line.linesUntil(/^\+ /);
    return client;
  };
  /** Up to the first line that matches, without keepalives. */
  const told = async (client: ImapClient, pattern: RegExp): Promise<string[]> =>
    (await client.line.linesUntil(pattern)).filter((line) => line !== '* OK Still here');

  it('tells of a message that arrives, once', async () => {
    const client = await idle();
    await asleep();
    const before = arrived();
    await send('news');
    // All are recent to the first session that sees them, as they were before it slept.
    expect(await told(client, /RECENT$/)).toEqual([`* ${before + 1} EXISTS`, `* ${before + 1} RECENT`]);
    client.line.send('DONE\r\n');
    expect(await told(client, /^i /)).toEqual([expect.stringMatching(/^i OK Idle completed/)]);
  });

  it("tells of another program's change of flags, and of nothing else", async () => {
    const client = await idle();
    await asleep();
    const [name] = fs
      .readdirSync(folder('cur'))
      .filter((file) => !/:2,.*F/.test(file))
      .toSorted();
    if (name === undefined) throw new Error('no message to flag');
    fs.renameSync(path.join(folder('cur'), name), path.join(folder('cur'), `${name.replace(/:2,/, ':2,F')}`));
    const lines = await told(client, /FETCH/);
    expect(lines).toEqual([expect.stringMatching(/^\* \d+ FETCH \(FLAGS \([^)]*\\Flagged[^)]*\)\)$/)]);
    client.line.send('DONE\r\n');
    expect(await told(client, /^i /)).toHaveLength(1);
  });

  it('goes on where it was when the client speaks', async () => {
    const client = await idle();
    const quiet = await login(false);
    const { exists } = await quiet.select();
    await asleep();
    client.line.send('DONE\r\n');
    expect(await told(client, /^i /)).toHaveLength(1);
    expect(workers()).toBe(1);
    await asleep();
    expect((await quiet.command('FETCH 1:* (UID)')).length).toBe(exists + 1);
    expect(await client.command('NOOP')).toHaveLength(1);
  });

  it('hears what another session does', async () => {
    const client = await idle();
    await asleep();
    const other = await login();
    await other.select();
    await other.command('STORE 1 +FLAGS (\\Answered)');
    expect(await told(client, /FETCH/)).toEqual([expect.stringMatching(/^\* 1 FETCH .*\\Answered/)]);
  });

  it('keeps connections alive, counts them, and logs those that leave', async () => {
    const client = await idle();
    await asleep();
    expect(await client.line.linesUntil(/Still here/)).toEqual(['* OK Still here']);
    expect(workers()).toBe(0);
    client.line.close();
    await world.daemon.waitForLog(
      new RegExp(`imap\\(${alice.name}\\)<\\d+><[^>]+>: Disconnected: Connection closed`),
    );
  });

  it('misses and repeats nothing when words and mail come while it falls asleep', async () => {
    const client = await login();
    const { exists } = await client.select();
    let count = exists;
    const grown: number[] = [];
    for (let round = 0; round < 10; round++) {
      client.line.send(`r${round} IDLE\r\n`);
      await client.line.linesUntil(/^\+ /);
      // Around the moment of falling asleep, in steps of some milliseconds.
      await sleep(900 + round * 30);
      if (round % 2 === 0) {
        await send(`round ${round}`);
        count += 1;
        grown.push(...(await told(client, /RECENT$/)).flatMap(existsIn));
      }
      client.line.send('DONE\r\n');
      const lines = await told(client, new RegExp(`^r${round} `));
      expect(lines.at(-1)).toMatch(/OK Idle completed/);
      grown.push(...lines.flatMap(existsIn));
    }
    expect(grown).toEqual([1, 2, 3, 4, 5].map((more) => exists + more));
    expect((await client.command('UID SEARCH ALL'))[0]?.split(' ').slice(2)).toHaveLength(count);
  });

  it('says goodbye when the server stops, and to a session whose mailbox has gone', async () => {
    const other = await login();
    await other.command('CREATE gone');
    await other.command('SELECT gone');
    const client = await idle();
    await asleep();
    fs.rmSync(folder('gone'), { recursive: true });
    other.line.send('n NOOP\r\n');
    await other.line.linesUntil(/^\* BYE/);
    await asleep();
    await sleep(50);
    await world.daemon.stop();
    await client.line.linesUntil(/^\* BYE/);
  });
});

function existsIn(line: string): number[] {
  const match = /^\* (\d+) EXISTS$/.exec(line);
  return match === null ? [] : [Number(match[1])];
}
