// A recipient that stands for several others, whose client asked for success notifications. RFC 3461 §5.2.7.3 lets the
// list's expansion be the success: it is reported as `expanded`, and its members are not asked to report once more.
//
// The report is a row of its own among the recipients, so that it is as durable as they are; it is done at its first try.

import type { Destination, EnvelopeRecipient, Notify, QueuedRecipient } from './envelope.ts';
import type { DeliveryResult } from './ports.ts';

const EXPANDED: Destination = { transport: 'expanded', nexthop: 'expanded' };

export interface Expansion {
  /** What its members' rows say. */
  readonly notify: readonly Notify[] | undefined;
  readonly report?: Omit<QueuedRecipient, 'index'>;
}

export function afterExpansion(recipient: EnvelopeRecipient, members: number): Expansion {
  const { address, notify, originalRecipient } = recipient;
  if (members < 2 || notify?.includes('SUCCESS') !== true) return { notify };
  const left = notify.filter((word) => word !== 'SUCCESS');
  return {
    notify: left.length === 0 ? ['NEVER'] : left,
    report: {
      address,
      original: address,
      destination: EXPANDED,
      notify: ['SUCCESS'],
      ...(originalRecipient === undefined ? {} : { originalRecipient }),
    },
  };
}

export const isExpanded = ({ transport }: Destination): boolean => transport === EXPANDED.transport;

export function expandedResult(index: number): DeliveryResult {
  return { index, status: 'sent', dsn: '2.0.0', text: 'alias expanded', relay: 'none', expanded: true };
}
