// Where mail goes that is not routed by its recipients: to a content filter, or back because it was refused.
// POSTFIX: qmgr_message_resolve(): a filter overrides the address resolver for every recipient.

import type { Destination, EnvelopeRecipient, MessageEnvelope, Resolution } from '@postcote/queue';
import { type Routing, resolveRecipient } from './address-book.ts';
import { REFUSING_TRANSPORT } from './transports.ts';

export interface FilterRules {
  /** `default_filter_nexthop`; empty: the recipient's domain. */
  readonly defaultNexthop: string;
  readonly myhostname: string;
}

/** Where a message that came in goes. */
export interface MessageRouting extends Routing {
  readonly filter: FilterRules;
}

/** Undefined: the recipient decides. */
export function overridingRoute(
  address: string,
  { filter, refused }: Pick<MessageEnvelope, 'filter' | 'refused'>,
  rules: FilterRules,
): Destination | undefined {
  if (refused !== undefined) return { transport: REFUSING_TRANSPORT, nexthop: refused };
  if (filter === undefined || filter === '') return undefined;
  const colon = filter.indexOf(':');
  const transport = (colon === -1 ? filter : filter.slice(0, colon)).trim();
  const named = colon === -1 ? '' : filter.slice(colon + 1).trim();
  const domain = address.slice(address.lastIndexOf('@') + 1);
  const nexthop = named || rules.defaultNexthop || (address.includes('@') ? domain : '') || rules.myhostname;
  return { transport, nexthop };
}

/** The queue's question at acceptance, with what the way in decided about the message. */
export async function resolveEntered(
  routing: MessageRouting,
  recipient: EnvelopeRecipient,
  envelope: MessageEnvelope,
): Promise<Resolution> {
  const { address, original = address } = recipient;
  const override = (final: string): Destination | undefined =>
    overridingRoute(final, envelope, routing.filter);
  if (envelope.refused !== undefined) {
    const destination = override(address);
    if (destination !== undefined)
      return { kind: 'expanded', recipients: [{ address, original, destination }] };
  }
  const resolution = await resolveRecipient(routing, address, envelope.sender, {
    virtual: envelope.noMappings !== true,
    // POSTFIX: a filter comes before local delivery, which is what looks at aliases.
    deliver: envelope.filter === undefined,
  });
  if (resolution.kind !== 'expanded') return resolution;
  return {
    kind: 'expanded',
    recipients: resolution.recipients.map((one) => ({
      ...one,
      // A member of a list with an owner keeps the name it has there.
      original: one.original === undefined || one.original === address ? original : one.original,
      destination: override(one.address) ?? one.destination,
    })),
  };
}
