// The name of a client: PTR, then back again (POSTFIX: smtpd_peer.c). A name counts only when it leads back to the
// address; until it is known, and when it is not, the client is called `unknown`.
//
// Never throws; DNS time limits are the port's.

import { isHostname } from './address.ts';
import { parseIp } from './networks.ts';
import type { Dns } from './ports.ts';

export interface ClientName {
  readonly name: string;
  readonly reverseName: string;
  /** `ok`, or whether asking again may help. */
  readonly status: 'ok' | 'temporary' | 'permanent';
  readonly reverseStatus: 'ok' | 'temporary' | 'permanent';
}

export const UNKNOWN_CLIENT: ClientName = {
  name: 'unknown',
  reverseName: 'unknown',
  status: 'permanent',
  reverseStatus: 'permanent',
};

export interface NamedClient {
  readonly client: ClientName;
  /** What Postfix warns of: a forged or invalid name. */
  readonly warning?: string;
}

export async function findClientName(dns: Dns, address: string): Promise<NamedClient> {
  const reverse = await dns.reverse(address);
  if (reverse.kind !== 'found') {
    const status = reverse.kind === 'failed' ? 'temporary' : 'permanent';
    return { client: { ...UNKNOWN_CLIENT, status, reverseStatus: status } };
  }
  const name = (reverse.records[0] ?? '').replace(/\.$/, '');
  if (!isHostname(name)) return { client: UNKNOWN_CLIENT };
  const unverified = { ...UNKNOWN_CLIENT, reverseName: name, reverseStatus: 'ok' as const };
  const forward = await dns.addresses(name);
  if (forward.kind === 'failed') {
    return {
      client: { ...unverified, status: 'temporary' },
      warning: `hostname ${name} does not resolve to address ${address}: ${forward.reason}`,
    };
  }
  if (forward.kind === 'absent') {
    return {
      client: unverified,
      warning: `hostname ${name} does not resolve to address ${address}: Name or service not known`,
    };
  }
  if (!forward.records.some((candidate) => sameAddress(candidate, address))) {
    return { client: unverified, warning: `hostname ${name} does not resolve to address ${address}` };
  }
  return { client: { name, reverseName: name, status: 'ok', reverseStatus: 'ok' } };
}

function sameAddress(a: string, b: string): boolean {
  const left = parseIp(a);
  const right = parseIp(b);
  return left !== undefined && right !== undefined && Buffer.compare(left, right) === 0;
}
