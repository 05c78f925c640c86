// A service of master.cf that sends, and what its tables say of one place: the TLS policy there, the name and password
// with which to authenticate.

import type { SecureContext } from 'node:tls';
import type { ClientSettings } from '../client/client-settings.ts';
import type { SecureDns } from '../client/dane.ts';
import type { TlsaRecord } from '../client/dns-message.ts';
import type { OutboundMessage } from '../client/message.ts';
import type { NextHop, UnixHop } from '../client/next-hop.ts';
import type { Credentials } from '../client/sasl-client.ts';
import { findTlsPolicy, type TlsPolicy } from '../client/tls-policy.ts';
import type { TlsWish } from '../client/tls-versions.ts';
import type { TransportTable } from '../client/transport.ts';
import type { Place } from './places.ts';

/** One service of master.cf that sends: its settings and the tables they name. */
export interface SendService {
  readonly settings: ClientSettings;
  /** The context for a policy's protocols and ciphers, or what is wrong with them. */
  tlsContext(wish: TlsWish): SecureContext | string;
  /** The certificates and keys of a file, as records that say whom to trust. Throws what keeps it from being read. */
  trustAnchors(file: string): readonly TlsaRecord[];
  readonly tlsPolicyMaps?: TransportTable;
  readonly passwordMaps?: TransportTable;
  /** smtp_reply_filter, smtp_delivery_status_filter. */
  readonly replyFilter?: TransportTable;
  readonly statusFilter?: TransportTable;
  /** smtp_generic_maps, smtp_header_checks and kin: the message as the outside gets it. Rejects when a table cannot answer. */
  rewrite?(message: OutboundMessage): Promise<OutboundMessage>;
  /** smtp_connection_cache_destinations: sessions for these are kept whether or not a message waits. */
  cacheAlways?(domain: string): boolean | Promise<boolean>;
  /** `postfix/smtp`. */
  readonly program: string;
}

export interface PolicyRequest {
  readonly nexthop: string;
  readonly service: SendService;
  /** For DANE; without it such mail waits. */
  readonly secureDns: SecureDns | undefined;
}

/** The TLS policy for a place, with the trust anchors it names read; or why there is none. */
export async function policyOf(
  { nexthop, service, secureDns }: PolicyRequest,
  hop: NextHop | UnixHop,
  place: Place,
): Promise<TlsPolicy | string> {
  const { settings, tlsPolicyMaps } = service;
  const inet = hop.kind === 'inet' ? hop : undefined;
  const policy = await findTlsPolicy(
    {
      nexthop,
      domain: inet?.domain ?? settings.myhostname,
      host: place.host,
      port: place.port,
      // A host that stands in for the destination's own was named by main.cf.
      direct: inet === undefined || inet.direct || place.fallback,
    },
    settings,
    {
      ...(tlsPolicyMaps === undefined ? {} : { policies: tlsPolicyMaps }),
      ...(secureDns === undefined ? {} : { secureDns }),
    },
  );
  if (typeof policy === 'string' || policy.anchorFiles.length === 0) return policy;
  try {
    const records = policy.anchorFiles.flatMap((file) => service.trustAnchors(file));
    return { ...policy, check: { kind: 'tlsa', records, names: policy.match } };
  } catch (error) {
    return `trust anchors cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** What a password may be found by. */
export interface CredentialsRequest {
  readonly nexthop: string;
  readonly service: SendService;
  readonly message: Pick<OutboundMessage, 'sender'>;
}

// POSTFIX: by sender (when asked to), by host, by next hop as it is written.
export async function credentialsOf(
  { service, message, nexthop }: CredentialsRequest,
  place: Place,
): Promise<Credentials | undefined> {
  const { settings, passwordMaps } = service;
  if (!settings.saslEnabled || passwordMaps === undefined) return undefined;
  const keys = [place.host, nexthop];
  if (settings.senderDependentAuthentication && message.sender !== '') {
    keys.unshift(message.sender, message.sender.slice(message.sender.lastIndexOf('@')));
  }
  for (const key of keys) {
    const found = await passwordMaps.find(key);
    if (found === undefined) continue;
    const colon = found.value.indexOf(':');
    if (colon <= 0) return undefined;
    return { user: found.value.slice(0, colon).trim(), password: found.value.slice(colon + 1) };
  }
  return undefined;
}
