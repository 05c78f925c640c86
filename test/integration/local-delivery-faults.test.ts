// Local delivery under attack and in trouble: who may ask for what, loops and explosions, processes that are killed in the
// middle, commands that do not end, files that are locked.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { FrameReader, formatFrame } from '../../packages/wire/src/index.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { inbox, sendMail, statusesOf, writeDumpScript } from '../support/local-mail.ts';
import { addressOf, DOMAIN, forward } from '../support/local-stage.ts';
import type { Account } from '../support/play-transcript.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { namedAccounts, type OurWorld, startOurs, TestBed } from '../support/world.ts';

const GRAPH = Array.from({ length: 9 }, (_, i) => `graph${i}`);
const ROLES = [
  'sender',
  'bounced',
  'slow',
  'noisy',
  'killed',
  'frontkilled',
  'target',
  'spooled',
  'locked',
  'changed',
  'fan',
  'include',
  ...GRAPH,
];

describeAsRoot('local delivery in trouble', () => {
  let bed: TestBed;
  let world: OurWorld;
  let users: Map<string, Account>;
  let open: string;
  let spool: string;
  const user = (role: string): Account => users.get(role) as Account;
  const bounce = async (account: Account): Promise<string> =>
    await eventually(() => {
      const [text] = inbox(account);
      if (text === undefined) throw new Error('no bounce yet');
      return text;
    }, 20_000);

  beforeAll(async () => {
    bed = await TestBed.open('faults');
    users = namedAccounts(bed, ROLES);
    const folder = bed.newFolder('stage');
    open = path.join(folder, 'open');
    fs.mkdirSync(open);
    fs.chmodSync(open, 0o777);
    spool = path.join(folder, 'spool');
    fs.mkdirSync(spool, { mode: 0o755 });
    const dump = writeDumpScript(folder);
    const lists = Array.from({ length: 30 }, (_, i) => path.join(folder, `list${i}`));
    for (const [i, list] of lists.entries())
      fs.writeFileSync(
        list,
        `:include:${lists[i + 1] ?? lists[0]}\n`.repeat(100).concat(`${user('target').name}\n`),
      );
    const wide = Array.from(
      { length: 40 },
      (_, i) => `wide${i}: wide${i + 1}, wide${i + 1}+a, wide${i + 1}+b`,
    );
    world = await startOurs(bed, {
      settings: {
        main: [
          'local_recipient_maps =',
          'smtpd_recipient_restrictions = permit_mynetworks, reject',
          'smtpd_error_sleep_time = 0',
          'command_time_limit = 5s',
          'minimal_backoff_time = 1s',
          'maximal_backoff_time = 2s',
          'queue_run_delay = 1s',
        ],
        dovecot: [],
        aliases: [
          `listed: "|${dump} ${open}/listed"`,
          `tree: :include:${lists[0]}`,
          ...wide,
          `wide40: ${user('target').name}`,
          'many: '.concat(`:include:${folder}/many`),
        ],
        virtual: [],
      },
    });
    fs.writeFileSync(
      `${folder}/many`,
      Array.from({ length: 10_001 }, (_, i) => `m${i}@${DOMAIN}\n`).join(''),
    );
  });
  afterAll(async () => {
    await world.stop();
    await bed.close();
  });

  /** The delivery socket as the front uses it. */
  function ask(request: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(path.join(world.dataDir, 'run/deliver.sock'));
      const frames = new FrameReader();
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        frames.push(chunk);
        const frame = frames.next();
        if (frame === undefined) return;
        socket.destroy();
        resolve(frame.value);
      });
      socket.write(formatFrame(request));
    });
  }

  it.each<[string, object, object]>([
    [
      'a command that the alias names',
      { alias: 'listed', what: 'command', target: 'LISTED' },
      { ready: true },
    ],
    [
      'another command',
      { alias: 'listed', what: 'command', target: 'touch OPEN/pwned' },
      { ready: false, code: 'failed' },
    ],
    [
      'an alias that there is not',
      { alias: 'nope', what: 'command', target: 'LISTED' },
      { ready: false, code: 'failed' },
    ],
    [
      'the command as a file',
      { alias: 'listed', what: 'file', target: 'LISTED' },
      { ready: false, code: 'failed' },
    ],
    [
      'a file of its own choice',
      { alias: 'listed', what: 'file', target: '/etc/passwd' },
      { ready: false, code: 'failed' },
    ],
    ['a pipe row that there is not', { pipe: 'smtp' }, { ready: false, code: 'failed' }],
    ['a virtual mailbox that there is not', { virtual: 'x@y.example' }, { ready: false, code: 'failed' }],
    ['root', { user: 'root' }, { ready: false, code: 'unknownUser' }],
  ])('the front asks for %s', async (_title, request, answer) => {
    const listed = `${path.dirname(open)}/dump.sh ${open}/listed`;
    const text = JSON.stringify(request).replace('LISTED', listed).replace('OPEN', open);
    expect(await ask(JSON.parse(text))).toMatchObject(answer);
  });

  it('runs no command on behalf of a front that names one of its own for a user', async () => {
    const account = user('changed');
    await new Promise<void>((resolve, reject) => {
      const socket = net.connect(path.join(world.dataDir, 'run/deliver.sock'));
      const frames = new FrameReader();
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        frames.push(chunk);
        for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
          if (!('ready' in (frame.value as object))) {
            socket.destroy();
            resolve();
            return;
          }
          socket.write(formatFrame({ ...header, part: { kind: 'command', target: `touch ${open}/pwned` } }));
          socket.write('hi\r\n');
        }
      });
      const header = {
        id: 1,
        size: 4,
        queueId: 'A',
        sender: '',
        recipients: ['a@b'],
        originalRecipient: 'a@b',
      };
      socket.write(formatFrame({ user: account.name }));
    });
    expect(fs.existsSync(`${open}/pwned`)).toBe(false);
    // It went where mail goes when a file no longer names what it was for.
    expect(inbox(account)).toHaveLength(1);
  });

  it('tells the sender what a command said, with its code', async () => {
    forward(user('bounced'), '"|echo no room for you; exit 67"\n');
    await sendMail(world, { from: addressOf(user('sender')), to: addressOf(user('bounced')) });
    const report = await bounce(user('sender'));
    expect(report).toMatch(/^Status: 5\.1\.1$/m);
    expect(report).toMatch(/^Action: failed$/m);
    expect(report).toContain(`Final-Recipient: rfc822; ${addressOf(user('bounced'))}`);
    expect(report.replaceAll(/\s+/g, ' ')).toContain('user unknown. Command output: no room for you');
  });

  it('kills a command that does not end, with all that it started', async () => {
    const pids = `${user('slow').home}/pids`;
    forward(user('slow'), `"|sleep 321 & echo $! > ${pids}; echo $$ >> ${pids}; sleep 321"\n`);
    await sendMail(world, { to: addressOf(user('slow')) });
    await eventually(() => {
      expect(statusesOf(world.log(), addressOf(user('slow')))).toEqual([
        expect.objectContaining({ dsn: '5.3.0', status: 'bounced' }),
      ]);
    });
    const started = fs.readFileSync(pids, 'utf8').trim().split('\n');
    expect(started).toHaveLength(2);
    await eventually(() => {
      const alive = started.filter((pid) => {
        const stat = fs.existsSync(`/proc/${pid}/stat`) ? fs.readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
        return stat !== '';
      });
      expect(alive).toEqual([]);
    });
    expect(world.daemon.processes().filter(({ command }) => command === '')).toEqual([]);
  });

  it('reads and forgets what a command says beyond the first pages', async () => {
    forward(user('noisy'), '"|yes output | head -c 2000000; exit 77"\n');
    await sendMail(world, { to: addressOf(user('noisy')) });
    await eventually(() => {
      const line =
        world
          .log()
          .split('\n')
          .find((one) => one.includes(`to=<${addressOf(user('noisy'))}>`) && !one.includes('forwarded as')) ??
        '';
      expect(line).toMatch(/dsn=5\.7\.0, status=bounced \(permission denied\. Command output: output output/);
      expect(line.length).toBeLessThan(5000);
    });
  });

  it('ends a list that includes itself, and aliases that fan out, with one copy each', async () => {
    const before = inbox(user('target')).length;
    await sendMail(world, { to: `tree@${DOMAIN}` });
    await eventually(() => expect(inbox(user('target')).length).toBe(before + 1));
    await sendMail(world, { to: `wide0@${DOMAIN}` });
    await eventually(() => expect(inbox(user('target')).length).toBeGreaterThan(before + 1));
  });

  it('lets mail for a list of more than ten thousand wait', async () => {
    await sendMail(world, { to: `many@${DOMAIN}` });
    await eventually(() => {
      expect(statusesOf(world.log(), `many@${DOMAIN}`)[0]).toMatchObject({
        dsn: '4.6.0',
        status: 'deferred',
      });
    });
  });

  it('ends .forward files that all name one another', async () => {
    const all = GRAPH.map((role) => user(role).name).join(', ');
    for (const role of GRAPH) forward(user(role), `\\${user(role).name}, ${all}\n`);
    await sendMail(world, { from: addressOf(user('sender')), to: addressOf(user('graph0')) });
    await eventually(() => {
      for (const role of GRAPH.slice(1)) expect(inbox(user(role))).toHaveLength(1);
      // The others name it in another domain of ours, so it is another recipient.
      expect(inbox(user('graph0'))).toHaveLength(2);
      expect(world.log()).toMatch(/dsn=5\.4\.6, status=bounced \(mail forwarding loop for/);
    });
  });

  it('loses nothing when the worker is killed while a command runs', async () => {
    const account = user('killed');
    forward(account, `\\${account.name}, "|cat > /dev/null; echo run >> ~/runs; sleep 1"\n`);
    await sendMail(world, { to: addressOf(account) });
    await eventually(() => expect(fs.readFileSync(`${account.home}/runs`, 'utf8')).toBe('run\n'));
    const worker = world.daemon.processes().find(({ command }) => command === `postcote: ${account.name}`);
    process.kill(worker?.pid ?? 0, 'SIGKILL');
    await eventually(() => {
      expect(fs.readFileSync(`${account.home}/runs`, 'utf8')).toBe('run\nrun\n');
      expect(inbox(account)).toHaveLength(1);
      expect(
        statusesOf(world.log(), addressOf(account)).filter(({ status }) => status === 'sent'),
      ).toHaveLength(2);
    }, 20_000);
  });

  it('loses nothing when the front is killed in the middle of forwarding', async () => {
    const account = user('frontkilled');
    const before = inbox(user('target')).length;
    forward(account, `${user('target').name}, "|cat > /dev/null; echo run >> ~/runs; sleep 2"\n`);
    for (let i = 0; i < 5; i++) await sendMail(world, { to: addressOf(account), body: `message ${i}` });
    await eventually(() => expect(fs.existsSync(`${account.home}/runs`)).toBe(true));
    const front = world.daemon.processes().find(({ command }) => command.startsWith('postcote: front'));
    process.kill(front?.pid ?? 0, 'SIGKILL');
    await eventually(() => {
      const bodies = new Set(
        inbox(user('target'))
          .slice(before)
          .join('\n')
          .match(/^message \d$/gm),
      );
      expect(bodies.size).toBe(5);
      expect(fs.readFileSync(`${account.home}/runs`, 'utf8').split('\n').length - 1).toBeGreaterThanOrEqual(
        5,
      );
    }, 40_000);
  }, 60_000);

  it('waits for a mailbox that another program has locked', async () => {
    const account = user('locked');
    const file = forward(account, '', 'box');
    const lock = spawn(
      'perl',
      [
        '-e',
        'use Fcntl; open(my $f, "+<", $ARGV[0]); my $l = pack("s! s! x![q] q q i x![q]", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; print "locked\n"; close STDOUT; sleep 3',
        file,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((resolve) => lock.stdout.once('data', resolve));
    forward(account, `${account.home}/box\n`);
    const ended = new Promise((resolve) => lock.once('exit', resolve));
    await sendMail(world, { to: addressOf(account) });
    await eventually(() => expect(fs.existsSync(`${file}.lock`)).toBe(true));
    expect(fs.statSync(file).size).toBe(0);
    await ended;
    await eventually(() => expect(fs.statSync(file).size).toBeGreaterThan(0));
    await eventually(() => expect(fs.existsSync(`${file}.lock`)).toBe(false));
  });

  it('makes a mailbox in a spool folder for its user, after a reload', async () => {
    const account = user('spooled');
    const main = path.join(world.config.postfixDir, 'main.cf');
    fs.appendFileSync(main, `home_mailbox =\nmail_spool_directory = ${spool}\n`);
    world.daemon.reload();
    await world.daemon.waitForLog(/configuration read again/);
    await sendMail(world, { to: addressOf(account) });
    const file = path.join(spool, account.name);
    await eventually(() =>
      expect(fs.readFileSync(file, 'utf8')).toMatch(/^From MAILER-DAEMON .*\n(.*\n)*Delivered-To: /),
    );
    const { uid, mode } = fs.statSync(file);
    expect([uid, mode & 0o777]).toEqual([account.uid, 0o600]);
  });
});
