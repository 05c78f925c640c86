// Who has mail that local delivery does not keep itself: mailbox_transport(_maps) for everybody, fallback_transport(_maps)
// and luser_relay for those that are no accounts. POSTFIX: deliver_mailbox(3), deliver_unknown(3).

import type { UnknownUser, UnknownUserFate } from '@postcote/aliases';
import type { LookupTable, PostfixSettings, TableRegistry } from '@postcote/config';
import { expandDelivery } from '../local/recipient.ts';

export class MailboxTransports {
  readonly #postfix: PostfixSettings;
  readonly #mailboxMaps: LookupTable | undefined;
  readonly #fallbackMaps: LookupTable | undefined;

  constructor(postfix: PostfixSettings, tables: TableRegistry) {
    this.#postfix = postfix;
    const open = (name: string): LookupTable | undefined =>
      postfix.list(name).length === 0 ? undefined : tables.parameter(postfix, name);
    this.#mailboxMaps = open('mailbox_transport_maps');
    this.#fallbackMaps = open('fallback_transport_maps');
  }

  /** `transport:nexthop`; empty where the mailbox is ours. Rejects when a table cannot answer. */
  async mailbox(user: string): Promise<string> {
    const found = await this.#mailboxMaps?.find(user);
    return found?.value.trim() ?? this.#postfix.string('mailbox_transport');
  }

  async unknown(recipient: UnknownUser): Promise<UnknownUserFate | undefined> {
    const { user, local, domain, extension } = recipient;
    const found = await this.#fallbackMaps?.find(user);
    const transport = found?.value.trim() ?? this.#postfix.string('fallback_transport');
    if (transport !== '') return { kind: 'transport', transport };
    const relay = this.#postfix.string('luser_relay');
    if (relay === '') return undefined;
    const delimiters = this.#postfix.string('recipient_delimiter');
    const { expansion } = expandDelivery(
      relay,
      {
        address: `${local}@${domain}`,
        user,
        local,
        domain,
        extension: extension === '' ? undefined : extension,
        delimiter: local[user.length] ?? delimiters[0] ?? '',
      },
      undefined,
    );
    if (!expansion.ok) throw new Error(`luser_relay = ${relay}: ${expansion.reason}`);
    return expansion.value === '' ? undefined : { kind: 'relay', address: expansion.value };
  }
}
