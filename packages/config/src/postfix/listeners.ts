// Rows of master.cf that run smtpd (or postscreen in front of it) → the addresses and ports to listen on, each with
// its own settings. Without a master.cf there is one plain listener on port 25.

import { parseIpAddress } from '../ip-address.ts';
import { notice, refuse, type Origin, type Problem } from '../origin.ts';
import type { System } from '../system.ts';
import { addressFamilies } from './machine-defaults.ts';
import type { MasterCf, MasterService } from './master-cf.ts';
import type { PostfixSettings } from './postfix-settings.ts';

export interface SmtpListener {
  /** The row's service name, `submission`. */
  readonly service: string;
  /** An address, or `0.0.0.0` / `::` for every address of that family. */
  readonly address: string;
  readonly port: number;
  /** TLS from the first octet. */
  readonly implicitTls: boolean;
  /** `postscreen` stands in front (its pregreet test may apply). */
  readonly behindPostscreen: boolean;
  /** Of the postscreen row itself. */
  readonly screen?: PostfixSettings;
  readonly syslogName: string;
  readonly settings: PostfixSettings;
  readonly origin: Origin;
}

/** Names from the services file that such rows use. */
const PORTS: ReadonlyMap<string, number> = new Map([
  ['smtp', 25],
  ['mail', 25],
  ['lmtp', 24],
  ['submission', 587],
  ['msa', 587],
  ['submissions', 465],
  ['smtps', 465],
  ['ssmtp', 465],
  ['urd', 465],
  ['qmqp', 628],
  ['imap', 143],
  ['imap2', 143],
  ['imaps', 993],
  ['pop3', 110],
  ['pop3s', 995],
]);

export function portOf(name: string): number | undefined {
  const byName = PORTS.get(name.toLowerCase());
  if (byName !== undefined) return byName;
  const port = /^\d{1,5}$/.test(name) ? Number(name) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

export interface ListenerPlan {
  readonly listeners: readonly SmtpListener[];
  readonly problems: readonly Problem[];
}

export function planListeners(
  settings: PostfixSettings,
  master: MasterCf | undefined,
  system: System,
): ListenerPlan {
  const problems: Problem[] = [];
  const listeners: SmtpListener[] = [];
  for (const service of master?.services ?? [DEFAULT_SERVICE]) {
    if (service.type !== 'inet') continue;
    if (service.command !== 'smtpd' && service.command !== 'postscreen') {
      const message = 'this service is not provided; nothing listens there';
      problems.push(notice(service.origin, { name: service.name, value: service.command, message }));
      continue;
    }
    const planned = planService(settings, system, { service, smtpd: smtpdBehind(service, master) });
    listeners.push(...planned.listeners);
    problems.push(...planned.problems);
  }
  return { listeners, problems };
}

const DEFAULT_SERVICE: MasterService = {
  name: 'smtp',
  type: 'inet',
  isPrivate: false,
  processLimit: undefined,
  command: 'smtpd',
  arguments: [],
  overrides: new Map(),
  origin: { file: '(default)', line: 0 },
};

// POSTFIX: postscreen hands connections to the `smtpd pass` service, whose options then apply.
function smtpdBehind(service: MasterService, master: MasterCf | undefined): MasterService {
  if (service.command !== 'postscreen') return service;
  const pass = master?.services.find(({ type, command }) => type === 'pass' && command === 'smtpd');
  return pass ?? service;
}

function planService(
  base: PostfixSettings,
  system: System,
  { service, smtpd }: { readonly service: MasterService; readonly smtpd: MasterService },
): ListenerPlan {
  const problems: Problem[] = [];
  // A row's own `inet_interfaces` counts for that row.
  const settings = base.withOverrides(smtpd.overrides, smtpd.name);
  const { host, portName } = splitService(service.name);
  const port = portOf(portName);
  if (port === undefined) {
    const message = 'is neither a port number nor a known service name; write the port number';
    return {
      listeners: [],
      problems: [refuse(service.origin, { name: service.name, value: portName, message })],
    };
  }
  const families = addressFamilies(settings.list('inet_protocols'));
  if (families === undefined) {
    problems.push(badValue(settings, 'inet_protocols', 'holds a word that is none of all, ipv4 and ipv6'));
  }
  const found = host === '' ? interfaceAddresses(settings, system) : hostAddresses(host, system);
  for (const name of found.unknown) {
    problems.push(
      host === ''
        ? badValue(
            settings,
            'inet_interfaces',
            `"${name}" is neither an address nor a name in the hosts file`,
          )
        : refuse(service.origin, {
            name: service.name,
            value: host,
            message: 'this host has no known address',
          }),
    );
  }
  const shared = {
    service: service.name,
    port,
    implicitTls: settings.bool('smtpd_tls_wrappermode'),
    behindPostscreen: service.command === 'postscreen',
    ...(service.command === 'postscreen'
      ? { screen: base.withOverrides(service.overrides, service.name) }
      : {}),
    syslogName: settings.string('syslog_name'),
    settings,
    origin: service.origin,
  };
  const usable = families ?? new Set([4, 6]);
  const listeners = [...found.addresses]
    .filter((address) => usable.has(address.includes(':') ? 6 : 4))
    .map((address) => ({ ...shared, address }));
  return { listeners, problems };
}

function badValue(settings: PostfixSettings, name: string, message: string): Problem {
  const origin = settings.origin(name) ?? { file: '(default)', line: 0 };
  return refuse(origin, { name, value: settings.string(name), message });
}

/** `host:port`, `[host]:port`, `::1:port`, `port`. */
export function splitService(name: string): { host: string; portName: string } {
  const colon = name.lastIndexOf(':');
  if (colon === -1) return { host: '', portName: name };
  return { host: name.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), portName: name.slice(colon + 1) };
}

interface FoundAddresses {
  readonly addresses: ReadonlySet<string>;
  readonly unknown: readonly string[];
}

function interfaceAddresses(settings: PostfixSettings, system: System): FoundAddresses {
  const addresses = new Set<string>();
  const unknown: string[] = [];
  for (const item of settings.list('inet_interfaces')) {
    if (item === 'all') {
      addresses.add('0.0.0.0');
      // A kernel without IPv6 has no such socket to offer.
      if (system.interfaces().some(({ address }) => address.includes(':'))) addresses.add('::');
    } else if (item === 'loopback-only') {
      for (const own of system.interfaces()) if (own.isLoopback) addresses.add(own.address);
    } else {
      const found = hostAddresses(item.replace(/^\[(.*)\]$/, '$1'), system);
      for (const address of found.addresses) addresses.add(address);
      unknown.push(...found.unknown);
    }
  }
  return { addresses, unknown };
}

function hostAddresses(host: string, system: System): FoundAddresses {
  if (parseIpAddress(host) !== undefined) return { addresses: new Set([host]), unknown: [] };
  const addresses = new Set(system.addressesOf(host));
  return { addresses, unknown: addresses.size === 0 ? [host] : [] };
}
