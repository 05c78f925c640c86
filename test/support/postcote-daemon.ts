// The daemon under test: `./postcote serve` on configuration files like the guide's. It runs in a process group
// of its own; `kill` ends the whole group at once, as a power cut would.

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ConfigFiles, ServicePorts } from './guide-config.ts';
import { waitForPorts } from './ports.ts';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

export interface DaemonOptions {
  readonly config: ConfigFiles;
  readonly dataDir: string;
  readonly ports: ServicePorts;
  /** `127.0.0.1:port`, where names are looked up. */
  readonly dnsServer?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** The network namespace it runs in. */
  readonly namespace?: string;
}

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 20_000;
const LOG_KEPT = 4_000_000;

export class PostcoteDaemon {
  readonly #options: DaemonOptions;
  #child: ChildProcess | undefined;
  #log = '';

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  static async start(options: DaemonOptions): Promise<PostcoteDaemon> {
    const daemon = new PostcoteDaemon(options);
    await daemon.start();
    return daemon;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('postcote is not running');
    return pid;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Standard output and error so far, over all starts. */
  get log(): string {
    return this.#log;
  }

  /** Starts and waits for all ports and for the line that says it is ready. Throws with the log otherwise. */
  async start(): Promise<void> {
    const { config, dataDir, ports, dnsServer } = this.#options;
    const from = this.#log.length;
    const { namespace } = this.#options;
    // ip(8) becomes the daemon: its process id is the daemon's.
    const entering = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    const [program = '', ...words] = [...entering, path.join(REPOSITORY, 'postcote')];
    const child = spawn(
      program,
      [
        ...words,
        'serve',
        '--postfix-dir',
        config.postfixDir,
        '--dovecot-conf',
        config.dovecotConf,
        '--data-dir',
        dataDir,
      ],
      {
        cwd: REPOSITORY,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          ...(dnsServer === undefined ? {} : { POSTCOTE_DNS_SERVERS: dnsServer }),
          ...this.#options.environment,
        },
      },
    );
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString('utf8')).slice(-LOG_KEPT);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('error', (error) => keep(Buffer.from(String(error))));
    const alive = (): void => {
      if (!this.running) throw new Error('postcote ended at start');
    };
    try {
      // Ports elsewhere cannot be tried from here; the line below comes after they answer.
      if (namespace === undefined)
        await waitForPorts(Object.values(ports), { timeoutMs: START_LIMIT_MS, alive });
      const deadline = Date.now() + START_LIMIT_MS;
      while (!this.#log.includes('postcote is ready', Math.min(from, this.#log.length))) {
        alive();
        if (Date.now() > deadline) throw new Error('postcote did not say that it is ready');
        await sleep(20);
      }
    } catch (error) {
      await this.kill();
      throw new Error(
        `${error instanceof Error ? error.message : String(error)}\n${this.#log.slice(-8000)}`,
        { cause: error },
      );
    }
  }

  /** Waits for a line in the log; gives the match. */
  async waitForLog(pattern: RegExp, timeoutMs = 10_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#log);
      if (match !== null) return match;
      if (Date.now() > deadline)
        throw new Error(`no log line like ${String(pattern)}:\n${this.#log.slice(-4000)}`);
      await sleep(20);
    }
  }

  reload(): void {
    process.kill(this.pid, 'SIGHUP');
  }

  /** Asks it to stop; gives its exit code. Ends the group by force when it does not stop in time. */
  async stop(): Promise<number | null> {
    return await this.#end('SIGTERM', false);
  }

  /** kill -9 for the whole process group and every descendant that left it. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL', true);
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL', whole: boolean): Promise<number | null> {
    const child = this.#child;
    if (child?.pid === undefined) return null;
    if (!this.running) return child.exitCode;
    const tree = descendants(child.pid);
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    if (whole) {
      killAll([child.pid, ...tree]);
      await ended;
      await allGone(tree);
      return child.exitCode;
    }
    process.kill(child.pid, signal);
    const stopped = await Promise.race([ended.then(() => true), sleep(STOP_LIMIT_MS).then(() => false)]);
    if (!stopped) {
      killAll([child.pid, ...tree]);
      await ended;
      throw new Error(`postcote did not stop within ${STOP_LIMIT_MS} ms:\n${this.#log.slice(-4000)}`);
    }
    return child.exitCode;
  }

  /** All processes of the daemon that run now, itself first. */
  processes(): { readonly pid: number; readonly uid: number; readonly command: string }[] {
    return [this.pid, ...descendants(this.pid)].flatMap((pid) => {
      try {
        const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
        const uid = Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1]);
        const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return [{ pid, uid, command }];
      } catch {
        return [];
      }
    });
  }
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }
}

/** Waits until none of them runs: only then are their ports free again. */
async function allGone(pids: readonly number[]): Promise<void> {
  const runs = (pid: number): boolean => {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      return stat[stat.lastIndexOf(')') + 2] !== 'Z';
    } catch {
      return false;
    }
  };
  const deadline = Date.now() + STOP_LIMIT_MS;
  while (pids.some(runs) && Date.now() < deadline) await sleep(10);
}

/** Processes below `root`, from /proc. */
export function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      // The command may hold spaces and parentheses: the parent's id is the second field after the last ')'.
      const stat = fs.readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      continue;
    }
  }
  const found: number[] = [];
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      found.push(child);
      open.push(child);
    }
  }
  return found;
}
