// The guide's files as the guide prints them, at the places it names, on the ports it means: only the accounts are
// the test's. The server runs in a network of its own, where ports 25 to 995 are free, and sees the files where the
// guide puts them through mounts of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {
  guideAliases,
  guideDovecotConf,
  guideMainCf,
  guideVirtual,
} from '../../packages/config/src/testing/guide.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { countMessages } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { REPOSITORY } from '../support/postcote-daemon.ts';
import { mustRun, runProgram } from '../support/run-program.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { TestBed } from '../support/world.ts';

/** $1: the folder whose files appear in /etc; the rest: the command. */
const IN_PLACE = `
set -e
ip link set lo up
mount --bind "$1/postfix" /etc/postfix
mount --bind "$1/dovecot" /etc/dovecot
mount --bind "$1/aliases" /etc/aliases
mount -t tmpfs tmpfs /etc/ssl/certs
mount -t tmpfs -o mode=0710 tmpfs /etc/ssl/private
cp "$1/postfix.pem" /etc/ssl/certs/postfix.pem
cp "$1/postfix.key" /etc/ssl/private/postfix.key
shift
exec "$@"
`;

describeAsRoot("the guide's own files, unchanged", () => {
  let bed: TestBed;
  let server: ChildProcess;
  let log = '';
  let user: Account;

  beforeAll(async () => {
    bed = await TestBed.open('guide');
    user = bed.users.one();
    const folder = bed.newFolder('etc');
    const put = (name: string, text: string): void => {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true, mode: 0o755 });
      fs.writeFileSync(path.join(folder, name), text);
    };
    put('postfix/main.cf', guideMainCf);
    // The sample as it is rendered, and a line of the form it means.
    put('postfix/virtual', `${guideVirtual}\nusername@lollipop.example.com ${user.name}\n`);
    put('dovecot/dovecot.conf', guideDovecotConf);
    put('aliases', guideAliases.replace('username', user.name));
    fs.copyFileSync(bed.certificate.certFile, path.join(folder, 'postfix.pem'));
    fs.copyFileSync(bed.certificate.keyFile, path.join(folder, 'postfix.key'));
    // The accounts' homes are below /tmp, which stays as it is.
    if (!fs.existsSync('/etc/aliases')) throw new Error('/etc/aliases is missing on this machine');
    server = spawn(
      'unshare',
      [
        ...['--net', '--mount', '--propagation', 'private', '--', 'sh', '-c', IN_PLACE, 'sh', folder],
        ...[path.join(REPOSITORY, 'postcote'), 'serve', '--data-dir', bed.newFolder('data')],
      ],
      { detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const keep = (chunk: Buffer): void => void (log += chunk.toString());
    server.stdout?.on('data', keep);
    server.stderr?.on('data', keep);
    await eventually(() => expect(log).toContain('postcote is ready'), 30_000);
  });

  afterAll(async () => {
    if (server.exitCode === null) {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await ended;
    }
    await bed.close();
  });

  const inside = (...command: readonly string[]): Promise<{ stdout: string }> =>
    mustRun('nsenter', ['--net', '--target', String(server.pid), '--', ...command]);
  const curl = (...args: readonly string[]): Promise<{ stdout: string }> =>
    inside('curl', '--silent', '--show-error', '--insecure', '--max-time', '20', ...args);
  const login = (): string => `${user.name}:${user.password}`;

  it('serves the ports that the guide means', async () => {
    const { stdout } = await inside('ss', '-Hltn');
    const ports = [...stdout.matchAll(/0\.0\.0\.0:(\d+)\s/g)]
      .map(([, port]) => Number(port))
      .sort((a, b) => a - b);
    expect(ports).toEqual([25, 110, 143, 993, 995]);
  });

  it('takes mail for the user, for the virtual address and for root, and serves it', async () => {
    const recipients = [`${user.name}@lollipop.example.com`, 'username@lollipop.example.com', 'root'];
    for (const recipient of recipients) {
      await inside(
        ...['swaks', '--server', '127.0.0.1', '--from', 'root@lollipop.example.com', '--to', recipient],
        ...['--header', `Subject: for ${recipient}`],
      );
    }
    await eventually(() => expect(countMessages(user.home, 'INBOX')).toBe(3));
    const search = await curl('--user', login(), 'imaps://127.0.0.1/INBOX', '-X', 'SEARCH SUBJECT for');
    expect(search.stdout).toMatch(/^\* SEARCH 1 2 3\r?$/m);
    const uidl = await curl('--user', login(), 'pop3s://127.0.0.1/', '-X', 'UIDL');
    expect(uidl.stdout).toMatch(/^1 00000001[0-9a-f]{8}\r?$/m);
  });

  it('lets the user send after STARTTLS with PLAIN and LOGIN, and announces both lines', async () => {
    for (const mechanism of ['PLAIN', 'LOGIN']) {
      const { stdout } = await inside(
        ...['swaks', '--server', '127.0.0.1', '--tls', '--auth', mechanism],
        ...['--auth-user', user.name, '--auth-password', user.password],
        ...['--from', `${user.name}@lollipop.example.com`, '--to', user.name],
      );
      expect(stdout).toContain('250-AUTH PLAIN LOGIN');
      expect(stdout).toContain('250-AUTH=PLAIN LOGIN');
      expect(stdout).toContain('235 2.7.0 Authentication successful');
    }
    await eventually(() => expect(countMessages(user.home, 'INBOX')).toBe(5));
  });

  it('does not relay, as the guide leaves it: example.com is nobody’s there', async () => {
    const { stdout } = await runProgram('nsenter', [
      ...['--net', '--target', String(server.pid), '--', 'sh', '-c'],
      'ip addr add 127.0.0.9/32 dev lo 2>/dev/null; ip addr add 192.0.2.9/32 dev lo; ' +
        'swaks --server 192.0.2.9 --local-interface 192.0.2.9 --from root@lollipop.example.com --to x@example.com',
    ]);
    expect(stdout).toMatch(/<\*\* (450 4\.1\.2|554 5\.7\.1|454 4\.7\.1) <x@example\.com>/);
  });
});
