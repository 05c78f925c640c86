// Fields that a message must have and this one lacks (RFC 6409 §8: a submission server may add them). POSTFIX: done for
// clients of this machine (`local_header_rewrite_clients`) or all (`always_add_missing_headers`), in cleanup's order.

import type { Conversation } from './conversation.ts';
import { formatMailDate } from './received.ts';

export interface MissingHeaderFacts {
  readonly queueId: string;
  readonly myhostname: string;
  /** As the envelope has it; empty for `<>`. */
  readonly sender: string;
  readonly date: Date;
}

/** The lines to put in, given the names that are there. A resent message lacks its `Resent-` fields instead. */
export function missingHeaders(facts: MissingHeaderFacts): (seen: ReadonlySet<string>) => string {
  return (seen) => {
    const resent = [...seen].some((name) => name.startsWith('resent-'));
    const prefix = resent ? 'Resent-' : '';
    const stamp = facts.date.toISOString().replace(/\D/g, '').slice(0, 14);
    const fields: readonly (readonly [name: string, value: string])[] = [
      ['Message-Id', `<${stamp}.${facts.queueId}@${facts.myhostname}>`],
      ['Date', formatMailDate(facts.date)],
      ['From', facts.sender === '' ? `MAILER-DAEMON@${facts.myhostname}` : facts.sender],
    ];
    return fields
      .filter(([name]) => !seen.has(`${prefix}${name}`.toLowerCase()))
      .map(([name, value]) => `${prefix}${name}: ${value}\r\n`)
      .join('');
  };
}

/** Whether this client's messages are completed. */
export function completesHeaders({ settings, peer, login }: Conversation): boolean {
  if (settings.alwaysAddMissingHeaders) return true;
  return settings.localHeaderRewriteClients.some((word) => {
    // An address of this machine speaks to us from the address it speaks to.
    if (word === 'permit_inet_interfaces') return peer.remoteAddress === peer.localAddress;
    if (word === 'permit_mynetworks') return settings.isMyNetwork(peer.remoteAddress);
    if (word === 'permit_sasl_authenticated') return login !== undefined;
    return false;
  });
}
