// The root's `subscriptions` file. Changing it takes `subscriptions.lock`, which is also the new file.

import type { MailboxName } from '@postcote/mailbox';
import {
  formatSubscriptions,
  NO_SUBSCRIPTIONS,
  parseSubscriptions,
  type Subscriptions,
} from '../subscriptions.ts';
import type { StoreContext } from './context.ts';
import { readText } from './disk.ts';
import { rewriteLocked } from './locked-rewrite.ts';

const MAX_SIZE = 16 * 1024 * 1024;

export function readSubscriptions(context: StoreContext): Subscriptions {
  const read = readText(`${context.root}/subscriptions`, MAX_SIZE);
  return read ? parseSubscriptions(read.text, context.layout.separator) : NO_SUBSCRIPTIONS;
}

export async function changeSubscription(
  context: StoreContext,
  name: MailboxName,
  subscribed: boolean,
): Promise<void> {
  if (readSubscriptions(context).names.includes(name) === subscribed) return;
  await rewriteLocked(context, 'subscriptions', () => {
    const old = readSubscriptions(context);
    const others = old.names.filter((n) => n !== name);
    const names = subscribed ? [...others, name] : others;
    return formatSubscriptions({ version: old.version, names }, context.layout.separator);
  });
}
