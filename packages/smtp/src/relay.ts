// The relay decision: may this client have mail sent to this recipient through us? One pure function of the
// client, its authentication and the parsed recipient; nothing the client merely claims (HELO, sender, header)
// is among its inputs. Every restriction word about destinations asks here.
//
// Who is trusted may send anywhere. For everybody else the destination must be ours *and* unrouted: a local part
// that holds `%`, `!` or `@` may be turned into another domain by somebody further on (RFC 5321 appendix F.2, the
// "percent hack", UUCP paths), so it is refused whatever its domain says. Quotes do not matter: the local part has
// been unquoted by the parser. POSTFIX: RESOLVE_FLAG_ROUTED, `resolve_dequoted_address`.

import type { AddressClass, EnvelopeMailbox } from './ports.ts';

export interface RelayClient {
  readonly inMyNetworks: boolean;
  readonly authenticated: boolean;
}

/** A client without rights: what `reject_unauth_destination` asks about. */
export const STRANGER: RelayClient = { inMyNetworks: false, authenticated: false };

export interface RoutingRules {
  readonly allowUntrustedRouting: boolean;
  readonly allowPercentHack: boolean;
  readonly swapBangpath: boolean;
}

export type RelayVerdict =
  | { readonly kind: 'allowed'; readonly because: 'network' | 'authenticated' | AddressClass }
  | { readonly kind: 'denied'; readonly because: 'foreign' | 'routed' };

export function relayVerdict(
  client: RelayClient,
  recipient: EnvelopeMailbox,
  world: { readonly classify: (mailbox: EnvelopeMailbox) => AddressClass; readonly rules: RoutingRules },
): RelayVerdict {
  if (client.inMyNetworks) return { kind: 'allowed', because: 'network' };
  if (client.authenticated) return { kind: 'allowed', because: 'authenticated' };
  if (!world.rules.allowUntrustedRouting && isRouted(recipient, world.rules)) {
    return { kind: 'denied', because: 'routed' };
  }
  const addressClass = world.classify(recipient);
  return addressClass === 'default'
    ? { kind: 'denied', because: 'foreign' }
    : { kind: 'allowed', because: addressClass };
}

function isRouted({ local }: EnvelopeMailbox, rules: RoutingRules): boolean {
  if (local.includes('@')) return true;
  if (local.includes('%') && rules.allowPercentHack) return true;
  return local.includes('!') && rules.swapBangpath;
}
