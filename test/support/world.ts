// One side of the comparison, up and running: the daemon under test, or a private real Postfix and Dovecot. Both
// serve the same configuration, the same kind of accounts, and ask the same DNS server. Needs root.

import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type CertificateFiles, makeCertificate } from './certificate.ts';
import { DnsServer } from './dns-server.ts';
import {
  type ConfigFiles,
  HOSTNAME,
  NO_SETTINGS,
  type ServicePorts,
  type Settings,
  choosePorts,
  writeConfig,
} from './guide-config.ts';
import type { Account } from './play-transcript.ts';
import { PostcoteDaemon } from './postcote-daemon.ts';
import { startRealDovecot } from './real-dovecot.ts';
import { postfixAuthSocket, startRealPostfix } from './real-postfix.ts';
import { type SystemUsers, openSystemUsers } from './system-users.ts';
import { makeTempFolder } from './temp-folder.ts';
import type { Side } from './transcript.ts';

/** The reason to skip what needs real accounts and real peers, or undefined when nothing is missing. */
export const ROOT_MISSING: string | undefined =
  process.getuid?.() === 0 ? undefined : 'needs root: accounts of the machine, PAM, real Postfix and Dovecot';

/**
 * Client tests run against the daemon. `POSTCOTE_TEST_SIDE=real` runs the same tests against Postfix and Dovecot:
 * that is how one tells a fault of ours from a fault of the test.
 */
export const SIDE_UNDER_TEST: Side = process.env['POSTCOTE_TEST_SIDE'] === 'real' ? 'real' : 'ours';

/** What several servers of one test share: a folder, accounts, a certificate, DNS. */
export class TestBed {
  readonly folder: string;
  readonly users: SystemUsers;
  readonly certificate: CertificateFiles;
  readonly dns: DnsServer;
  readonly #remove: () => void;
  #worlds = 0;

  private constructor(folder: string, remove: () => void, dns: DnsServer) {
    this.folder = folder;
    this.#remove = remove;
    this.dns = dns;
    const homes = path.join(folder, 'home');
    fs.mkdirSync(homes, { mode: 0o755 });
    this.users = openSystemUsers(homes);
    this.certificate = makeCertificate(folder, HOSTNAME);
  }

  static async open(purpose: string): Promise<TestBed> {
    const folder = makeTempFolder(purpose);
    // The C library's resolver asks port 53 only; an odd loopback address keeps beds apart.
    const [x, y] = crypto.randomBytes(2);
    const dns = await DnsServer.start({ address: `127.77.${x}.${(y ?? 0) || 1}`, port: 53 });
    return new TestBed(folder.path, () => folder.remove(), dns);
  }

  newFolder(name: string): string {
    const folder = path.join(this.folder, `${name}${++this.#worlds}`);
    fs.mkdirSync(folder, { mode: 0o755 });
    return folder;
  }

  async close(): Promise<void> {
    this.users.remove();
    await this.dns.stop();
    this.#remove();
  }
}

export interface World {
  readonly side: Side;
  readonly ports: ServicePorts;
  readonly config: ConfigFiles;
  readonly variables: Readonly<Record<string, string>>;
  log(): string;
  stop(): Promise<void>;
}

const VARIABLES = { hostname: HOSTNAME, domain: 'example.com' };

export interface WorldOptions {
  readonly settings?: Settings;
  readonly ports?: ServicePorts;
  /** Further rows of master.cf. */
  readonly extraMaster?: readonly string[];
}

export async function startReal(bed: TestBed, options: WorldOptions = {}): Promise<World> {
  const ports = options.ports ?? (await choosePorts());
  const folder = bed.newFolder('real');
  const settings = options.settings ?? NO_SETTINGS;
  const extraMaster = options.extraMaster ?? [];
  const common = { folder, ports, certificate: bed.certificate, settings, extraMaster };
  // Dovecot first: a Postfix that finds no auth socket is throttled for half a minute.
  const dovecot = await startRealDovecot(common);
  try {
    const postfix = await startRealPostfix({ ...common, dnsAddress: bed.dns.address });
    return {
      side: 'real',
      ports,
      config: { postfixDir: postfix.config.postfixDir, dovecotConf: dovecot.config.dovecotConf },
      variables: VARIABLES,
      log: () => `${postfix.log()}\n${dovecot.log()}`,
      async stop() {
        await postfix.stop();
        await dovecot.stop();
      },
    };
  } catch (error) {
    await dovecot.stop();
    throw error;
  }
}

export interface OurWorld extends World {
  readonly daemon: PostcoteDaemon;
  readonly dataDir: string;
}

export async function startOurs(
  bed: TestBed,
  options: WorldOptions & {
    readonly dataDir?: string;
    readonly environment?: Readonly<Record<string, string>>;
  } = {},
): Promise<OurWorld> {
  const ports = options.ports ?? (await choosePorts());
  const folder = bed.newFolder('ours');
  const settings = options.settings ?? NO_SETTINGS;
  const config = writeConfig(folder, {
    ports,
    certificate: bed.certificate,
    settings,
    extraMaster: options.extraMaster ?? [],
    authSocket: postfixAuthSocket(folder),
  });
  const dataDir = options.dataDir ?? path.join(folder, 'data');
  const daemon = await PostcoteDaemon.start({
    config,
    dataDir,
    ports,
    dnsServer: `${bed.dns.address}:${bed.dns.port}`,
    ...(options.environment === undefined ? {} : { environment: options.environment }),
  });
  return {
    side: 'ours',
    ports,
    config,
    variables: VARIABLES,
    daemon,
    dataDir,
    log: () => daemon.log,
    async stop() {
      await daemon.stop();
    },
  };
}

export async function startWorld(side: Side, bed: TestBed, options: WorldOptions = {}): Promise<World> {
  return side === 'ours' ? await startOurs(bed, options) : await startReal(bed, options);
}

/** Accounts under the names a test gives them. */
export function namedAccounts(bed: TestBed, names: readonly string[]): Map<string, Account> {
  const accounts = bed.users.create(names.length);
  return new Map(names.map((name, i) => [name, accounts[i] as Account]));
}
