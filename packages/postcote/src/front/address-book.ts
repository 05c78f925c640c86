// The aliases package on this server's settings: its tables, its lists of domains, its accounts. Also answers the
// queue's two questions: what a recipient comes to, and who carries it there.

import {
  type Addresses,
  type AddressRules,
  DEFAULT_ADDRESS_RULES,
  type Destination,
  type ExpandOptions,
  type ExtensionPolicy,
  createAddresses,
  formatMailbox,
  parseMailbox,
} from '@postcote/aliases';
import type { MatchList, PostfixSettings, TableRegistry } from '@postcote/config';
import type {
  MessageEnvelope,
  QueuedRecipient,
  RecipientPart,
  Resolution,
  ResolvedRecipient,
} from '@postcote/queue';
import type { Destination as QueueDestination } from '@postcote/queue';
import { type TransportRules, findRoute, parseTransport } from '@postcote/smtp';
import { REFUSING_TRANSPORT, WAITING_TRANSPORT } from './transports.ts';
import { ALIAS_PREFIX } from './local-deliverer.ts';
import type { MailboxTransports } from './mailbox-transports.ts';

export interface AddressBookPorts {
  /** Throws when that cannot be known now. */
  hasLocalUser(name: string): Promise<boolean>;
  /** Whether an address belongs to one of this machine's interfaces that it receives mail on. */
  isOwnAddress(address: string): boolean;
  /** For mail that goes to a mailbox: mailbox_transport and its kin. */
  readonly transports?: MailboxTransports;
}

export function openAddressBook(
  settings: PostfixSettings,
  tables: TableRegistry,
  ports: AddressBookPorts,
): Addresses {
  const list = (name: string): MatchList => tables.matchList(settings, name);
  const maps = (name: string) => (settings.list(name).length === 0 ? [] : [tables.parameter(settings, name)]);
  return createAddresses(addressRulesOf(settings), {
    mydestination: list('mydestination'),
    virtualAliasDomains: list('virtual_alias_domains'),
    virtualMailboxDomains: list('virtual_mailbox_domains'),
    relayDomains: list('relay_domains'),
    virtualAliasMaps: maps('virtual_alias_maps'),
    aliasMaps: maps('alias_maps'),
    localRecipientMaps: maps('local_recipient_maps'),
    virtualMailboxMaps: maps('virtual_mailbox_maps'),
    relayRecipientMaps: maps('relay_recipient_maps'),
    canonicalMaps: [...maps('recipient_canonical_maps'), ...maps('canonical_maps')],
    relocatedMaps: maps('relocated_maps'),
    // POSTFIX: mailbox_transport is asked before the accounts are: it may know users that the system does not.
    hasLocalUser: async (name) =>
      (await ports.hasLocalUser(name)) || ((await ports.transports?.mailbox(name)) ?? '') !== '',
    unknownUser: (recipient) => ports.transports?.unknown(recipient),
    isOwnAddress: (address) => ports.isOwnAddress(address),
  });
}

export function addressRulesOf(s: PostfixSettings): AddressRules {
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

/** Where mail goes: who receives here, and the tables that send the rest on. */
export interface Routing {
  readonly addresses: Addresses;
  readonly rules: TransportRules;
  /** local_transport when it is not local: `transport:nexthop`; empty for our own delivery. */
  readonly localTransport: string;
  /** POSTFIX: local mail's next hop, which it keeps when local(8) passes it on. */
  readonly myhostname: string;
}

/** The queue's question at acceptance: the final recipients of one address. Rejects when a table cannot answer. */
export async function resolveRecipient(
  routing: Routing,
  recipient: string,
  sender: string,
  options?: ExpandOptions,
): Promise<Resolution> {
  const expansion = await routing.addresses.expand(recipient, options);
  const { problem } = expansion;
  if (problem !== undefined) {
    const kind = problem.kind === 'unavailable' ? 'unavailable' : 'loop';
    return { kind, reason: problem.reason };
  }
  const recipients: ResolvedRecipient[] = [];
  for (const destination of expansion.destinations) {
    recipients.push(await rowOf(routing, destination, sender));
  }
  return { kind: 'expanded', recipients };
}

/** The queue's row for one thing that an address comes to. */
export async function rowOf(
  routing: Routing,
  destination: Destination,
  sender: string,
): Promise<ResolvedRecipient> {
  const place = placeOf(destination, routing);
  return {
    address: place.address,
    destination: await routed(place, { routing, sender: destination.sender ?? sender }),
    ...(place.part === undefined ? {} : { part: place.part }),
    ...provenanceOf(destination),
  };
}

/** The queue's question at each further attempt: tables may have changed meanwhile. */
export async function routeAgain(
  routing: Routing,
  recipient: QueuedRecipient,
  envelope: MessageEnvelope,
): Promise<QueueDestination> {
  const { address, destination, original } = recipient;
  if (destination.transport === 'local') return destination;
  const sender = recipient.sender ?? envelope.sender;
  if (destination.transport === WAITING_TRANSPORT) {
    // What waited for its tables or its account may have a place now; lists that grew meanwhile are not expanded twice.
    const again = await resolveRecipient(routing, address, sender);
    const [only, ...others] = again.kind === 'expanded' ? again.recipients : [];
    return only !== undefined && others.length === 0 && only.address === address && original !== ''
      ? only.destination
      : destination;
  }
  const addressClass = routing.addresses.classify(parseMailbox(address));
  const route = await findRoute({ recipient: address, sender, class: addressClass }, routing.rules);
  return route === undefined || route.transport === 'local' ? destination : route;
}

/** POSTFIX: trivial-rewrite's answer about an address, before any alias; mail filters are told of it. */
export async function whereTo(
  {
    addresses,
    rules,
    localTransport,
    filter,
  }: Routing & { readonly filter: { readonly myhostname: string } },
  address: string,
  sender: string,
): Promise<{ readonly transport: string; readonly nexthop: string; readonly address: string }> {
  const mailbox = addresses.rewrite(parseMailbox(address));
  const full = formatMailbox(mailbox);
  const addressClass = addresses.classify(mailbox);
  const route = await findRoute({ recipient: full, sender, class: addressClass }, rules);
  if (addressClass === 'virtualAlias' && route === undefined)
    return { transport: REFUSING_TRANSPORT, nexthop: 'User unknown in virtual alias table', address: full };
  const { transport, nexthop } = route ?? parseTransport(localTransport || `local:${filter.myhostname}`);
  return { transport, nexthop: nexthop === '' ? domainOf(full) : nexthop, address: full };
}

interface Place {
  readonly address: string;
  readonly class: Parameters<typeof findRoute>[0]['class'] | undefined;
  readonly destination: QueueDestination;
  readonly part?: RecipientPart;
}

async function routed(
  { address, class: addressClass, destination }: Place,
  { routing, sender }: { readonly routing: Routing; readonly sender: string },
): Promise<QueueDestination> {
  if (addressClass === undefined) return destination;
  const route = await findRoute({ recipient: address, sender, class: addressClass }, routing.rules);
  if (route !== undefined && route.transport !== 'local') return route;
  if (addressClass !== 'local') return route ?? destination;
  if (routing.localTransport === '') return destination;
  const { transport, nexthop } = parseTransport(routing.localTransport);
  return { transport, nexthop: nexthop === '' ? domainOf(address) : nexthop };
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase();

function provenanceOf({
  original,
  sender,
  via,
}: Destination): Pick<ResolvedRecipient, 'original' | 'sender' | 'via'> {
  return {
    original,
    ...(sender === undefined ? {} : { sender }),
    ...(via === undefined || via.length === 0 ? {} : { via }),
  };
}

function placeOf(destination: Destination, { myhostname }: Routing): Place {
  switch (destination.kind) {
    case 'local':
      return {
        address: destination.deliveredTo,
        class: 'local',
        destination: { transport: 'local', nexthop: destination.user },
        ...(destination.mailbox === true ? { part: { kind: 'mailbox', target: destination.user } } : {}),
      };
    case 'remote': {
      const { address } = destination;
      const toDomain = { transport: 'smtp', nexthop: domainOf(address) };
      return { address, class: destination.class, destination: toDomain };
    }
    case 'undeliverable':
      return {
        address: destination.address,
        class: undefined,
        destination: {
          transport: destination.permanent ? REFUSING_TRANSPORT : WAITING_TRANSPORT,
          nexthop: `${destination.status} ${destination.reason}`,
        },
      };
    case 'transport': {
      const { transport, nexthop } = parseTransport(destination.transport);
      const { address } = destination;
      return {
        address,
        class: undefined,
        destination: { transport, nexthop: nexthop === '' ? myhostname : nexthop },
      };
    }
    default: {
      const { kind, target, unmatched } = destination;
      return {
        address: destination.deliveredTo,
        class: undefined,
        destination: { transport: 'local', nexthop: `${ALIAS_PREFIX}${destination.alias}` },
        part: { kind, target, ...(unmatched === undefined ? {} : { extension: unmatched }) },
      };
    }
  }
}
