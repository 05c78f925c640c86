// What SORT compares of one message (RFC 5256 §3, RFC 5957): a number or a text for each field asked for.

import type { MaybePromise, MessageHandle } from '@postcote/mailbox';
import {
  baseSubject,
  decodeWords,
  type Envelope,
  type EnvelopeAddress,
  parseDate,
  parseEnvelope,
} from '@postcote/mime';
import type { SortField } from '../codec/search-key.ts';
import { collationKey } from './collation.ts';

export type SortKey = number | string;

/** Fields that are read from the message's header. */
const OF_ENVELOPE: ReadonlySet<SortField> = new Set<SortField>([
  'CC',
  'DATE',
  'DISPLAYFROM',
  'DISPLAYTO',
  'FROM',
  'SUBJECT',
  'TO',
]);

/** Keys for `fields`, in their order. A message that is gone throws `MailboxError('expunged')`. */
export async function sortKeysOf(handle: MessageHandle, fields: readonly SortField[]): Promise<SortKey[]> {
  const envelope = fields.some((field) => OF_ENVELOPE.has(field)) ? await envelopeOf(handle) : undefined;
  const keys: SortKey[] = [];
  for (const field of fields) keys.push(await sortKey(field, handle, envelope));
  return keys;
}

/** From the index where the store has one, else from the header. */
export async function envelopeOf(handle: MessageHandle): Promise<Envelope> {
  return handle.envelope === undefined ? parseEnvelope(await handle.header()) : handle.envelope();
}

function sortKey(
  field: SortField,
  handle: MessageHandle,
  envelope: Envelope | undefined,
): MaybePromise<SortKey> {
  switch (field) {
    case 'ARRIVAL':
      return milliseconds(handle.internalDate());
    case 'SIZE':
      return handle.size();
    case 'DATE':
      return sentTime(envelope?.date ?? null) ?? milliseconds(handle.internalDate());
    case 'SUBJECT':
      return subjectKey(envelope?.subject ?? null);
    case 'FROM':
      return mailboxKey(envelope?.from);
    case 'TO':
      return mailboxKey(envelope?.to);
    case 'CC':
      return mailboxKey(envelope?.cc);
    case 'DISPLAYFROM':
      return displayKey(envelope?.from);
    case 'DISPLAYTO':
      return displayKey(envelope?.to);
    default:
      return field satisfies never;
  }
}

const milliseconds = (date: MaybePromise<Date>): MaybePromise<number> =>
  date instanceof Date ? date.getTime() : date.then((value) => value.getTime());

/** RFC 5256 §2.2: the sent date in UTC; undefined where there is none to be read. */
export function sentTime(date: string | null): number | undefined {
  return date === null ? undefined : parseDate(date)?.time;
}

export function subjectKey(subject: string | null): string {
  return collationKey(baseSubject(decodeWords(subject ?? '')).text);
}

/** RFC 5256 §3: the mailbox of the first address. */
function mailboxKey(addresses: readonly EnvelopeAddress[] | null | undefined): string {
  return collationKey(addresses?.[0]?.mailbox ?? '');
}

/** RFC 5957 §3: the display name of the first address, else the address; of a group its name. */
function displayKey(addresses: readonly EnvelopeAddress[] | null | undefined): string {
  const first = addresses?.[0];
  if (first === undefined) return '';
  const name = first.name === null ? '' : decodeWords(first.name);
  if (name !== '') return collationKey(name);
  return collationKey(first.host === null ? (first.mailbox ?? '') : `${first.mailbox ?? ''}@${first.host}`);
}
