// The two sides of the benchmark on the same configuration text: a private real Postfix with Dovecot, and
// postcote. Both write their logs to files. Starting one measures the time until every port greets.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConfigFiles, type ServicePorts, writeConfig } from '../support/guide-config.ts';
import { choosePorts } from '../support/guide-config.ts';
import { REPOSITORY, descendants } from '../support/postcote-daemon.ts';
import { postfixAuthSocket } from '../support/real-postfix.ts';
import type { TestBed } from '../support/world.ts';
import { waitForGreetings } from './greetings.ts';

export type SideName = 'ours' | 'theirs';

export interface BenchSide {
  readonly name: SideName;
  readonly ports: ServicePorts;
  /** Starts and gives the milliseconds until all ports greeted. Throws with the log's end when it does not. */
  start(): Promise<number>;
  stop(): Promise<void>;
  /** Every process of this side. */
  pids(): number[];
  /** Where accepted mail waits: our `queue` folder, Postfix's queue_directory. */
  readonly queueFolder: string;
  /** Of ours: its data folder. */
  readonly dataFolder?: string;
  /** The folder of its main.cf. */
  readonly postfixDir: string;
  log(): string;
}

export interface SideOptions {
  /** Lines of main.cf, for a folder with the tables. */
  main?(folder: string): readonly string[];
  /** Tables by file name; theirs are built with postmap. */
  readonly tables?: Readonly<Record<string, string>>;
  /** Lines of dovecot.conf for ours alone. */
  readonly ourDovecot?: readonly string[];
}

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;
const LOG_SHOWN = 4000;
/** Dovecot allows ten connections a user and address; the sides must not differ by such a limit. */
const EXTRA_DOVECOT = ['mail_max_userip_connections = 200'];

abstract class ServerSide implements BenchSide {
  abstract readonly name: SideName;
  readonly ports: ServicePorts;
  protected readonly folder: string;
  protected children: ChildProcess[] = [];

  protected constructor(folder: string, ports: ServicePorts) {
    this.folder = folder;
    this.ports = ports;
  }

  abstract readonly queueFolder: string;
  abstract readonly postfixDir: string;
  protected abstract launch(): ChildProcess[];
  protected abstract mainPids(): number[];
  abstract log(): string;

  async start(): Promise<number> {
    const begun = performance.now();
    this.children = this.launch();
    try {
      await waitForGreetings(this.ports, START_LIMIT_MS, () => {
        if (this.children.some((child) => child.exitCode !== null))
          throw new Error(`${this.name} ended at start`);
      });
    } catch (error) {
      await this.stop().catch(() => {});
      throw new Error(`${String(error)}\n${this.log().slice(-LOG_SHOWN)}`, { cause: error });
    }
    return performance.now() - begun;
  }

  async stop(): Promise<void> {
    const all = this.pids();
    const running = this.children.filter((child) => child.exitCode === null && child.signalCode === null);
    const ended = Promise.all(running.map((child) => new Promise((resolve) => child.once('exit', resolve))));
    for (const pid of this.mainPids()) signal(pid, 'SIGTERM');
    await Promise.race([ended, sleep(STOP_LIMIT_MS)]);
    // What is left of the tree (a worker that drains) must not disturb the next measurement.
    for (const pid of all) signal(pid, 'SIGKILL');
    this.children = [];
  }

  pids(): number[] {
    const roots = this.mainPids();
    return [...new Set(roots.flatMap((pid) => [pid, ...descendants(pid)]))];
  }
}

/** A process that is gone already is no error. */
function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch {}
}

function readFile(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

class OurSide extends ServerSide {
  readonly name = 'ours';
  readonly #config: ConfigFiles;
  readonly #dns: string;
  readonly #logFile: string;

  readonly queueFolder: string;
  readonly dataFolder: string;
  readonly postfixDir: string;

  constructor(place: Place, bed: TestBed, options: SideOptions) {
    const { folder, ports } = place;
    super(folder, ports);
    this.dataFolder = path.join(folder, 'data');
    this.queueFolder = path.join(this.dataFolder, 'queue');
    writeTables(folder, options);
    this.#config = writeConfig(folder, {
      ports,
      certificate: bed.certificate,
      authSocket: postfixAuthSocket(folder),
      extraMain: options.main?.(folder) ?? [],
      extraDovecot: [...EXTRA_DOVECOT, ...(options.ourDovecot ?? [])],
    });
    this.postfixDir = this.#config.postfixDir;
    this.#dns = `${bed.dns.address}:${bed.dns.port}`;
    this.#logFile = path.join(folder, 'postcote.log');
  }

  protected launch(): ChildProcess[] {
    const log = fs.openSync(this.#logFile, 'a');
    const { postfixDir, dovecotConf } = this.#config;
    const files = ['--postfix-dir', postfixDir, '--dovecot-conf', dovecotConf];
    const child = spawn(
      path.join(REPOSITORY, 'postcote'),
      ['serve', ...files, '--data-dir', this.dataFolder],
      {
        cwd: REPOSITORY,
        detached: true,
        stdio: ['ignore', log, log],
        env: { ...process.env, POSTCOTE_DNS_SERVERS: this.#dns },
      },
    );
    fs.closeSync(log);
    return [child];
  }

  protected mainPids(): number[] {
    return this.children.flatMap((child) => (child.pid === undefined ? [] : [child.pid]));
  }

  log(): string {
    return readFile(this.#logFile);
  }
}

class TheirSide extends ServerSide {
  readonly name = 'theirs';
  readonly #config: ConfigFiles;
  readonly #queueDirectory: string;
  readonly #resolver: string;

  readonly queueFolder: string;
  readonly postfixDir: string;

  constructor(place: Place, bed: TestBed, options: SideOptions) {
    const { folder, ports } = place;
    super(folder, ports);
    const queue = path.join(folder, 'postfix-queue');
    const data = path.join(folder, 'postfix-data');
    this.#queueDirectory = queue;
    this.queueFolder = queue;
    for (const [directory, mode] of [
      [queue, 0o755],
      [path.join(queue, 'private'), 0o700],
      [data, 0o700],
    ] as const) {
      fs.mkdirSync(directory, { recursive: true, mode });
    }
    execFileSync('chown', ['postfix', data, path.join(queue, 'private')]);
    this.#config = writeConfig(folder, {
      ports,
      certificate: bed.certificate,
      authSocket: postfixAuthSocket(folder),
      extraMain: [
        `queue_directory = ${queue}`,
        `data_directory = ${data}`,
        `maillog_file = ${folder}/postfix.log`,
        `maillog_file_prefixes = ${folder}`,
        ...(options.main?.(folder) ?? []),
      ],
      extraMaster: ['postlog   unix-dgram n  -       n       -       1       postlogd'],
      extraDovecot: [
        ...EXTRA_DOVECOT,
        `base_dir = ${folder}/dovecot-run`,
        `state_dir = ${folder}/dovecot-state`,
        `log_path = ${folder}/dovecot.log`,
      ],
    });
    const { postfixDir } = this.#config;
    this.postfixDir = postfixDir;
    writeTables(folder, options);
    for (const name of Object.keys(options.tables ?? {}))
      execFileSync('postmap', ['-c', postfixDir, `hash:${path.join(folder, name)}`], { stdio: 'ignore' });
    execFileSync('postalias', ['-c', postfixDir, `hash:${postfixDir}/aliases`], { stdio: 'ignore' });
    execFileSync('postmap', ['-c', postfixDir, `hash:${postfixDir}/virtual`], { stdio: 'ignore' });
    spawnSync('postfix', ['-c', postfixDir, 'check']);
    // Postfix has no setting for its resolver: it gets a resolv.conf of its own in a mount namespace.
    this.#resolver = path.join(folder, 'resolv.conf');
    fs.writeFileSync(this.#resolver, `nameserver ${bed.dns.address}\noptions timeout:2 attempts:1\n`);
  }

  protected launch(): ChildProcess[] {
    const { postfixDir, dovecotConf } = this.#config;
    const script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
    const postfix = ['postfix', '-c', postfixDir, 'start-fg'];
    const dovecot = ['dovecot', '-F', '-c', dovecotConf];
    // Dovecot first: a Postfix that finds no auth socket is throttled for half a minute.
    return [dovecot, ['unshare', '--mount', 'sh', '-c', script, 'sh', this.#resolver, ...postfix]].map(
      (command) => spawn(command[0] ?? '', command.slice(1), { stdio: 'ignore', detached: true }),
    );
  }

  /** Of Postfix the shell that waits for the master is no part; the master is. */
  protected mainPids(): number[] {
    const dovecot = this.children[0]?.pid;
    const master = Number(readFile(path.join(this.#queueDirectory, 'pid/master.pid')).trim());
    const alive = Number.isInteger(master) && master > 1 && fs.existsSync(`/proc/${master}`);
    return [...(dovecot === undefined ? [] : [dovecot]), ...(alive ? [master] : [])];
  }

  log(): string {
    return readFile(path.join(this.folder, 'postfix.log')) + readFile(path.join(this.folder, 'dovecot.log'));
  }
}

function writeTables(folder: string, { tables = {} }: SideOptions): void {
  for (const [name, text] of Object.entries(tables)) fs.writeFileSync(path.join(folder, name), text);
}

interface Place {
  readonly folder: string;
  readonly ports: ServicePorts;
}

export async function makeSide(name: SideName, bed: TestBed, options: SideOptions = {}): Promise<BenchSide> {
  const place = { ports: await choosePorts(), folder: bed.newFolder(name) };
  return name === 'ours' ? new OurSide(place, bed, options) : new TheirSide(place, bed, options);
}
