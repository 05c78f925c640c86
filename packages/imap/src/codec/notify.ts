// What NOTIFY asks for (RFC 5465), as values.

import type { FetchItem } from './fetch-item.ts';

export type NotifyEvent =
  | 'MessageNew'
  | 'MessageExpunge'
  | 'FlagChange'
  | 'MailboxName'
  | 'SubscriptionChange';

export type NotifyFilter =
  | { readonly kind: 'selected' | 'selectedDelayed' | 'inboxes' | 'personal' | 'subscribed' }
  | { readonly kind: 'subtree' | 'mailboxes'; readonly names: readonly string[] };

export interface NotifyGroup {
  readonly filter: NotifyFilter;
  /** Empty: nothing is to be told of these mailboxes. */
  readonly events: ReadonlySet<NotifyEvent>;
  /** What is told of new messages of the selected mailbox. */
  readonly newItems?: readonly FetchItem[];
}
