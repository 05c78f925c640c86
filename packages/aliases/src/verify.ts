// Whether a recipient exists, as far as it can be known at RCPT. POSTFIX: check_rcpt_maps() of smtpd: whoever is a
// virtual alias is fine whatever the class; then the class's own tables are asked.

import { findAddress } from './address-lookup.ts';
import type { AddressClass, AddressPorts, AddressRules, AddressTable, EnvelopeMailbox } from './ports.ts';
import { resolve } from './rewrite.ts';

export type RecipientVerdict =
  | { readonly kind: 'known'; readonly class: AddressClass }
  /** `text` as Postfix words it after `Recipient address rejected:`; the code is 550 5.1.1. */
  | {
      readonly kind: 'unknown';
      readonly class: AddressClass;
      readonly text: string;
      /** Of the enhanced code: `1.6` for a user who moved. */
      readonly detail?: string;
    }
  /** A table could not be read: 451 4.3.0. */
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Taken without a look: its mail has to arrive even where nobody set it up (RFC 5321 §4.5.1), and bounces' own. */
const ALWAYS_LOCAL = new Set(['postmaster', 'mailer-daemon', 'double-bounce']);

/** Never throws. */
export async function verify(
  mailbox: EnvelopeMailbox,
  rules: AddressRules,
  ports: AddressPorts,
): Promise<RecipientVerdict> {
  try {
    const resolved = resolve(mailbox, rules, ports);
    const context = { rules, ports };
    const known: RecipientVerdict = { kind: 'known', class: resolved.class };
    // POSTFIX: whoever is rewritten on the way in is taken to be somebody.
    for (const maps of [ports.canonicalMaps ?? [], ports.virtualAliasMaps])
      if ((await findAddress(resolved, maps, context)) !== undefined) return known;
    const moved = await findAddress(resolved, ports.relocatedMaps ?? [], context);
    if (moved !== undefined) {
      const text = `User has moved to ${moved.value}`;
      return { kind: 'unknown', class: resolved.class, text, detail: '1.6' };
    }
    const table = unknownIn(resolved.class, resolved.local, ports);
    if (table === undefined) return known;
    if ((await findAddress(resolved, table.maps, context)) !== undefined) return known;
    const text = rules.showUserUnknownTableName ? `User unknown in ${table.name} table` : 'User unknown';
    return { kind: 'unknown', class: resolved.class, text };
  } catch (error) {
    return { kind: 'unavailable', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The tables that must hold the recipient, or undefined where none has a say. */
function unknownIn(
  addressClass: AddressClass,
  local: string,
  ports: AddressPorts,
): { readonly name: string; readonly maps: readonly AddressTable[] } | undefined {
  switch (addressClass) {
    case 'local':
      if (ALWAYS_LOCAL.has(local.toLowerCase())) return undefined;
      return namedMaps('local recipient', ports.localRecipientMaps);
    case 'virtualAlias':
      return { name: 'virtual alias', maps: [] };
    case 'virtualMailbox':
      return namedMaps('virtual mailbox', ports.virtualMailboxMaps);
    case 'relay':
      return namedMaps('relay recipient', ports.relayRecipientMaps);
    case 'default':
      return undefined;
  }
}

const namedMaps = (
  name: string,
  maps: readonly AddressTable[] | undefined,
): { readonly name: string; readonly maps: readonly AddressTable[] } | undefined =>
  maps === undefined || maps.length === 0 ? undefined : { name, maps };
