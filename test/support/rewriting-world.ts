// The two sides of the rewriting table: a private real Postfix whose smtpd and cleanup rows carry each scenario's
// settings and which sends everything to one sink, and our sessions and entrance behind our reading of the same files.

import fs from 'node:fs';
import path from 'node:path';
import { loadConfiguration } from '../../packages/config/src/edge/index.ts';
import { openAddressBook } from '../../packages/postcote/src/front/address-book.ts';
import {
  CleanupEntrance,
  type Entrance,
  type InnerEnvelope,
} from '../../packages/postcote/src/front/cleanup-entrance.ts';
import { entrancePolicyOf } from '../../packages/postcote/src/front/cleanup-settings.ts';
import { smtpSettingsOf } from '../../packages/postcote/src/front/smtp-settings.ts';
import { PolicyServer, SmtpListenerServer, openDns } from '../../packages/smtp/src/edge/index.ts';
import { SUPPORTED_RESTRICTIONS } from '../../packages/smtp/src/index.ts';
import { fakeSasl } from '../../packages/smtp/src/testing/index.ts';
import { choosePorts } from './guide-config.ts';
import { freePorts } from './ports.ts';
import { type RealPostfix, postfixAuthSocket, startRealPostfix } from './real-postfix.ts';
import { startAuthStub } from './restriction-world.ts';
import { type RewritingScenario, SCENARIOS, TABLES } from './rewriting-rows.ts';
import { ScriptedMx } from './scripted-mx.ts';
import type { TestBed } from './world.ts';

export interface Arrived {
  readonly sender: string;
  readonly recipients: readonly string[];
  /** With its trace. */
  readonly text: string;
}

export interface RewritingSide {
  port(scenario: RewritingScenario): number;
  /** What came out so far, in order. */
  arrived(): readonly Arrived[];
  /** Log lines of a scenario's checks. */
  decisions(scenario: RewritingScenario): readonly string[];
}

export interface RewritingSides {
  readonly real: RewritingSide;
  readonly ours: RewritingSide;
  stop(): Promise<void>;
}

const nameOf = (scenario: RewritingScenario): string => `c${SCENARIOS.indexOf(scenario)}`;

export async function startRewritingSides(bed: TestBed): Promise<RewritingSides> {
  bed.dns.set({});
  const folder = bed.newFolder('rewriting');
  const ports = await freePorts(SCENARIOS.length + 1);
  const sinkPort = ports.at(-1) ?? 0;
  const sink = await ScriptedMx.start('127.0.0.1', sinkPort, {
    keywords: ['8BITMIME', 'SMTPUTF8', 'SIZE 0'],
  });
  const authSocket = postfixAuthSocket(folder);
  fs.mkdirSync(path.dirname(authSocket), { recursive: true });
  const auth = await startAuthStub(authSocket);
  const tables = path.join(folder, 'tables');
  fs.mkdirSync(tables);
  for (const [name, text] of Object.entries(TABLES))
    fs.writeFileSync(path.join(tables, name), text.replaceAll('@SINK@', String(sinkPort)));
  const overrides = (settings: Readonly<Record<string, string>> | undefined): string[] =>
    Object.entries(settings ?? {}).map(
      ([name, value]) => `  -o { ${name} = ${value.replaceAll('@TABLES@', tables)} }`,
    );
  const real = await startRealPostfix({
    folder,
    dnsAddress: bed.dns.address,
    ports: await choosePorts(),
    certificate: bed.certificate,
    settings: { main: [], dovecot: [], aliases: [], virtual: [] },
    extraMain: [
      'mydestination = localhost',
      'myorigin = site.example',
      'mydomain = site.example',
      'append_dot_mydomain = yes',
      `relayhost = [127.0.0.1]:${sinkPort}`,
      'smtp_line_length_limit = 0',
      'remote_header_rewrite_domain = domain.invalid',
      'smtpd_error_sleep_time = 0',
      'smtpd_soft_error_limit = 1000',
      'smtpd_hard_error_limit = 1000',
    ],
    extraMaster: SCENARIOS.flatMap((scenario, i) => [
      `127.0.0.1:${ports[i] ?? 0} inet n - n - - smtpd`,
      `  -o cleanup_service_name=${nameOf(scenario)}`,
      '  -o smtpd_recipient_restrictions=',
      '  -o smtpd_relay_restrictions=permit_mynetworks,reject',
      '  -o smtpd_sasl_auth_enable=no',
      ...overrides(scenario.smtpd),
      `${nameOf(scenario)} unix n - n - 0 cleanup`,
      `  -o syslog_name=postfix/${nameOf(scenario)}`,
      ...overrides(scenario.cleanup),
    ]),
  });
  const ours = await startOurs(bed, real, ports);
  const program = (scenario: RewritingScenario): string => `postfix/${nameOf(scenario)}/cleanup`;
  return {
    real: {
      port: (scenario) => ports[SCENARIOS.indexOf(scenario)] ?? 0,
      arrived: () =>
        sink.taken.map(({ commands, octets }) => ({
          sender: pathIn(commands.find((line) => /^MAIL/i.test(line))),
          recipients: commands.filter((line) => /^RCPT/i.test(line)).map(pathIn),
          text: octets.replace(/^\.\./gm, '.'),
        })),
      decisions: (scenario) =>
        decisionsIn(
          real
            .log()
            .split('\n')
            .filter((line) => line.includes(`${program(scenario)}[`))
            .map((line) => line.replace(/^.*?\]: /, '')),
        ),
    },
    ours: {
      ...ours,
      decisions: (scenario) =>
        decisionsIn(
          ours.lines.filter((line) => line.program === program(scenario)).map((line) => line.message),
        ),
    },
    async stop() {
      await ours.stop();
      await real.stop();
      await sink.stop();
      auth.close();
    },
  };
}

const pathIn = (command: string | undefined): string => /<(.*)>/.exec(command ?? '')?.[1] ?? '';

/** What both say in the same words. */
function decisionsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const match =
      /^[0-9A-F]+: ((?:reject|warning|info|filter|pass|discard|hold|prepend|replace|redirect|bcc|strip): .*)$/.exec(
        line,
      );
    if (match?.[1] === undefined) return [];
    return [
      match[1]
        .replace(/^(info: header Received:).*/, '$1')
        .replace(/ from [^ ]+\[127\.0\.0\.1\];/, ' from CLIENT;')
        .replace(/ id [0-9A-Z]+/g, ' id ID')
        .slice(0, 150),
    ];
  });
}

async function startOurs(
  bed: TestBed,
  real: RealPostfix,
  ports: readonly number[],
): Promise<
  Omit<RewritingSide, 'decisions'> & {
    readonly lines: readonly { readonly program: string; readonly message: string }[];
    stop(): Promise<void>;
  }
> {
  const lines: { readonly program: string; readonly message: string }[] = [];
  const log = (_: string, program: string, message: string): void => {
    lines.push({ program, message });
  };
  const configuration = loadConfiguration({
    postfixDirectory: real.config.postfixDir,
    dovecotConf: real.config.dovecotConf,
    supportedRestrictions: SUPPORTED_RESTRICTIONS,
    log,
  });
  const refusals = configuration.problems.filter(({ severity }) => severity === 'refuse');
  if (refusals.length > 0) throw new Error(`refused: ${JSON.stringify(refusals)}`);
  const { postfix, tables } = configuration;
  const isOwnAddress = (address: string): boolean => address === '127.0.0.1';
  const addresses = openAddressBook(postfix, tables, { hasLocalUser: async () => false, isOwnAddress });
  const dns = openDns({ servers: [`${bed.dns.address}:53`], queryTimeout: 2000 });
  const arrived: Arrived[] = [];
  const collector = collect(arrived);
  const servers = new Map<number, SmtpListenerServer>();
  for (const listener of configuration.listeners) {
    if (!ports.includes(listener.port)) continue;
    const settings = smtpSettingsOf(listener, {
      tables,
      policyServer: (options) => new PolicyServer(options),
      isOwnAddress,
    });
    const policy = entrancePolicyOf(configuration, listener.settings, { isOwnAddress });
    const cleanup = new CleanupEntrance({ next: collector, log, policy: () => policy });
    const server = new SmtpListenerServer({
      implicitTls: false,
      settings: () => settings,
      tls: () => undefined,
      ports: {
        dns,
        log,
        addresses,
        sasl: fakeSasl,
        queue: { begin: (envelope) => cleanup.begin(envelope), hasRoomFor: async () => true },
        login: async () => ({ kind: 'refused', message: 'no' }),
      },
    });
    await server.listen();
    servers.set(listener.port, server);
  }
  return {
    lines,
    port: (scenario) => servers.get(ports[SCENARIOS.indexOf(scenario)] ?? 0)?.port ?? 0,
    arrived: () => arrived,
    async stop() {
      await Promise.all([...servers.values()].map((server) => server.stop(100)));
      configuration.tableFiles.stop();
    },
  };
}

/** In the queue's place: what would be sent on. */
function collect(arrived: Arrived[]): Entrance {
  let count = 0;
  return {
    async begin(first: InnerEnvelope) {
      const queueId = (0xabc000 + count++).toString(16).toUpperCase();
      let envelope = first;
      const pieces: Buffer[] = [];
      return {
        queueId,
        write: (chunk) => void pieces.push(Buffer.from(chunk)),
        amend(changed) {
          envelope = changed;
        },
        async commit() {
          const { sender, recipients, hold, discard } = envelope;
          if (hold !== true && discard !== true)
            arrived.push({
              sender,
              recipients: recipients.map(({ address }) => address),
              text: Buffer.concat(pieces).toString('latin1'),
            });
          return { queueId };
        },
        abort: async () => {},
      };
    },
  };
}
