// A private real Postfix: Debian's binaries on a queue, a data folder and a configuration of its own, with the
// names it looks up answered by the test's DNS server. Needs root. It never touches /etc/postfix or the
// system's queue.

import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type ConfigFiles, type ConfigOptions, writeConfig } from './guide-config.ts';
import type { NetHost } from './net-hosts.ts';
import { waitForPorts } from './ports.ts';

export interface RealPostfix {
  readonly config: ConfigFiles;
  readonly queueDirectory: string;
  log(): string;
  stop(): Promise<void>;
}

export interface RealPostfixOptions extends Omit<ConfigOptions, 'authSocket'> {
  readonly folder: string;
  /** An address whose port 53 answers DNS; without it the machine's resolver is asked. */
  readonly dnsAddress?: string;
  /** A host of its own, with its own resolver, instead of this machine's loopback. */
  readonly host?: NetHost;
}

/** Below `folder`; also where Dovecot must put the auth socket. */
export const postfixAuthSocket = (folder: string): string => path.join(folder, 'postfix-queue/private/auth');

/** Starts it and waits until it answers. Throws with its log when it does not. */
export async function startRealPostfix(options: RealPostfixOptions): Promise<RealPostfix> {
  const { folder } = options;
  const queueDirectory = path.join(folder, 'postfix-queue');
  const dataDirectory = path.join(folder, 'postfix-data');
  const logFile = path.join(folder, 'postfix.log');
  fs.mkdirSync(queueDirectory, { recursive: true, mode: 0o755 });
  fs.mkdirSync(path.join(queueDirectory, 'private'), { recursive: true, mode: 0o700 });
  fs.mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  execFileSync('chown', ['postfix', dataDirectory, path.join(queueDirectory, 'private')]);
  const config = writeConfig(folder, {
    ...options,
    authSocket: postfixAuthSocket(folder),
    extraMain: [
      ...(options.extraMain ?? []),
      `queue_directory = ${queueDirectory}`,
      `data_directory = ${dataDirectory}`,
      `maillog_file = ${logFile}`,
      `maillog_file_prefixes = ${folder}`,
    ],
    extraMaster: [
      ...(options.extraMaster ?? []),
      'postlog   unix-dgram n  -       n       -       1       postlogd',
    ],
  });
  dropOverridden(path.join(config.postfixDir, 'main.cf'));
  for (const [command, file] of [
    ['postalias', 'aliases'],
    ['postmap', 'virtual'],
  ] as const) {
    execFileSync(command, ['-c', config.postfixDir, `hash:${path.join(config.postfixDir, file)}`]);
  }
  const master = startMaster(config.postfixDir, options, folder);
  const log = (): string => {
    try {
      return fs.readFileSync(logFile, 'utf8');
    } catch {
      return '';
    }
  };
  const stop = async (): Promise<void> => {
    if (master.exitCode !== null) return;
    const ended = new Promise((resolve) => master.once('exit', resolve));
    // What was spawned is a shell that waits for the master: the master itself must be told.
    process.kill(readMasterPid(queueDirectory) ?? master.pid ?? 0, 'SIGTERM');
    await ended;
  };
  try {
    // An open port is the master's; only a greeting shows that its smtpd came up behind it.
    if (options.host !== undefined) await options.host.greeted('127.0.0.1', options.ports.smtp);
    else
      await waitForPorts([options.ports.smtp, options.ports.submission, options.ports.smtps], {
        timeoutMs: 20_000,
        alive() {
          if (master.exitCode !== null) throw new Error(`Postfix ended at start:\n${log()}`);
        },
      });
  } catch (error) {
    const said = log().slice(-4000);
    await stop();
    throw new Error(`${String(error)}\n${said}`, { cause: error });
  }
  return {
    config,
    queueDirectory,
    log,
    stop,
  };
}

/**
 * Leaves the last definition of each parameter. For every one that is overridden each process logs a warning as it starts,
 * to the socket that postlogd has yet to read; postlogd logs its own there too, and once the socket is full (ten
 * datagrams in a fresh network namespace) it waits for itself and nobody greets any more.
 */
function dropOverridden(mainCf: string): void {
  const definitions = fs.readFileSync(mainCf, 'utf8').split(/\n(?![ \t])/);
  const nameOf = (text: string): string | undefined => /^(\w+)[ \t]*=/.exec(text)?.[1];
  const last = new Map(definitions.map((text, i) => [nameOf(text) ?? i, i]));
  const kept = definitions.filter((text, i) => last.get(nameOf(text) ?? i) === i);
  fs.writeFileSync(mainCf, kept.join('\n'));
}

function startMaster(
  postfixDir: string,
  { dnsAddress, host }: RealPostfixOptions,
  folder: string,
): ReturnType<typeof spawn> {
  const master = ['postfix', '-c', postfixDir, 'start-fg'];
  if (host !== undefined) {
    const [program = '', ...args] = host.command(...master);
    return spawn(program, args, { stdio: 'ignore', detached: true });
  }
  // Postfix has no setting for its resolver: it gets a resolv.conf of its own in a mount namespace.
  const resolver = path.join(folder, 'resolv.conf');
  fs.writeFileSync(resolver, `nameserver ${dnsAddress ?? ''}\noptions timeout:2 attempts:1\n`);
  const script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  const [program, ...args] =
    dnsAddress === undefined ? master : ['unshare', '--mount', 'sh', '-c', script, 'sh', resolver, ...master];
  // `start-fg` also creates the queue's folders with the owners and modes that Postfix wants.
  return spawn(program ?? '', args, { stdio: 'ignore', detached: true });
}

function readMasterPid(queueDirectory: string): number | undefined {
  try {
    const pid = Number(fs.readFileSync(path.join(queueDirectory, 'pid/master.pid'), 'utf8').trim());
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}
