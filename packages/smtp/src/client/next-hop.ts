// From a next hop to the hosts that may take the mail: literals and `[host]`, MX records by preference, addresses in
// their stead (RFC 5321 §5.1), the null MX (RFC 7505), and mail that would come back to us. Pure; DNS and chance are
// ports.

import type { Dns, DnsAnswer } from '../ports.ts';
import { parseIpv4, parseIpv6 } from '../networks.ts';
import type { ClientSettings } from './client-settings.ts';
import { type Failure, temporary } from './outcome.ts';

export interface NextHop {
  readonly kind: 'inet';
  /** Without brackets. */
  readonly domain: string;
  /** `[host]`: no MX records. */
  readonly direct: boolean;
  readonly port: number;
}

export interface UnixHop {
  readonly kind: 'unix';
  readonly path: string;
}

const PORT_NAMES: ReadonlyMap<string, number> = new Map([
  ['smtp', 25],
  ['submission', 587],
  ['submissions', 465],
  ['smtps', 465],
  ['lmtp', 24],
]);

/** A port's number, or undefined for a name that nobody knows. */
export function parsePort(text: string): number | undefined {
  const named = PORT_NAMES.get(text.toLowerCase());
  if (named !== undefined) return named;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** `example.com`, `example.com:587`, `[mail.example.com]:submission`, `[192.0.2.1]`; for LMTP `unix:path`, `inet:host:port`. */
export function parseNextHop(
  text: string,
  settings: Pick<ClientSettings, 'protocol' | 'port'>,
): NextHop | UnixHop | undefined {
  let rest = text.trim();
  if (settings.protocol === 'lmtp' && rest.startsWith('unix:')) return { kind: 'unix', path: rest.slice(5) };
  if (rest.startsWith('inet:')) rest = rest.slice(5);
  const bracketed = /^\[([^\]]*)\](?::(.+))?$/.exec(rest);
  const plain = /^([^:]+)(?::([^:]+))?$/.exec(rest);
  const match = bracketed ?? plain;
  if (match === null) return undefined;
  const domain = (match[1] ?? '').replace(/^ipv6:/i, '').replace(/\.$/, '');
  const port = match[2] === undefined ? settings.port : parsePort(match[2]);
  if (domain === '' || port === undefined) return undefined;
  // POSTFIX: LMTP knows no MX.
  return { kind: 'inet', domain, direct: bracketed !== null || settings.protocol === 'lmtp', port };
}

export interface MailHost {
  readonly name: string;
  readonly address: string;
  readonly preference: number;
}

export interface NextHopPorts {
  readonly dns: Dns;
  /** From 0 up to 1. */
  random(): number;
  /** Whether an address is one that we receive mail on. */
  isOwnAddress(address: string): boolean;
}

export type HostsFound =
  | { readonly kind: 'hosts'; readonly hosts: readonly MailHost[] }
  | { readonly kind: 'failure'; readonly failure: Failure };

const SMTP_PORT = 25;
/** The status of mail of which we are the best exchange ourselves. */
export const LOOPS_BACK = '5.4.6';

/** Never rejects. */
export async function findHosts(
  hop: NextHop,
  settings: ClientSettings,
  ports: NextHopPorts,
): Promise<HostsFound> {
  if (hop.direct || isAddress(hop.domain)) {
    const found = await addressesOf([{ name: hop.domain, preference: 0 }], settings, ports);
    return found;
  }
  if (!settings.usesMx) {
    const found = await addressesOf([{ name: hop.domain, preference: 0 }], settings, ports);
    return withoutOurselves(found, hop, settings, ports);
  }
  const mx = await ports.dns.mx(hop.domain);
  if (mx.kind === 'failed') return fail(temporary('4.4.3', hostNotFound(mx.reason)));
  if (mx.kind === 'absent') {
    const found = await addressesOf([{ name: hop.domain, preference: 0 }], settings, ports);
    return withoutOurselves(found, hop, settings, ports);
  }
  const [first] = mx.records;
  // RFC 7505.
  if (mx.records.length === 1 && (first?.exchange === '' || first?.exchange === '.')) {
    const text = `Domain ${hop.domain} does not accept mail (nullMX)`;
    return fail({ permanent: true, dsn: '5.1.0', text });
  }
  const exchanges = mx.records.map(({ exchange, preference }) => ({
    name: exchange.replace(/\.$/, ''),
    preference,
  }));
  const found = await addressesOf(exchanges, settings, ports);
  return withoutOurselves(found, hop, settings, ports);
}

const fail = (failure: Failure): HostsFound => ({ kind: 'failure', failure });
const hostNotFound = (reason: string): string => `Host or domain name not found. ${reason}`;
const isAddress = (text: string): boolean => parseIpv4(text) !== undefined || parseIpv6(text) !== undefined;

async function addressesOf(
  exchanges: readonly { readonly name: string; readonly preference: number }[],
  settings: ClientSettings,
  { dns, random }: NextHopPorts,
): Promise<HostsFound> {
  const answers = await Promise.all(
    exchanges.map(async ({ name }): Promise<DnsAnswer<string>> =>
      isAddress(name) ? { kind: 'found', records: [name] } : await dns.addresses(name),
    ),
  );
  const hosts = exchanges.flatMap(({ name, preference }, i) => {
    const answer = answers[i];
    if (answer?.kind !== 'found') return [];
    return answer.records
      .filter((address) => settings.families.has(address.includes(':') ? 6 : 4))
      .map((address) => ({ name, address, preference }));
  });
  if (hosts.length > 0) return { kind: 'hosts', hosts: inOrder(hosts, settings, random) };
  const failed = answers.find((answer) => answer.kind === 'failed');
  if (failed?.kind === 'failed') return fail(temporary('4.4.3', hostNotFound(failed.reason)));
  const type = settings.families.has(6) ? 'AAAA' : 'A';
  const text = hostNotFound(
    `Name service error for name=${exchanges[0]?.name ?? ''} type=${type}: Host not found`,
  );
  const mayWait = settings.deferIfNoMxAddressFound && exchanges.length > 0;
  return fail(mayWait ? temporary('4.4.4', text) : { permanent: true, dsn: '5.4.4', text });
}

/** By preference; hosts of one preference in an order of chance, so that they share the load (RFC 5321 §5.1). */
function inOrder(
  hosts: readonly MailHost[],
  { randomizeAddresses, addressPreference }: ClientSettings,
  random: () => number,
): MailHost[] {
  const drawn = hosts.map((host) => ({ host, lot: randomizeAddresses ? random() : 0 }));
  const family = ({ address }: MailHost): number => {
    if (addressPreference === 'any') return 0;
    return (addressPreference === 'ipv6') === address.includes(':') ? 0 : 1;
  };
  return drawn
    .sort((a, b) => a.host.preference - b.host.preference || family(a.host) - family(b.host) || a.lot - b.lot)
    .map(({ host }) => host);
}

// POSTFIX: smtp_find_self: hosts as good as ourselves, or worse, would only send the mail back. On another port than 25
// it is another server of this machine that answers.
function withoutOurselves(
  found: HostsFound,
  { domain, port }: NextHop,
  { myhostname }: ClientSettings,
  { isOwnAddress }: NextHopPorts,
): HostsFound {
  if (found.kind === 'failure' || port !== SMTP_PORT) return found;
  const own = found.hosts.find(
    ({ name, address }) => name.toLowerCase() === myhostname.toLowerCase() || isOwnAddress(address),
  );
  if (own === undefined) return found;
  const better = found.hosts.filter(({ preference }) => preference < own.preference);
  if (better.length > 0) return { kind: 'hosts', hosts: better };
  return fail({ permanent: true, dsn: LOOPS_BACK, text: `mail for ${domain} loops back to myself` });
}
