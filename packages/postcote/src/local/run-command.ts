// Runs one command on one message. POSTFIX: pipe_command(3) and exec_command(3).
//
// Contract: the command gets the message on its standard input, a session and process group of its own, exactly the
// environment given, the directory given and no descriptor of ours. It may run for `timeLimit` milliseconds, then its
// whole group is killed. The first 4096 octets of what it says are kept, the rest is read and dropped. Settles once,
// never rejects; the command has ended by then and was waited for.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, readFileSync, readdirSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import type { CommandEnd } from './outcome.ts';

export interface CommandRun {
  /** A line for a shell, as aliases(5) has it; or words to run as they are. */
  readonly command: string | readonly [program: string, ...args: string[]];
  /** local_command_shell; empty: /bin/sh where the line needs one. */
  readonly shell?: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly timeLimit: number;
  /** Octets that a file of its may have; 0 for no limit. */
  readonly fileSizeLimit: number;
  readonly input: AsyncIterable<Buffer>;
}

export interface CommandResult {
  readonly end: CommandEnd;
  readonly output: string;
}

/** POSTFIX: _PATH_DEFPATH. */
export const COMMAND_PATH = '/usr/bin:/bin';
const OUTPUT_KEPT = 4096;
/** Milliseconds for what was left behind to close the output after the command itself has ended. */
const OUTPUT_GRACE = 2_000;
/** POSTFIX: a line of nothing but these needs no shell. */
const PLAIN = /^[1234567890!@%\-_=+:,./a-zA-Z \t]+$/;

const running = new Set<ChildProcess>();

/**
 * Closes what whoever started the server left open and what a command would inherit: Node's own descriptors all end at
 * exec. Once, before the first command.
 */
export function closeInheritedDescriptors(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd <= 2) continue;
    try {
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
      if (flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0) closeSync(fd);
    } catch {
      // It was the one that the folder was read with.
    }
  }
}

const O_CLOEXEC = 0o2000000;

/** No command outlives the process that answers for it. */
export function killRunningCommands(): void {
  for (const child of running) killGroup(child);
}

export async function runCommand(run: CommandRun): Promise<CommandResult> {
  const words = wordsOf(run);
  if (typeof words === 'string') return { end: { kind: 'notStarted', reason: words }, output: '' };
  const [program, ...args] = withFileLimit(words, run.fileSizeLimit);
  let child: ChildProcess;
  try {
    child = spawn(program, args, {
      cwd: run.directory,
      env: { PATH: COMMAND_PATH, ...run.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
  } catch (error) {
    return { end: { kind: 'notStarted', reason: String(error) }, output: '' };
  }
  return await watch(child, run);
}

async function watch(child: ChildProcess, run: CommandRun): Promise<CommandResult> {
  running.add(child);
  let output = Buffer.alloc(0);
  const keep = (chunk: Buffer): void => {
    if (output.length < OUTPUT_KEPT) output = Buffer.concat([output, chunk]).subarray(0, OUTPUT_KEPT);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.stdin?.on('error', () => {
    // It does not read on: its exit status says what that means.
  });
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    killGroup(child);
  }, run.timeLimit);
  const ended = new Promise<CommandEnd>((resolve) => {
    child.once('error', (error) => resolve({ kind: 'notStarted', reason: error.message }));
    child.once('exit', (status, signal) => resolve(endOf(status, signal)));
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const fed = feed(child, run.input, ended);
  const end = await ended;
  clearTimeout(limit);
  child.stdin?.destroy();
  await Promise.race([closed, pause(end.kind === 'notStarted' ? 0 : OUTPUT_GRACE)]);
  child.stdout?.destroy();
  child.stderr?.destroy();
  running.delete(child);
  const inputFault = await fed;
  const text = output.toString('utf8');
  if (isLate) return { end: { kind: 'timeLimit' }, output: text };
  // Half a message was not delivered, whatever the command made of it.
  if (inputFault !== undefined) return { end: { kind: 'notStarted', reason: inputFault }, output: text };
  return { end, output: text };
}

/** Writes the message; gives what kept it from being read to its end. */
async function feed(
  child: ChildProcess,
  input: AsyncIterable<Buffer>,
  ended: Promise<unknown>,
): Promise<string | undefined> {
  const { stdin } = child;
  if (stdin === null) return undefined;
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  try {
    for await (const chunk of input) {
      if (isOver || stdin.destroyed) return undefined;
      if (stdin.write(chunk)) continue;
      await Promise.race([
        new Promise<void>((resolve) => {
          stdin.once('drain', resolve);
          stdin.once('close', resolve);
        }),
        ended,
      ]);
    }
    stdin.end();
    return undefined;
  } catch (error) {
    killGroup(child);
    return error instanceof Error ? error.message : String(error);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}

function endOf(status: number | null, signal: NodeJS.Signals | null): CommandEnd {
  if (signal !== null) return { kind: 'signal', signal: osConstants.signals[signal] };
  return { kind: 'exit', status: status ?? 75 };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone.
  }
}

/** POSTFIX: no shell where none is needed; a program that is not there is a temporary failure then. */
function wordsOf({ command, shell = '', environment }: CommandRun): [string, ...string[]] | string {
  if (typeof command !== 'string') {
    const [program, ...args] = command;
    const fault = faultOf(program, environment['PATH'] ?? COMMAND_PATH);
    return fault === undefined ? [program, ...args] : `execvp ${program}: ${fault}`;
  }
  const [first, ...rest] = shell.split(/\s+/).filter((word) => word !== '');
  if (first !== undefined) return [first, ...rest, command];
  const [program, ...args] = command.split(/[ \t]+/).filter((word) => word !== '');
  if (program !== undefined && PLAIN.test(command)) {
    const fault = faultOf(program, COMMAND_PATH);
    if (fault === undefined) return [program, ...args];
    if (program.includes('/')) return `execvp ${program}: ${fault}`;
    // Perhaps a word of the shell's own.
  }
  return ['/bin/sh', '-c', command];
}

function faultOf(program: string, path: string): string | undefined {
  const places = program.includes('/') ? [program] : path.split(':').map((folder) => `${folder}/${program}`);
  let fault = 'No such file or directory';
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK);
      return undefined;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EACCES') fault = 'Permission denied';
    }
  }
  return fault;
}

/** Node cannot set limits; prlimit(1) of util-linux sets this one and becomes the program. */
function withFileLimit(words: [string, ...string[]], limit: number): [string, ...string[]] {
  return limit <= 0 ? words : ['/usr/bin/prlimit', `--fsize=${limit}`, ...words];
}
