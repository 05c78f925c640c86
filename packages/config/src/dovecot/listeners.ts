// Where IMAP and POP3 listen: `protocols`, `listen`, `service imap-login { inet_listener imaps { … } }`, and 1.x's
// `protocol imap { listen = *:10143  ssl_listen = *:10993 }`.

import { parseIpAddress } from '../ip-address.ts';
import { notice, refuse, type Origin, type Problem } from '../origin.ts';
import type { System } from '../system.ts';
import type { DovecotDialect, DovecotListener, MailProtocol } from './dovecot-settings.ts';
import { isYes } from './normalise.ts';
import { readValues, sectionsOf, type DovecotNode, type DovecotSetting } from './parse.ts';
import { splitWords } from './values.ts';

interface StandardListener {
  readonly protocol: MailProtocol;
  readonly name: string;
  readonly port: number;
  readonly implicitTls: boolean;
}

const STANDARD: readonly StandardListener[] = [
  { protocol: 'imap', name: 'imap', port: 143, implicitTls: false },
  { protocol: 'imap', name: 'imaps', port: 993, implicitTls: true },
  { protocol: 'pop3', name: 'pop3', port: 110, implicitTls: false },
  { protocol: 'pop3', name: 'pop3s', port: 995, implicitTls: true },
];

const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['lmtp', 'no LMTP service is provided: local mail needs none'],
  ['sieve', 'ManageSieve is not provided'],
  ['managesieve', 'ManageSieve is not provided'],
  ['submission', "Dovecot's submission service is not provided: the submission port of master.cf is"],
  ['none', 'nothing is served'],
]);

export interface DovecotPlan {
  readonly protocols: ReadonlySet<MailProtocol>;
  readonly listeners: readonly DovecotListener[];
  readonly problems: readonly Problem[];
}

export interface PlanSource {
  readonly nodes: readonly DovecotNode[];
  readonly dialect: DovecotDialect;
  /** Of `ssl`; `no` closes the ports with TLS from the first octet. */
  readonly hasTls: boolean;
  readonly file: string;
  readonly system: System;
}

export function planDovecot(source: PlanSource): DovecotPlan {
  const problems: Problem[] = [];
  const root = readValues(source.nodes);
  const written = root.get('protocols');
  const words = splitWords(written?.value ?? 'imap pop3 lmtp');
  for (const word of words) {
    const complaint =
      ELSEWHERE.get(word) ?? (STANDARD.some(({ name }) => name === word) ? undefined : 'unknown protocol');
    if (complaint !== undefined && written !== undefined) {
      problems.push(notice(written.origin, { name: 'protocols', value: word, message: complaint }));
    }
  }
  const addresses = listenAddresses(root.get('listen'), source, problems);
  const wanted = STANDARD.filter((standard) => isWanted(standard, words));
  const planning = { source, problems, written: written?.origin };
  const listeners = [
    ...wanted.flatMap((standard) => planStandard(standard, addresses, planning)),
    ...planExtra(new Set(words), addresses, planning),
  ];
  const protocols = new Set(wanted.map(({ protocol }) => protocol));
  return { protocols, listeners: withoutTwins(listeners), problems };
}

// DOVECOT: 2.3 opens both ports for `imap`, also in a file of 1.x's dialect, and only the one with TLS for `imaps`.
function isWanted(standard: StandardListener, words: readonly string[]): boolean {
  return words.includes(standard.protocol) || words.includes(standard.name);
}

interface Planning {
  readonly source: PlanSource;
  readonly problems: Problem[];
  /** Where `protocols` stands. */
  readonly written: Origin | undefined;
}

interface Endpoint {
  readonly address: string;
  /** Only 1.x writes one here. */
  readonly port: number | undefined;
}

function planStandard(
  standard: StandardListener,
  common: readonly Endpoint[],
  planning: Planning,
): DovecotListener[] {
  const { source, problems } = planning;
  const old = oldListen(standard, source);
  const block = findInetListener(source.nodes, standard);
  const values = readValues(block?.children ?? []);
  const listed = values.get('address') ?? values.get('listen') ?? old;
  const endpoints = listed === undefined ? common : listenAddresses(listed, source, problems);
  const port = readPort(values.get('port'), standard.port, problems);
  const implicitTls = readTls(values.get('ssl'), standard.implicitTls);
  refuseProxy(values.get('haproxy'), problems);
  if (implicitTls && !source.hasTls) return [];
  const origin = values.get('port')?.origin ??
    block?.origin ??
    listed?.origin ??
    planning.written ?? { file: source.file, line: 0 };
  return endpoints
    .map((endpoint) => ({ address: endpoint.address, port: endpoint.port ?? port }))
    .filter((endpoint) => endpoint.port !== 0)
    .map((endpoint) => ({ ...endpoint, protocol: standard.protocol, implicitTls, origin }));
}

/** Listeners under names of the administrator's own. */
function planExtra(
  words: ReadonlySet<string>,
  common: readonly Endpoint[],
  planning: Planning,
): DovecotListener[] {
  const { source, problems } = planning;
  const listeners: DovecotListener[] = [];
  for (const protocol of ['imap', 'pop3'] as const) {
    if (!words.has(protocol)) continue;
    for (const block of inetListeners(source.nodes, protocol)) {
      if (block.label === protocol || block.label === `${protocol}s`) continue;
      const values = readValues(block.children);
      const port = readPort(values.get('port'), 0, problems);
      const implicitTls = readTls(values.get('ssl'), false);
      refuseProxy(values.get('haproxy'), problems);
      if (port === 0 || (implicitTls && !source.hasTls)) continue;
      const listed = values.get('address') ?? values.get('listen');
      const endpoints = listed === undefined ? common : listenAddresses(listed, source, problems);
      for (const { address } of endpoints) {
        listeners.push({ protocol, address, port, implicitTls, origin: block.origin });
      }
    }
  }
  return listeners;
}

function inetListeners(nodes: readonly DovecotNode[], protocol: MailProtocol): ReturnType<typeof sectionsOf> {
  return sectionsOf(nodes, 'service')
    .filter(({ label }) => label === `${protocol}-login`)
    .flatMap(({ children }) => sectionsOf(children, 'inet_listener'));
}

/** Several blocks of one name count as one. */
function findInetListener(
  nodes: readonly DovecotNode[],
  { protocol, name }: StandardListener,
): { children: readonly DovecotNode[]; origin: Origin } | undefined {
  const blocks = inetListeners(nodes, protocol).filter(({ label }) => label === name);
  const [first] = blocks;
  if (first === undefined) return undefined;
  return { children: blocks.flatMap(({ children }) => children), origin: first.origin };
}

function oldListen(standard: StandardListener, source: PlanSource): DovecotSetting | undefined {
  const blocks = sectionsOf(source.nodes, 'protocol').filter(({ label }) =>
    label.split(/\s+/).includes(standard.protocol),
  );
  const values = readValues(blocks.flatMap(({ children }) => children));
  const root = readValues(source.nodes);
  const plain = values.get('listen');
  if (!standard.implicitTls) return plain;
  const own = values.get('ssl_listen') ?? root.get('ssl_listen');
  // The plain listener's addresses serve for both, its port does not.
  return (
    own ?? (plain && { ...plain, value: plain.value.replace(/(^|\s)(\*|\[[^\]]*\]|[^\s:[]+):\d+/g, '$1$2') })
  );
}

function listenAddresses(
  setting: DovecotSetting | undefined,
  source: PlanSource,
  problems: Problem[],
): readonly Endpoint[] {
  const hasIpv6 = source.system.interfaces().some(({ address }) => address.includes(':'));
  const words = splitWords(setting?.value ?? '*, ::');
  return words.flatMap((word): Endpoint[] => {
    const { host, port } = splitEndpoint(word);
    if (host === '*') return [{ address: '0.0.0.0', port }];
    if (host === '::') return hasIpv6 ? [{ address: '::', port }] : [];
    if (parseIpAddress(host) !== undefined) return [{ address: host, port }];
    const known = source.system.addressesOf(host);
    if (known.length === 0 && setting !== undefined) {
      const message = `"${host}" is neither an address nor a name in the hosts file`;
      problems.push(refuse(setting.origin, { name: setting.name, value: setting.value, message }));
    }
    return known.map((address) => ({ address, port }));
  });
}

/** `*`, `*:10143`, `[::]:143`, `::`, `192.0.2.1:143`. */
function splitEndpoint(word: string): { host: string; port: number | undefined } {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(word);
  if (match === null) return { host: word, port: undefined };
  const port = match[3] === undefined ? undefined : Number(match[3]);
  return { host: match[1] ?? match[2] ?? '', port };
}

function readPort(setting: DovecotSetting | undefined, standIn: number, problems: Problem[]): number {
  if (setting === undefined) return standIn;
  const port = /^\d{1,5}$/.test(setting.value) ? Number(setting.value) : -1;
  if (port >= 0 && port <= 65_535) return port;
  problems.push(
    refuse(setting.origin, { name: 'port', value: setting.value, message: 'this is not a port number' }),
  );
  return 0;
}

function readTls(setting: DovecotSetting | undefined, standIn: boolean): boolean {
  return setting === undefined ? standIn : isYes(setting.value);
}

function refuseProxy(setting: DovecotSetting | undefined, problems: Problem[]): void {
  if (setting === undefined || !isYes(setting.value)) return;
  const message =
    "the proxy's header is not read, and every client would have the proxy's address; remove this line";
  problems.push(refuse(setting.origin, { name: 'haproxy', value: setting.value, message }));
}

function withoutTwins(listeners: readonly DovecotListener[]): DovecotListener[] {
  const byEndpoint = new Map<string, DovecotListener>();
  for (const listener of listeners) {
    const key = `${listener.address} ${listener.port}`;
    if (!byEndpoint.has(key)) byEndpoint.set(key, listener);
  }
  return [...byEndpoint.values()];
}
