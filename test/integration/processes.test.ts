// The processes of the running server: what each may do and holds open, what is left when one is killed, and how the
// whole stops, reloads and keeps a second one off its folder.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ImapClient, SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { NO_SETTINGS, choosePorts, writeConfig } from '../support/guide-config.ts';
import type { Account } from '../support/play-transcript.ts';
import { REPOSITORY, descendants } from '../support/postcote-daemon.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

const MARK = 'not-for-children';

describeAsRoot('processes', () => {
  let bed: TestBed;
  let world: OurWorld;
  let alice: Account;
  let bob: Account;
  beforeAll(async () => {
    bed = await TestBed.open('processes');
    world = await startOurs(bed, { environment: { REVIEW_SECRET: MARK } });
    [alice, bob] = bed.users.create(2) as [Account, Account];
  });
  afterAll(async () => {
    await world.stop();
    await bed.close();
  });

  const pidOf = (title: string): number => {
    const found = world.daemon.processes().find(({ command }) => command === `postcote: ${title}`);
    if (found === undefined) throw new Error(`no process ${title}`);
    return found.pid;
  };
  const statusOf = (pid: number, field: string): string =>
    new RegExp(`^${field}:\\s+(.*)$`, 'm').exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  const login = (account: Account): Promise<ImapClient> =>
    ImapClient.login({ port: world.ports.imap }, account);
  const send = async (account: Account, id: string): Promise<void> => {
    const client = await SmtpClient.connect({ port: world.ports.smtp });
    try {
      await client.deliver('x@sender.example', [`${account.name}@example.com`], `X-Id: ${id}\r\n\r\nhi\r\n`);
    } finally {
      client.line.close();
    }
  };
  const idsOf = (account: Account): string[] => {
    const folder = path.join(account.home ?? '', 'mail/new');
    return fs
      .readdirSync(folder)
      .map((name) => /X-Id: (\S+)/.exec(fs.readFileSync(path.join(folder, name), 'latin1'))?.[1] ?? '');
  };

  it('leaves no privilege, no secret and no core file to those who parse the network', async () => {
    const session = await login(alice);
    for (const [title, uid] of [
      ['front', undefined],
      [alice.name, alice.uid],
    ] as const) {
      const pid = pidOf(title);
      const uids = new Set(statusOf(pid, 'Uid').split('\t'));
      expect(uids.has('0')).toBe(false);
      expect(uids.size).toBe(1);
      if (uid !== undefined) expect([...uids]).toEqual([String(uid)]);
      for (const field of ['CapPrm', 'CapEff', 'CapInh', 'CapAmb'])
        expect(statusOf(pid, field), `${title} ${field}`).toMatch(/^0+$/);
      expect(statusOf(pid, 'Groups').split(' ')).not.toContain('0');
    }
    for (const { pid, command } of world.daemon.processes()) {
      if (pid === world.daemon.pid) continue;
      expect(fs.readFileSync(`/proc/${pid}/environ`, 'latin1'), command).not.toContain(MARK);
      expect(fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1'), command).not.toContain(alice.password);
    }
    for (const title of ['front', 'authenticator'])
      expect(fs.readFileSync(`/proc/${pidOf(title)}/limits`, 'utf8')).toMatch(/Max core file size\s+0\s+0/);
    session.line.close();
  });

  it('opens its sockets and its queue to nobody else', () => {
    for (const name of ['run/auth.sock', 'run/deliver.sock', 'queue'])
      expect(fs.statSync(path.join(world.dataDir, name)).mode & 0o077, name).toBe(0);
    expect(fs.statSync(path.join(world.dataDir, 'run')).uid).toBe(0);
  });

  it('keeps a second server off its folder', async () => {
    const ports = await choosePorts();
    const second = writeConfig(bed.newFolder('second'), {
      ports,
      certificate: bed.certificate,
      settings: NO_SETTINGS,
      authSocket: '/nonexistent',
    });
    const { status, stdout } = spawnSync(
      path.join(REPOSITORY, 'postcote'),
      [
        'serve',
        '--postfix-dir',
        second.postfixDir,
        '--dovecot-conf',
        second.dovecotConf,
        '--data-dir',
        world.dataDir,
      ],
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect(status).toBe(78);
    expect(stdout).toContain('another postcote is running on this folder');
    await send(bob, 'after-the-second');
    await eventually(() => expect(idsOf(bob)).toContain('after-the-second'));
  });

  it('lets nobody in who only waits, and everybody else', async () => {
    const idle: net.Socket[] = [];
    try {
      for (let i = 0; i < 1020; i++) {
        const socket = net.connect(world.ports.imap, '127.0.0.1').on('error', () => {});
        idle.push(socket);
        if (i % 50 === 0) await new Promise((resolve) => socket.once('data', resolve));
      }
      const session = await login(bob);
      await session.logout();
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });

  it('answers no more than is taken: a client that does not read costs little memory', async () => {
    const rss = (): number => Number.parseInt(statusOf(pidOf('front'), 'VmRSS'), 10);
    const clients: net.Socket[] = [];
    const before = rss();
    const COUNT = 10;
    for (let i = 0; i < COUNT; i++) {
      const socket = net.connect(world.ports.imap, '127.0.0.1').on('error', () => {});
      socket.pause();
      clients.push(socket);
      socket.write('a CAPABILITY\r\n'.repeat(200_000));
    }
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(rss() - before).toBeLessThan(COUNT * 24 * 1024);
    for (const socket of clients) socket.destroy();
  });

  it.each(['front', 'authenticator', 'worker'])(
    'is back, with all mail, after kill -9 of the %s',
    async (who) => {
      const first = await login(alice);
      const ids = Array.from({ length: 40 }, (_, i) => `${who}-${i}`);
      const accepted: string[] = [];
      const sending = (async () => {
        for (const id of ids) {
          await eventually(() => send(alice, id), 20_000);
          accepted.push(id);
        }
      })();
      await eventually(() => expect(accepted.length).toBeGreaterThan(5));
      process.kill(pidOf(who === 'worker' ? alice.name : who), 'SIGKILL');
      await sending;
      await eventually(() => expect(idsOf(alice)).toEqual(expect.arrayContaining(accepted)), 20_000);
      const again = await eventually(() => login(alice));
      await again.select();
      await again.logout();
      first.line.close();
    },
  );

  it('leaves nobody behind after kill -9 of the supervisor, and starts again', async () => {
    const tree = descendants(world.daemon.pid);
    process.kill(world.daemon.pid, 'SIGKILL');
    await eventually(() => expect(tree.filter((pid) => fs.existsSync(`/proc/${pid}/exe`))).toEqual([]));
    await world.daemon.start();
    await (await login(alice)).logout();
  });

  it('keeps the certificate in force when the new one is none, also for the next front', async () => {
    const { certFile } = bed.certificate;
    const good = fs.readFileSync(certFile);
    try {
      fs.writeFileSync(certFile, 'no certificate');
      world.daemon.reload();
      await world.daemon.waitForLog(/reload refused/);
      process.kill(pidOf('front'), 'SIGKILL');
      await eventually(async () => {
        const client = await ImapClient.connect({ port: world.ports.imaps, secure: true, timeoutMs: 2000 });
        client.line.close();
      });
    } finally {
      fs.writeFileSync(certFile, good);
    }
  });

  it('says goodbye to every session at SIGTERM and ends within its limits', async () => {
    const session = await login(alice);
    const started = performance.now();
    const ended = world.daemon.stop();
    expect(await session.line.line()).toMatch(/^\* BYE /);
    expect(await ended).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
