// Recipients by where they go, and what a delivery's answer means for the queue.

import type { Destination, QueuedRecipient } from './envelope.ts';
import type { DeliveryResult, ResolvedRecipient } from './ports.ts';

export function groupByDestination(
  recipients: readonly QueuedRecipient[],
): { readonly destination: Destination; readonly recipients: readonly QueuedRecipient[] }[] {
  const [only] = recipients;
  if (recipients.length === 1 && only !== undefined) return [{ destination: only.destination, recipients }];
  const groups = new Map<string, { destination: Destination; recipients: QueuedRecipient[] }>();
  for (const recipient of recipients) {
    // One transaction has one sender and one text: lists whose owners differ, and what they passed on, go apart.
    const { sender = '', via = [] } = recipient;
    const key = [destinationKey(recipient.destination), sender, ...via].join('\0');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { destination: recipient.destination, recipients: [recipient] });
    else group.recipients.push(recipient);
  }
  return [...groups.values()];
}

export function destinationKey(destination: Destination): string {
  return `${destination.transport}\0${destination.nexthop}`;
}

/** Recipients of one message with the same key are one. */
export function recipientKey({ address, original = address, destination, part }: ResolvedRecipient): string {
  const { kind = '', target = '', include = '' } = part ?? {};
  return [
    original.toLowerCase(),
    address.toLowerCase(),
    destinationKey(destination),
    kind,
    target,
    include,
  ].join('\n');
}

/** POSTFIX: the service `retry` is the program error(8); Debian's `relay` logs under a name of its own. */
export function programOf({ transport }: Destination): string {
  if (transport === 'retry') return 'postfix/error';
  return transport === 'relay' ? 'postfix/relay/smtp' : `postfix/${transport}`;
}

/** POSTFIX: what soft_bounce does: the message stays, the code says temporary. */
export function keepFailure(result: DeliveryResult): DeliveryResult {
  if (result.status !== 'bounced') return result;
  return { ...result, status: 'deferred', dsn: result.dsn.replace(/^5/, '4') };
}

export function noResult(index: number): DeliveryResult {
  return { index, status: 'deferred', dsn: '4.3.0', text: 'delivery ended without a result' };
}
