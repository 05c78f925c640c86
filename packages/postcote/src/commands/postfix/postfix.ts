// postfix(1): start, stop, reload and the like, on the server's process. What it is told it is told by signals; their
// rights are the kernel's matter.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../control/client.ts';
import { PID_FILE } from '../../control/places.ts';
import {
  type CommandContext,
  Fatal,
  checkConfigDirectory,
  defaultConfigDirectory,
  dovecotConf,
} from './context.ts';
import { getopt } from './getopt.ts';
import { flush } from './postqueue.ts';

const USAGE = 'usage: postfix [-c config_dir] [-Dv] check|flush|reload|start|status|stop';
const START_LIMIT = 60_000;
const STOP_LIMIT = 40_000;
const LOOK = 50;
const DEFAULT_LOG = '/var/log/postcote.log';

interface Call {
  readonly context: CommandContext;
  readonly config: string;
}

const SUBCOMMANDS: ReadonlyMap<string, (call: Call) => Promise<number>> = new Map([
  ['check', check],
  ['flush', ({ context }) => flush(context, { op: 'flush' })],
  ['reload', reload],
  ['start', start],
  ['status', status],
  ['stop', stop],
]);

export async function postfix(args: readonly string[], context: CommandContext): Promise<number> {
  const { options, rest, complaints } = getopt(args, 'c:Dv');
  const [name = ''] = rest;
  const run = SUBCOMMANDS.get(name);
  if (complaints.length > 0 || rest.length !== 1) throw new Fatal(USAGE);
  if (run === undefined) throw new Fatal(`unknown command: '${name}'. ${USAGE}`);
  const config = checkConfigDirectory(
    options.find(([letter]) => letter === 'c')?.[1] ?? defaultConfigDirectory(),
  );
  return await run({ context, config });
}

const say = (text: string): void => {
  process.stderr.write(`postfix/postfix-script: ${text}\n`);
};

/** The running server's process, when it is one. */
function findServer({ dataDirectory }: CommandContext): number | undefined {
  try {
    const pid = Number(readFileSync(join(dataDirectory, PID_FILE), 'utf8').trim());
    // The number may have become another program's.
    return Number.isInteger(pid) &&
      pid > 1 &&
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('supervisor.js')
      ? pid
      : undefined;
  } catch {
    return undefined;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM')
      throw new Fatal('use of this command is reserved for the superuser');
    throw error;
  }
}

async function status({ context }: Call): Promise<number> {
  const pid = findServer(context);
  say(
    pid === undefined
      ? 'the Postfix mail system is not running'
      : `the Postfix mail system is running: PID: ${pid}`,
  );
  return pid === undefined ? 1 : 0;
}

async function reload({ context }: Call): Promise<number> {
  const pid = findServer(context);
  if (pid === undefined) {
    say('fatal: the Postfix mail system is not running');
    return 1;
  }
  signal(pid, 'SIGHUP');
  say('refreshing the Postfix mail system');
  return 0;
}

async function stop({ context }: Call): Promise<number> {
  const pid = findServer(context);
  if (pid === undefined) {
    say('fatal: the Postfix mail system is not running');
    return 1;
  }
  say('stopping the Postfix mail system');
  signal(pid, 'SIGTERM');
  const until = Date.now() + STOP_LIMIT;
  while (findServer(context) === pid) {
    if (Date.now() > until) throw new Fatal(`the server (PID ${pid}) did not stop in time`);
    await sleep(LOOK);
  }
  return 0;
}

async function check({ config }: Call): Promise<number> {
  const { checkConfiguration } = await import('./check.ts');
  const { refusals, notices } = await checkConfiguration(config);
  for (const notice of notices) process.stderr.write(`postfix: warning: ${notice}\n`);
  for (const refusal of refusals) process.stderr.write(`postfix: fatal: ${refusal}\n`);
  return refusals.length > 0 ? 1 : 0;
}

/** POSTFIX: returns when the server answers. Its log goes to maillog_file. */
async function start({ context, config }: Call): Promise<number> {
  if (findServer(context) !== undefined) {
    say('fatal: the Postfix mail system is already running');
    return 1;
  }
  const { readSettings } = await import('./settings.ts');
  const logFile = readSettings(config).string('maillog_file');
  const root = join(import.meta.dirname, '../..');
  const places = [
    '--postfix-dir',
    config,
    '--dovecot-conf',
    dovecotConf(),
    '--data-dir',
    context.dataDirectory,
  ];
  const args = ['serve', ...places];
  const child = spawn(
    join(root, 'postcote'),
    [...args, '--log-file', logFile.startsWith('/') && !logFile.startsWith('/dev/') ? logFile : DEFAULT_LOG],
    { detached: true, stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' },
  );
  say('starting the Postfix mail system');
  const until = Date.now() + START_LIMIT;
  while (Date.now() < until) {
    if (child.exitCode !== null) throw new Fatal('mail system startup failed: the log says why');
    if (await answers(context)) {
      child.unref();
      return 0;
    }
    await sleep(LOOK);
  }
  throw new Fatal('mail system startup failed: it does not answer');
}

async function answers({ dataDirectory }: CommandContext): Promise<boolean> {
  try {
    for await (const answer of ask(dataDirectory, { op: 'status' })) void answer;
    return true;
  } catch {
    return false;
  }
}
