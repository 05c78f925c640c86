// The aliases package on this server's settings: its tables, its lists of domains, its accounts. Also answers the
// queue's two questions: what a recipient comes to, and who carries it there.

import {
  type Addresses,
  type AddressRules,
  DEFAULT_ADDRESS_RULES,
  type Destination,
  type ExtensionPolicy,
  createAddresses,
} from '@postcote/aliases';
import type { MatchList, PostfixSettings, TableRegistry } from '@postcote/config';
import type { Resolution, ResolvedRecipient } from '@postcote/queue';
import { WAITING_TRANSPORT } from './deliverer.ts';

export interface AddressBookPorts {
  /** Throws when that cannot be known now. */
  hasLocalUser(name: string): Promise<boolean>;
  /** Whether an address belongs to one of this machine's interfaces that it receives mail on. */
  isOwnAddress(address: string): boolean;
}

export function openAddressBook(
  settings: PostfixSettings,
  tables: TableRegistry,
  ports: AddressBookPorts,
): Addresses {
  const list = (name: string): MatchList => tables.matchList(settings, name);
  const maps = (name: string) => (settings.list(name).length === 0 ? [] : [tables.parameter(settings, name)]);
  return createAddresses(rulesOf(settings), {
    mydestination: list('mydestination'),
    virtualAliasDomains: list('virtual_alias_domains'),
    virtualMailboxDomains: list('virtual_mailbox_domains'),
    relayDomains: list('relay_domains'),
    virtualAliasMaps: maps('virtual_alias_maps'),
    aliasMaps: maps('alias_maps'),
    localRecipientMaps: maps('local_recipient_maps'),
    virtualMailboxMaps: maps('virtual_mailbox_maps'),
    relayRecipientMaps: maps('relay_recipient_maps'),
    hasLocalUser: (name) => ports.hasLocalUser(name),
    isOwnAddress: (address) => ports.isOwnAddress(address),
  });
}

function rulesOf(s: PostfixSettings): AddressRules {
  return {
    ...DEFAULT_ADDRESS_RULES,
    myorigin: s.string('myorigin'),
    mydomain: s.string('mydomain'),
    appendAtMyorigin: s.bool('append_at_myorigin'),
    appendDotMydomain: s.bool('append_dot_mydomain'),
    swapBangpath: s.bool('swap_bangpath'),
    allowPercentHack: s.bool('allow_percent_hack'),
    recipientDelimiter: s.string('recipient_delimiter'),
    propagateUnmatchedExtensions: new Set(
      s.list('propagate_unmatched_extensions') as readonly ExtensionPolicy[],
    ),
    ownerRequestSpecial: s.bool('owner_request_special'),
    expandOwnerAlias: s.bool('expand_owner_alias'),
    virtualAliasExpansionLimit: s.int('virtual_alias_expansion_limit'),
    virtualAliasRecursionLimit: s.int('virtual_alias_recursion_limit'),
    virtualAliasAddressLengthLimit: s.int('virtual_alias_address_length_limit'),
    showUserUnknownTableName: s.bool('show_user_unknown_table_name'),
  };
}

/** The queue's question at acceptance: the final recipients of one address. */
export async function resolveRecipient(addresses: Addresses, recipient: string): Promise<Resolution> {
  const expansion = await addresses.expand(recipient);
  const { problem } = expansion;
  if (problem !== undefined) {
    const kind = problem.kind === 'unavailable' ? 'unavailable' : 'loop';
    return { kind, reason: problem.reason };
  }
  return { kind: 'expanded', recipients: expansion.destinations.map(toQueue) };
}

function toQueue(destination: Destination): ResolvedRecipient {
  const { original, sender, via } = destination;
  return {
    ...placeOf(destination),
    original,
    ...(sender === undefined ? {} : { sender }),
    ...(via === undefined || via.length === 0 ? {} : { via }),
  };
}

function placeOf(destination: Destination): Pick<ResolvedRecipient, 'address' | 'destination'> {
  switch (destination.kind) {
    case 'local':
      return {
        address: destination.deliveredTo,
        destination: { transport: 'local', nexthop: destination.user },
      };
    case 'remote':
      return {
        address: destination.address,
        destination: {
          transport: 'smtp',
          nexthop: destination.address.slice(destination.address.lastIndexOf('@') + 1).toLowerCase(),
        },
      };
    case 'undeliverable':
      return {
        address: destination.address,
        destination: { transport: WAITING_TRANSPORT, nexthop: destination.reason },
      };
    default:
      return {
        address: destination.original,
        destination: { transport: WAITING_TRANSPORT, nexthop: destination.reason },
      };
  }
}
