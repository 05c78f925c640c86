// Object ids (RFC 8474 §4): 1 to 255 of A-Z a-z 0-9 _ -, the same for every copy of a message, never for another one.
//
// A store's GUIDs may hold other characters (a Maildir's are file names), so ids are digests of them; that also keeps
// file names to ourselves.

import { createHash } from 'node:crypto';
import type { MessageHandle } from '@postcote/mailbox';

/** Fifteen octets: ids of a billion messages do not meet. */
const OCTETS = 15;

export function emailId({ guid }: Pick<MessageHandle, 'guid'>): string {
  return `M${digest(guid)}`;
}

export function mailboxId({ guid }: { readonly guid: string }): string {
  return `F${digest(guid)}`;
}

function digest(guid: string): string {
  return createHash('sha256').update(guid).digest().subarray(0, OCTETS).toString('base64url');
}
