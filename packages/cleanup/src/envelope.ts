// The envelope on its way into the queue: addresses completed and mapped, automatic copies added. POSTFIX:
// cleanup_addr.c. Throws what a table throws: the message cannot be accepted now.

import { type AddressTable, findAddress, formatFull, parseMailbox, rewrite } from '@postcote/aliases';
import { type MapContext, mapAddress } from './map-address.ts';
import type { AddressPlace, CleanupSettings, Overrides } from './settings.ts';

export interface GivenRecipient {
  readonly address: string;
}

export interface CleanRecipient<Given extends GivenRecipient> {
  /** Where it comes from; absent for an automatic copy. */
  readonly given?: Given;
  readonly address: string;
  /** For `X-Original-To:`. */
  readonly original: string;
}

export interface CleanEnvelope<Given extends GivenRecipient> {
  readonly sender: string;
  readonly recipients: readonly CleanRecipient<Given>[];
}

export interface EnvelopeContext extends MapContext {
  readonly settings: CleanupSettings;
  readonly overrides: Overrides;
}

/** `copies`: further addresses that checks asked for; they come before `always_bcc`. */
export async function cleanEnvelope<Given extends GivenRecipient>(
  given: {
    readonly sender: string;
    readonly recipients: readonly Given[];
    readonly copies?: readonly string[];
  },
  context: EnvelopeContext,
): Promise<CleanEnvelope<Given>> {
  const { settings, overrides } = context;
  const sender = await cleanSender(given.sender, context);
  const recipients: CleanRecipient<Given>[] = [];
  const copyTo = async (address: string): Promise<void> => {
    const clean = await cleanAddress(address, 'envelope_recipient', context);
    const isThere = recipients.some(({ given: of, address: other }) => of === undefined && other === clean);
    if (!isThere) recipients.push({ address: clean, original: clean });
  };
  const copies = overrides.noAddressMappings ? undefined : settings;
  if (copies !== undefined && sender !== '') {
    const copy = await lookUp(sender, copies.senderBccMaps, context);
    if (copy !== undefined) await copyTo(copy);
  }
  for (const recipient of given.recipients) {
    const named = recipient.address === '' ? settings.emptyAddressRecipient : recipient.address;
    const address = await cleanAddress(named, 'envelope_recipient', context);
    recipients.push({ given: recipient, address, original: recipient.address });
    const copy = copies && (await lookUp(address, copies.recipientBccMaps, context));
    if (copy !== undefined) await copyTo(copy);
  }
  for (const address of given.copies ?? []) await copyTo(address);
  if (copies !== undefined && copies.alwaysBcc !== '' && recipients.length > 0)
    await copyTo(copies.alwaysBcc);
  return { sender, recipients };
}

async function cleanSender(address: string, context: EnvelopeContext): Promise<string> {
  if (address === '') return '';
  const { rules } = context.settings;
  const complete = formatFull(rewrite(parseMailbox(address), rules));
  // POSTFIX: mail from our own mailer-daemon has no sender.
  const nobody = formatFull(rewrite({ local: 'MAILER-DAEMON' }, rules));
  if (complete.toLowerCase() === nobody.toLowerCase()) return '';
  return await mapped(complete, 'envelope_sender', context);
}

async function cleanAddress(address: string, place: AddressPlace, context: EnvelopeContext): Promise<string> {
  const complete = formatFull(rewrite(parseMailbox(address), context.settings.rules));
  return await mapped(complete, place, context);
}

async function mapped(address: string, place: AddressPlace, context: EnvelopeContext): Promise<string> {
  return context.overrides.noAddressMappings ? address : await mapAddress(address, place, context);
}

async function lookUp(
  address: string,
  tables: readonly AddressTable[],
  { settings }: EnvelopeContext,
): Promise<string | undefined> {
  const { rules, ports } = settings;
  const parsed = parseMailbox(address);
  const mailbox = { local: parsed.local, domain: parsed.domain ?? '' };
  const value = (await findAddress(mailbox, tables, { rules, ports }))?.value.trim();
  return value === '' ? undefined : value;
}
