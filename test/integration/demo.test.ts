// `./postcote demo`, the first thing a person types: it must print how to connect, what it prints must be true, and
// Ctrl-C must end it. As root, and as an ordinary user on a checkout that is not theirs to write.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { descendants, REPOSITORY } from '../support/postcote-daemon.ts';
import { eventually } from '../support/eventually.ts';
import { mustRun, runProgram } from '../support/run-program.ts';
import type { Account } from '../support/play-transcript.ts';
import { openSystemUsers } from '../support/system-users.ts';
import { type TempFolder, makeTempFolder } from '../support/temp-folder.ts';
import { describeAsRoot } from '../support/use-world.ts';

const START_LIMIT_MS = 60_000;

class Demo {
  readonly #child: ChildProcess;
  output = '';

  constructor(folder: string, options: { readonly account?: Account; readonly repository: string }) {
    const { account, repository } = options;
    const demo = [path.join(repository, 'postcote'), 'demo', '--data-dir', folder, '--port-offset', '9000'];
    const [program = '', ...args] =
      account === undefined
        ? demo
        : [
            'setpriv',
            '--reuid',
            String(account.uid),
            '--regid',
            String(account.gid),
            '--clear-groups',
            ...demo,
          ];
    this.#child = spawn(program, args, {
      cwd: '/',
      // A group of its own, as a shell gives every command: Ctrl-C is a SIGINT to the whole group.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(account === undefined ? {} : { HOME: account.home, USER: account.name }) },
    });
    const keep = (chunk: Buffer): void => {
      this.output += chunk.toString('utf8');
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ready(): Promise<void> {
    await eventually(() => {
      if (this.#child.exitCode !== null) throw new Error(`the demo ended:\n${this.output}`);
      expect(this.output).toContain('the demonstration is running');
    }, START_LIMIT_MS);
  }

  async interrupt(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode !== null) return this.#child.exitCode;
    process.kill(-this.pid, 'SIGINT');
    return await ended;
  }
}

/** Commands of the output to paste, with their continuation lines; a word before them says what they are for. */
function commandsIn(output: string, program: string): string[] {
  return output
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.trim().replace(/^[A-Z]\w+\s+/, ''))
    .filter((line) => line.startsWith(`${program} `));
}

async function proveDemo(demo: Demo, folder: string): Promise<void> {
  await demo.ready();
  const curls = commandsIn(demo.output, 'curl');
  const swakses = commandsIn(demo.output, 'swaks');
  expect(curls.length).toBeGreaterThan(0);
  expect(swakses.length).toBeGreaterThan(0);
  // The commands as printed, with a shell as a person would run them.
  for (const command of swakses) {
    const { stdout } = await runProgram('sh', ['-c', command]);
    expect(stdout, command).toMatch(/250 2\.0\.0 Ok: queued as/);
  }
  const ports = openPorts(demo.pid);
  expect(ports.length).toBeGreaterThanOrEqual(7);
  expect(ports.every((port) => port > 1024)).toBe(true);
  const [byImap, byPop3] = await Promise.all(
    curls.map((command) =>
      eventually(async () => {
        const { stdout } = await mustRun('sh', ['-c', command]);
        expect(stdout, command).toContain('Subject: Welcome to postcote\r\n');
        return stdout;
      }),
    ),
  );
  expect(byPop3).toBe(byImap);
  expect(fs.existsSync(path.join(folder, 'home'))).toBe(true);

  const tree = descendants(demo.pid);
  expect(await demo.interrupt()).toBe(0);
  await eventually(() => expect(tree.filter((pid) => fs.existsSync(`/proc/${pid}/exe`))).toEqual([]));
  expect(demo.output).not.toMatch(/Error:|at \w+ \(file:/);
}

function credentialsIn(output: string): [string, string] {
  const match = /\b(alice)\b[^\n]*?\b([0-9a-f]{12})\b/.exec(output);
  return [match?.[1] ?? '', match?.[2] ?? ''];
}

/** TCP ports on which the processes below `pid` listen. */
function openPorts(pid: number): number[] {
  const inodes = new Set<string>();
  for (const process of [pid, ...descendants(pid)]) {
    let fds: string[];
    try {
      fds = fs.readdirSync(`/proc/${process}/fd`);
    } catch {
      continue;
    }
    for (const fd of fds) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/${process}/fd/${fd}`))?.[1];
        if (inode !== undefined) inodes.add(inode);
      } catch {
        continue;
      }
    }
  }
  const LISTEN = '0A';
  return [
    ...new Set(
      ['tcp', 'tcp6'].flatMap((table) =>
        fs
          .readFileSync(`/proc/net/${table}`, 'utf8')
          .split('\n')
          .map((line) => line.trim().split(/\s+/))
          .filter((fields) => fields[3] === LISTEN && inodes.has(fields[9] ?? ''))
          .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)),
      ),
    ),
  ];
}

describeAsRoot('./postcote demo', () => {
  let temp: TempFolder | undefined;
  let demo: Demo | undefined;
  afterEach(async () => {
    await demo?.interrupt();
    temp?.remove();
  });

  describe('as root', () => {
    it('prints how to connect, is true to it, and ends with Ctrl-C', async () => {
      temp = makeTempFolder('demo');
      const folder = path.join(temp.path, 'data');
      demo = new Demo(folder, { repository: REPOSITORY });
      await proveDemo(demo, folder);
      // Started again, it keeps its users and their mail.
      const before = demo.output;
      demo = new Demo(folder, { repository: REPOSITORY });
      await demo.ready();
      expect(credentialsIn(demo.output)).toEqual(credentialsIn(before));
      expect(await demo.interrupt()).toBe(0);
    });
  });

  describe('as an ordinary user', () => {
    it('does the same on a copy of the checkout', async () => {
      temp = makeTempFolder('demo-user');
      const users = openSystemUsers(temp.path);
      try {
        const account = users.one();
        const repository = path.join(account.home, 'postcote');
        execFileSync('cp', ['-a', '--reflink=auto', REPOSITORY, repository]);
        fs.rmSync(path.join(repository, '.git'), { recursive: true, force: true });
        execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, repository]);
        const folder = path.join(account.home, 'demo');
        demo = new Demo(folder, { account, repository });
        await proveDemo(demo, folder);
        expect(fs.statSync(folder).uid).toBe(account.uid);
      } finally {
        users.remove();
      }
    });
  });
});
