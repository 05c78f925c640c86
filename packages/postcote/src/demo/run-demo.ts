// `postcote demo`: a whole mail server in one folder, for a person who wants to see it before trusting it. The same
// processes and files as a real one; only the ports, the users and the folder are its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  statSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeSelfSigned } from '../certificate.ts';
import { isServed } from '../supervisor/data-folder.ts';
import {
  DEFAULT_PORTS,
  DEMO_DOMAIN,
  type DemoPlace,
  type DemoPorts,
  type DemoUser,
  demoFiles,
  howToConnect,
} from './files.ts';
import { sendSmallMail } from './first-message.ts';

export const DEMO_HELP = `usage: postcote demo [OPTION...]

Serves mail for two demo users on loopback ports until Ctrl-C.

  --data-dir DIR    the demonstration's folder
                    (root: /var/lib/postcote-demo, others: ~/.local/share/postcote-demo)
  --port-offset N   add N to every port, when the usual ones are taken
`;

/**
 * As root the demo users' processes run under uids of nobody (no account, no files but the demo's), between those
 * that distributions give to people and those that systemd gives to services for a while (61184 and up).
 */
const UNUSED_UIDS = { alice: 60_901, bob: 60_902 };
const USERS = ['alice', 'bob'] as const;
const READY_LIMIT = 30_000;

export async function runDemo(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'data-dir': { type: 'string' },
      'port-offset': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(DEMO_HELP);
    return 0;
  }
  const offset = values['port-offset'] === undefined ? undefined : Number(values['port-offset']);
  if (offset !== undefined && !(Number.isInteger(offset) && offset >= 0 && offset <= 60_000)) {
    process.stderr.write('postcote demo: --port-offset takes a whole number from 0 to 60000\n');
    return 64;
  }
  const folder = values['data-dir'] ?? defaultFolder();
  if (await isServed(join(folder, 'data'))) {
    process.stderr.write(
      `postcote demo: a demonstration is running in ${folder} already; another one: --data-dir DIR\n`,
    );
    return 75;
  }
  const ports = offset === undefined ? await findFreePorts() : shiftPorts(offset);
  const place = await prepareFolder(folder, ports);
  return await serveDemo(place);
}

const isRoot = (): boolean => process.getuid?.() === 0;

function defaultFolder(): string {
  if (isRoot()) return '/var/lib/postcote-demo';
  return join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local/share'), 'postcote-demo');
}

function shiftPorts(offset: number): DemoPorts {
  const entries = Object.entries(DEFAULT_PORTS).map(([name, port]) => [name, port + offset] as const);
  return Object.fromEntries(entries) as unknown as DemoPorts;
}

/** The usual ports, or the first block of others that is free. */
async function findFreePorts(): Promise<DemoPorts> {
  for (let offset = 0; offset <= 50_000; offset += 10_000) {
    const ports = shiftPorts(offset);
    const free = await Promise.all(Object.values(ports).map((port: number) => isFree(port)));
    if (free.every(Boolean)) return ports;
  }
  return DEFAULT_PORTS;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

async function prepareFolder(folder: string, ports: DemoPorts): Promise<DemoPlace> {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const passwordsFile = join(folder, 'passwords.json');
  const users: DemoUser[] = existsSync(passwordsFile)
    ? (JSON.parse(readFileSync(passwordsFile, 'utf8')) as DemoUser[])
    : USERS.map((name) => ({ name, password: randomBytes(6).toString('hex') }));
  const place: DemoPlace = { folder, ports, users, ...owner };
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const user of users) {
    const home = join(folder, 'home', user.name);
    mkdirSync(home, { recursive: true, mode: 0o755 });
    if (isRoot()) chownSync(home, uidOf(user.name), uidOf(user.name));
    chmodSync(home, 0o700);
  }
  const files = demoFiles(place);
  for (const [name, text] of files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    if (name === 'users') {
      writeFileSync(path, isRoot() ? withUnusedUids(text) : text, { mode: 0o600 });
    } else {
      writeFileSync(path, text, { mode: 0o644 });
    }
  }
  writeFileSync(passwordsFile, JSON.stringify(users), { mode: 0o600 });
  await ensureCertificate(folder);
  return place;
}

const uidOf = (name: string): number => UNUSED_UIDS[name as keyof typeof UNUSED_UIDS] ?? 60_900;

function withUnusedUids(users: string): string {
  return users.replace(/^(\w+):([^:]*):\d+:\d+:/gm, (_line, name: string, secret: string) => {
    const uid = uidOf(name);
    return `${name}:${secret}:${uid}:${uid}:`;
  });
}

async function ensureCertificate(folder: string): Promise<void> {
  const certificate = join(folder, 'tls/demo.pem');
  const key = join(folder, 'tls/demo.key');
  if (existsSync(certificate) && existsSync(key)) return;
  process.stdout.write('postcote: making a certificate …\n');
  const pair = await makeSelfSigned(
    {
      commonName: 'localhost',
      alternativeNames: [`mail.${DEMO_DOMAIN}`, '127.0.0.1', '::1'],
    },
    new Date(),
  );
  mkdirSync(dirname(certificate), { recursive: true });
  writeFileSync(key, pair.key, { mode: 0o600 });
  writeFileSync(certificate, pair.certificate, { mode: 0o644 });
}

async function serveDemo(place: DemoPlace): Promise<number> {
  // Whoever read our words may be gone (`| head`); the server is stopped all the same.
  process.stdout.on('error', () => {});
  const { folder } = place;
  const log = join(folder, 'log');
  const logStart = existsSync(log) ? statSync(log).size : 0;
  const server = spawn(
    process.execPath,
    [
      '--enable-source-maps',
      join(import.meta.dirname, 'supervisor.js'),
      `--postfix-dir=${join(folder, 'postfix')}`,
      `--dovecot-conf=${join(folder, 'dovecot.conf')}`,
      `--data-dir=${join(folder, 'data')}`,
      `--users-file=${join(folder, 'users')}`,
      `--log-file=${log}`,
    ],
    // In a process group of its own: Ctrl-C comes to this process, which passes it on once.
    // The channel says nothing; its end tells the server that nobody minds it any more.
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true },
  );
  const exited = new Promise<number>((resolve) => {
    server.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
    server.once('error', () => resolve(71));
  });
  const stopping = stopOnSignal(server);
  process.stdout.write('postcote: starting …\n');
  const early = await Promise.race([exited, waitUntilReady(server, log, logStart)]);
  if (early !== 'ready') {
    if (stopping.aborted) {
      process.stdout.write('postcote: stopped.\n');
      return await exited;
    }
    const tail = existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(-20).join('\n') : '';
    process.stderr.write(`postcote: the server did not start:\n${tail}\n`);
    server.kill('SIGTERM');
    return early === 'late' ? 75 : early;
  }
  await greetNewUsers(place);
  process.stdout.write(`postcote: the demonstration is running; Ctrl-C stops it.\n${howToConnect(place)}\n`);
  const status = await exited;
  process.stdout.write(
    status === 0 ? 'postcote: stopped.\n' : `postcote: the server ended with status ${status}; see ${log}\n`,
  );
  return status;
}

/** Aborted once somebody wanted it to stop. */
function stopOnSignal(server: ChildProcess): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      process.stdout.write('\npostcote: stopping …\n');
      stopping.abort();
      server.kill('SIGTERM');
    });
  }
  return stopping.signal;
}

/** Waits for the server's own word: a port that answers may be another program's. */
async function waitUntilReady(server: ChildProcess, log: string, from: number): Promise<'ready' | 'late'> {
  const end = performance.now() + READY_LIMIT;
  while (performance.now() < end && server.exitCode === null && server.signalCode === null) {
    if (existsSync(log) && readFileSync(log).subarray(from).includes('postcote is ready')) return 'ready';
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return 'late';
}

async function greetNewUsers(place: DemoPlace): Promise<void> {
  for (const { name } of place.users) {
    if (hasMail(join(place.folder, 'home', name, 'mail'))) continue;
    const to = `${name}@${DEMO_DOMAIN}`;
    await sendSmallMail({
      port: place.ports.smtp,
      from: `postmaster@${DEMO_DOMAIN}`,
      to,
      text: `From: postcote <postmaster@${DEMO_DOMAIN}>
To: ${to}
Date: ${new Date().toUTCString().replace('GMT', '+0000')}
Message-ID: <${randomBytes(9).toString('hex')}@${DEMO_DOMAIN}>
Subject: Welcome to postcote
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Hello ${name},

this message came in over SMTP, was made durable, and was delivered into
your Maildir by a process with your rights alone. Answer it, move it,
delete it: it is yours.
`,
    });
  }
}

function hasMail(maildir: string): boolean {
  return ['new', 'cur'].some((part) => {
    try {
      return readdirSync(join(maildir, part)).length > 0;
    } catch {
      return false;
    }
  });
}
