// The defaults Postfix takes from the machine: myhostname, mydomain, mynetworks.

import { formatNetwork, maskNetwork, parseIpAddress, type IpAddress } from '../ip-address.ts';
import type { InterfaceAddress } from '../system.ts';

/** POSTFIX: a host name without a dot gets `.mydomain`, and mydomain is then `localdomain` if nobody set it. */
export function defaultHostname(hostname: string, mydomain: string | undefined): string {
  return hostname.includes('.') ? hostname : `${hostname}.${mydomain ?? 'localdomain'}`;
}

export function defaultDomain(myhostname: string): string {
  const dot = myhostname.indexOf('.');
  return dot === -1 ? 'localdomain' : myhostname.slice(dot + 1);
}

export type NetworksStyle = 'class' | 'subnet' | 'host';

/** The value of `mynetworks` when main.cf does not set it. */
export function defaultNetworks(interfaces: readonly InterfaceAddress[], style: NetworksStyle): string {
  const networks = new Set<string>();
  // POSTFIX: IPv4 first.
  const inOrder = [...interfaces].sort(
    (a, b) => Number(a.address.includes(':')) - Number(b.address.includes(':')),
  );
  for (const { address, prefixLength } of inOrder) {
    const parsed = parseIpAddress(address);
    if (parsed === undefined) continue;
    const length = prefixFor(parsed, prefixLength, style);
    networks.add(formatNetwork(maskNetwork({ address: parsed, prefixLength: length })));
  }
  return [...networks].join(' ');
}

function prefixFor(address: IpAddress, prefixLength: number, style: NetworksStyle): number {
  if (style === 'host') return address.family === 4 ? 32 : 128;
  if (style === 'subnet' || address.family === 6) return prefixLength;
  const first = address.octets[0] ?? 0;
  if (first < 128) return 8;
  return first < 192 ? 16 : 24;
}

/** The interfaces named by `inet_interfaces` and `inet_protocols`; `all` where the list says so. */
export function ownInterfaces(
  interfaces: readonly InterfaceAddress[],
  chosen: { readonly inetInterfaces: readonly string[]; readonly families: ReadonlySet<4 | 6> },
): InterfaceAddress[] {
  const wanted = chosen.inetInterfaces.map((item) => item.replace(/^\[|\]$/g, ''));
  const takesAll = wanted.includes('all');
  const loopbackOnly = wanted.includes('loopback-only');
  return interfaces.filter(({ address, isLoopback }) => {
    if (!chosen.families.has(address.includes(':') ? 6 : 4)) return false;
    return takesAll || (loopbackOnly && isLoopback) || wanted.includes(address);
  });
}

/** `inet_protocols`: all, ipv4, ipv6; undefined for a word that is none of these. */
export function addressFamilies(items: readonly string[]): ReadonlySet<4 | 6> | undefined {
  const families = new Set<4 | 6>();
  for (const item of items) {
    const word = item.toLowerCase();
    if (word !== 'all' && word !== 'ipv4' && word !== 'ipv6') return undefined;
    if (word !== 'ipv6') families.add(4);
    if (word !== 'ipv4') families.add(6);
  }
  return families.size === 0 ? undefined : families;
}
