// Makes the ENVELOPE of RFC 3501 §7.4.2 from header fields, as Dovecot shows it. Bounded by the header given.

import { parseAddressList } from './address-list.ts';
import { REPLACEMENT } from './header-lexer.ts';
import { fieldValue, type HeaderField, parseHeaderFields, tidyText } from './header.ts';
import type { Envelope, EnvelopeAddress } from './structure.ts';

type AddressKey = 'from' | 'sender' | 'replyTo' | 'to' | 'cc' | 'bcc';
type TextKey = 'date' | 'subject' | 'inReplyTo' | 'messageId';

const ADDRESS_FIELDS: ReadonlyMap<string, AddressKey> = new Map([
  ['from', 'from'],
  ['sender', 'sender'],
  ['reply-to', 'replyTo'],
  ['to', 'to'],
  ['cc', 'cc'],
  ['bcc', 'bcc'],
]);

const TEXT_FIELDS: ReadonlyMap<string, TextKey> = new Map([
  ['date', 'date'],
  ['subject', 'subject'],
  ['in-reply-to', 'inReplyTo'],
  ['message-id', 'messageId'],
]);

/** The envelope of the fields of one header block. */
export function envelopeFromFields(header: Uint8Array, fields: readonly HeaderField[]): Envelope {
  const texts: Partial<Record<TextKey, string>> = {};
  const lists: Partial<Record<AddressKey, EnvelopeAddress[]>> = {};
  for (const field of fields) {
    const name = field.name.toLowerCase();
    const textKey = TEXT_FIELDS.get(name);
    // DOVECOT: of a repeated text field the last one counts, repeated address fields add up.
    if (textKey !== undefined) texts[textKey] = fieldValue(header, field).replaceAll('\0', REPLACEMENT);
    const addressKey = ADDRESS_FIELDS.get(name);
    if (addressKey === undefined) continue;
    const addresses = parseAddressList(fieldValue(header, field));
    const list = lists[addressKey];
    if (list === undefined) lists[addressKey] = addresses;
    else for (const address of addresses) list.push(address);
  }
  const present = (key: AddressKey): readonly EnvelopeAddress[] | null => {
    const list = lists[key];
    return list === undefined || list.length === 0 ? null : list;
  };
  const from = present('from');
  return {
    date: texts.date ?? null,
    // DOVECOT: the subject alone is tidied; dates and ids are shown as they stand.
    subject: texts.subject === undefined ? null : tidyText(texts.subject),
    from,
    sender: present('sender') ?? from,
    replyTo: present('replyTo') ?? from,
    to: present('to'),
    cc: present('cc'),
    bcc: present('bcc'),
    inReplyTo: texts.inReplyTo ?? null,
    messageId: texts.messageId ?? null,
  };
}

/** The envelope of a header block. */
export function parseEnvelope(header: Uint8Array): Envelope {
  return envelopeFromFields(header, parseHeaderFields(header));
}
