// The two sides of the restriction table: a private real Postfix with one smtpd for each scenario, and our SMTP session
// behind our reading of the same files. Both look names up at the same DNS server and ask the same policy server.

import fs from 'node:fs';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { loadConfiguration } from '../../packages/config/src/edge/index.ts';
import { openAddressBook } from '../../packages/postcote/src/front/address-book.ts';
import { smtpSettingsOf } from '../../packages/postcote/src/front/smtp-settings.ts';
import { PolicyServer, SmtpListenerServer, openDns } from '../../packages/smtp/src/edge/index.ts';
import { ClientLimits, SUPPORTED_RESTRICTIONS } from '../../packages/smtp/src/index.ts';
import { FakeQueue, fakeSasl } from '../../packages/smtp/src/testing/index.ts';
import type { Zone } from './dns-server.ts';
import { choosePorts } from './guide-config.ts';
import { freePorts } from './ports.ts';
import { type RealPostfix, postfixAuthSocket, startRealPostfix } from './real-postfix.ts';
import { type RestrictionScenario, SCENARIOS, TABLES } from './restriction-rows.ts';
import type { TestBed } from './world.ts';

export const ZONE: Zone = {
  'foreign.example': { a: ['127.0.0.1'] },
  's.example': { a: ['127.0.0.1'] },
  'policy.example': { a: ['127.0.0.1'] },
  'badmx.example': { mx: [[10, 'mx.bad.example']], a: ['127.0.0.1'] },
  'goodmx.example': { mx: [[10, 'mx.good.example']] },
  'badaddress.example': { mx: [[10, 'mx.plain.example']] },
  'nomx.example': { a: ['10.99.1.1'] },
  'nullmx.example': { mx: [[0, '']] },
  'backup.example': {
    mx: [
      [10, 'mx.plain.example'],
      [20, 'mx.self.example'],
    ],
  },
  'backup2.example': {
    mx: [
      [10, 'mx.plain.example'],
      [10, 'mx.other.example'],
      [20, 'mx.self.example'],
    ],
  },
  'backup3.example': {
    mx: [
      [10, 'mx.gone.example'],
      [20, 'mx.self.example'],
    ],
  },
  'first.example': {
    mx: [
      [10, 'mx.self.example'],
      [20, 'mx.plain.example'],
    ],
  },
  'third.example': {
    mx: [
      [10, 'mx.plain.example'],
      [20, 'mx.other.example'],
    ],
  },
  'lost.example': {
    mx: [
      [10, 'mx.plain.example'],
      [20, 'mx.down.example'],
    ],
  },
  'only.example': { mx: [[10, 'mx.plain.example']] },
  'downmx.example': { fault: 'servfail' },
  'mx.down.example': { fault: 'servfail' },
  'down.example': { fault: 'servfail' },
  'mx.self.example': { a: ['127.0.0.1'] },
  'mx.other.example': { a: ['198.51.100.7'] },
  'mx.bad.example': { a: ['127.0.0.1'] },
  'mx.good.example': { a: ['127.0.0.1'] },
  'mx.plain.example': { a: ['192.0.2.250'] },
  'badns.example': { ns: ['ns.bad.example'], a: ['127.0.0.1'] },
  'goodns.example': { ns: ['ns.plain.example'] },
  'ns.bad.example': { a: ['127.0.0.1'] },
  'ns.plain.example': { a: ['127.0.0.1'] },
  '10.2.0.192.block.example': { a: ['127.0.0.2'], txt: ['see https://block.example?q=1'] },
  '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.block.example': { a: ['127.0.0.2'] },
  '11.2.0.192.own.list.example': { a: ['127.0.0.3'] },
  '12.2.0.192.own.list.example': { a: ['127.0.0.5'], txt: ['five'] },
  '13.2.0.192.down.example': { fault: 'servfail' },
  '16.2.0.192.short.list.example': { a: ['127.0.0.2'] },
  '14.2.0.192.broken.list.example': { a: ['127.0.0.2'] },
  'listed.example.names.example': { a: ['127.0.0.2'], txt: ['by name'] },
  'quiet.example.names.example': { a: ['127.0.0.2'] },
  '20.2.0.192.allow.example': { a: ['127.0.5.1'] },
  '21.2.0.192.allow.example': { a: ['127.0.7.1'] },
  '22.2.0.192.allow.example': { fault: 'servfail' },
};

export interface Side {
  /** Port of a scenario. */
  port(scenario: RestrictionScenario): number;
  /** Log lines of its decisions so far, without ids. */
  decisions(scenario: RestrictionScenario): readonly string[];
  stop(): Promise<void>;
}

export interface Sides {
  readonly real: Side;
  readonly ours: Side;
  /** What the policy server was asked, by the port it was told. */
  readonly policyQuestions: readonly ReadonlyMap<string, string>[];
  stop(): Promise<void>;
}

const nameOf = (scenario: RestrictionScenario): string => `s${SCENARIOS.indexOf(scenario)}`;

export async function startSides(bed: TestBed): Promise<Sides> {
  bed.dns.set(ZONE);
  const folder = bed.newFolder('restrictions');
  const policy = await startPolicyServer();
  const ports = await freePorts(SCENARIOS.length);
  const authSocket = postfixAuthSocket(folder);
  fs.mkdirSync(path.dirname(authSocket), { recursive: true });
  const auth = await startAuthStub(authSocket);
  const tables = path.join(folder, 'tables');
  fs.mkdirSync(tables);
  for (const [name, text] of Object.entries(TABLES)) fs.writeFileSync(path.join(tables, name), text);
  const real = await startRealPostfix({
    folder,
    dnsAddress: bed.dns.address,
    ports: await choosePorts(),
    certificate: bed.certificate,
    settings: {
      main: [],
      dovecot: [],
      aliases: [],
      virtual: ['alice@example.com root', 'bob@example.com root'],
    },
    extraMain: [
      'smtpd_authorized_xclient_hosts = 127.0.0.1',
      'smtpd_restriction_classes = strict, lenient, loop',
      'strict = reject',
      'lenient = permit_mynetworks, check_sender_access texthash:' + path.join(tables, 'sender'),
      'loop = permit',
      'smtpd_recipient_restrictions =',
      'smtpd_relay_restrictions = reject_unauth_destination',
      'inet_protocols = all',
      'local_transport = discard:',
      'fast_flush_domains = here.example',
      'smtpd_error_sleep_time = 0',
      'smtpd_soft_error_limit = 100',
      'smtpd_hard_error_limit = 100',
    ],
    extraMaster: SCENARIOS.flatMap((scenario, i) => [
      `127.0.0.1:${ports[i] ?? 0} inet n - n - - smtpd`,
      `  -o syslog_name=postfix/${nameOf(scenario)}`,
      ...Object.entries(scenario.main).map(
        ([name, value]) => `  -o { ${name} = ${filled(value, tables, policy.port)} }`,
      ),
    ]),
  });
  const ours = await startOurs(bed, real, ports);
  return {
    real: realSide(real, ports),
    ours,
    policyQuestions: policy.questions,
    async stop() {
      await ours.stop();
      await real.stop();
      policy.server.close();
      auth.close();
    },
  };
}

const filled = (value: string, tables: string, policyPort: number): string =>
  value
    .replace(/@([a-z]+)@/g, (_, name: string) => `texthash:${path.join(tables, name)}`)
    .replaceAll('@TABLES@', tables)
    .replaceAll('@POLICY@', String(policyPort));

/** What both say in the same words: decisions, without the message's id and the process's. */
function decisionsIn(lines: readonly string[]): string[] {
  const decisions: string[] = [];
  for (const line of lines) {
    const match =
      /: (?:NOQUEUE|[0-9A-Za-z]{2,20}): ((?:reject|reject_warning|info|warn|hold|discard|redirect|bcc|permit): .*)$/.exec(
        `: ${line}`,
      );
    if (match?.[1] !== undefined) decisions.push(match[1]);
  }
  return decisions;
}

function realSide(real: RealPostfix, ports: readonly number[]): Side {
  return {
    port: (scenario) => ports[SCENARIOS.indexOf(scenario)] ?? 0,
    decisions(scenario) {
      const program = `postfix/${nameOf(scenario)}/smtpd[`;
      const lines = real
        .log()
        .split('\n')
        .filter((line) => line.includes(program));
      return decisionsIn(lines.map((line) => line.replace(/^.*?\]: /, '')));
    },
    stop: () => real.stop(),
  };
}

async function startOurs(bed: TestBed, real: RealPostfix, ports: readonly number[]): Promise<Side> {
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
  const own = new Set(
    Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
  );
  const accounts = new Set(
    fs
      .readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':', 1)[0]),
  );
  const addresses = openAddressBook(postfix, tables, {
    hasLocalUser: async (name) => accounts.has(name),
    isOwnAddress: (address) => own.has(address),
  });
  const dns = openDns({ servers: [`${bed.dns.address}:53`], queryTimeout: 2000 });
  const limits = new ClientLimits(() => performance.now());
  const servers = new Map<number, SmtpListenerServer>();
  for (const listener of configuration.listeners) {
    if (!ports.includes(listener.port)) continue;
    const settings = smtpSettingsOf(listener, {
      tables,
      policyServer: (options) => new PolicyServer(options),
      isOwnAddress: (address) => own.has(address),
    });
    const flushable = tables.matchList(postfix, 'fast_flush_domains');
    const server = new SmtpListenerServer({
      implicitTls: false,
      settings: () => settings,
      tls: () => undefined,
      ports: {
        dns,
        log,
        limits,
        sites: {
          flush: async (domain) => ((await flushable.matches({ name: domain })) ? 'started' : 'denied'),
        },
        addresses,
        sasl: fakeSasl,
        queue: new FakeQueue(),
        login: async () => ({ kind: 'refused', message: 'no' }),
      },
    });
    await server.listen();
    servers.set(listener.port, server);
  }
  const portOf = (scenario: RestrictionScenario): number => ports[SCENARIOS.indexOf(scenario)] ?? 0;
  return {
    port: (scenario) => servers.get(portOf(scenario))?.port ?? 0,
    decisions(scenario) {
      const program = `postfix/${nameOf(scenario)}/smtpd`;
      return decisionsIn(lines.filter((line) => line.program === program).map(({ message }) => message));
    },
    async stop() {
      await Promise.all([...servers.values()].map((server) => server.stop(100)));
      configuration.tableFiles.stop();
    },
  };
}

interface PolicyStub {
  readonly server: net.Server;
  readonly port: number;
  readonly questions: ReadonlyMap<string, string>[];
}

const POLICY_ANSWERS: ReadonlyMap<string, string> = new Map([
  ['reject@policy.example', 'REJECT policy says no'],
  ['code@policy.example', '450 4.7.25 policy says later'],
  ['empty@policy.example', ''],
]);

/** Answers at RCPT by the sender, and DUNNO afterwards. */
async function startPolicyServer(): Promise<PolicyStub> {
  const questions: ReadonlyMap<string, string>[] = [];
  const server = net.createServer((socket) => {
    let received = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      received += chunk.toString('utf8');
      for (let end = received.indexOf('\n\n'); end !== -1; end = received.indexOf('\n\n')) {
        const question = new Map(
          received
            .slice(0, end)
            .split('\n')
            .map((line) => {
              const equals = line.indexOf('=');
              return [line.slice(0, equals), line.slice(equals + 1)] as const;
            }),
        );
        received = received.slice(end + 2);
        questions.push(question);
        const sender = question.get('sender') ?? '';
        const action = question.get('protocol_state') === 'RCPT' ? POLICY_ANSWERS.get(sender) : undefined;
        socket.write(`action=${action ?? 'DUNNO'}\n\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, questions, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
}

/** Says hello as Dovecot's auth socket does, so that Postfix's smtpd is content; nobody logs in here. */
export async function startAuthStub(file: string): Promise<net.Server> {
  const server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef\nDONE\n');
  });
  await new Promise<void>((resolve) => server.listen(file, resolve));
  fs.chmodSync(file, 0o666);
  return server;
}
