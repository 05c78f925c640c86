// The places where a message for a next hop can be taken to, in the order in which they are tried: the hosts of the next
// hop, then those of smtp_fallback_relay; for LMTP also a socket of this machine. Never throws.

import type { ClientSettings } from '../client/client-settings.ts';
import {
  findHosts,
  type MailHost,
  type NextHop,
  type NextHopPorts,
  parseNextHop,
  type UnixHop,
} from '../client/next-hop.ts';
import { type Failure, temporary } from '../client/outcome.ts';
import type { Target } from './client-connection.ts';

export interface Place {
  readonly target: Target;
  /** For policies, passwords and SNI. */
  readonly host: string;
  /** `mx.example.com[192.0.2.1]` */
  readonly name: string;
  /** With its port. */
  readonly relay: string;
  readonly port: number;
  /** Of smtp_fallback_relay. */
  readonly fallback: boolean;
}

/** The status of a destination that has no address. */
const HOST_NOT_FOUND = '5.4.4';
/** Destinations may be written by strangers; what they resolve to is tried this often per message at most. */
const MAX_PLACES = 20;

export type FoundPlaces =
  | { readonly hop: NextHop | UnixHop; readonly places: readonly Place[] }
  | { readonly failure: Failure };

export async function findPlaces(
  nexthop: string,
  settings: ClientSettings,
  ports: NextHopPorts,
): Promise<FoundPlaces> {
  const hop = parseNextHop(nexthop, settings);
  if (hop === undefined) return { failure: temporary('4.3.5', `next hop "${nexthop}" is not understood`) };
  if (hop.kind === 'unix') {
    const place: Place = {
      target: {
        kind: 'unix',
        path: hop.path.startsWith('/') ? hop.path : `${settings.unixBase}/${hop.path}`,
      },
      host: settings.myhostname,
      name: `${settings.myhostname}[${hop.path}]`,
      relay: `${settings.myhostname}[${hop.path}]`,
      port: 0,
      fallback: false,
    };
    return { hop, places: [place] };
  }
  const found = await findHosts(hop, settings, ports);
  const places = found.kind === 'hosts' ? found.hosts.map((host) => makePlace(host, hop, settings)) : [];
  // POSTFIX: for destinations that cannot be found or reached; not for those that refuse mail or would send it back.
  if (found.kind === 'hosts' || !found.failure.permanent || found.failure.dsn === HOST_NOT_FOUND) {
    for (const relay of settings.fallbackRelay) {
      const other = parseNextHop(relay, settings);
      if (other?.kind !== 'inet') continue;
      const more = await findHosts(other, settings, ports);
      if (more.kind !== 'hosts') continue;
      places.push(...more.hosts.map((host) => ({ ...makePlace(host, other, settings), fallback: true })));
    }
  }
  if (found.kind === 'failure' && places.length === 0) return { failure: found.failure };
  const limit = settings.mxAddressLimit > 0 ? settings.mxAddressLimit : MAX_PLACES;
  return { hop, places: places.slice(0, Math.min(limit, MAX_PLACES)) };
}

function makePlace(host: MailHost, hop: NextHop | UnixHop, settings: ClientSettings): Place {
  const port = hop.kind === 'inet' ? hop.port : settings.port;
  const bindAddress = host.address.includes(':') ? settings.bindAddress6 : settings.bindAddress;
  const name = `${host.name}[${host.address}]`;
  return {
    target: { kind: 'inet', address: host.address, port, bindAddress },
    host: host.name,
    name,
    relay: `${name}:${port}`,
    port,
    fallback: false,
  };
}
