// canonical(5) and masquerading: one address becomes another. POSTFIX: cleanup_map11(3), cleanup_masquerade(3).
//
// Addresses are external text. Tables that fail throw what they throw: the message is not accepted then.

import {
  type AddressTable,
  type FullMailbox,
  findAddress,
  formatFull,
  parseAddressList,
  parseMailbox,
  rewrite,
} from '@postcote/aliases';
import type { AddressPlace, CleanupSettings, Masquerade } from './settings.ts';

/** Rounds of one address through one list of tables. */
const MAX_ROUNDS = 10;

export interface MapContext {
  readonly settings: Pick<CleanupSettings, 'rules' | 'ports' | 'canonical' | 'masquerade'>;
  warn(text: string): void;
}

/** Whether anything is mapped in this place. */
export function hasMappings(settings: MapContext['settings'], place: AddressPlace): boolean {
  return (
    settings.canonical.some(({ classes }) => classes.has(place)) ||
    settings.masquerade?.classes.has(place) === true
  );
}

/** The address after the canonical tables and masquerading that count in this place. */
export async function mapAddress(address: string, place: AddressPlace, context: MapContext): Promise<string> {
  const { canonical, masquerade } = context.settings;
  let current = address;
  for (const map of canonical) {
    if (map.classes.has(place)) current = await mapOnceOrMore(current, map.tables, { map, context });
  }
  if (masquerade?.classes.has(place) === true) current = await masqueradeAddress(current, masquerade);
  return current;
}

async function mapOnceOrMore(
  address: string,
  tables: readonly AddressTable[],
  { map, context }: { readonly map: { readonly title: string }; readonly context: MapContext },
): Promise<string> {
  let current = address;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const mapped = await lookUp(current, tables, { map, context });
    if (mapped === undefined) return current;
    const toItself = mapped.toLowerCase() === current.toLowerCase();
    current = mapped;
    if (toItself) return current;
  }
  context.warn(
    `unreasonable ${map.title} map nesting for ${current} -- message not accepted, try again later`,
  );
  return current;
}

/** POSTFIX: mail_addr_map(3), of several addresses the first. */
async function lookUp(
  address: string,
  tables: readonly AddressTable[],
  { map, context }: { readonly map: { readonly title: string }; readonly context: MapContext },
): Promise<string | undefined> {
  const { rules, ports } = context.settings;
  const parsed = parseMailbox(address);
  const mailbox: FullMailbox = { local: parsed.local, domain: parsed.domain ?? '' };
  const hit = await findAddress(mailbox, tables, { rules, ports });
  if (hit === undefined) return undefined;
  const [first, ...others] = parseAddressList(hit.value);
  if (first === undefined) return undefined;
  if (others.length > 0) context.warn(`multi-valued ${map.title} entry for ${address}`);
  // `@domain` keeps the local part.
  const named = first.local === '' && first.domain !== undefined ? { ...first, local: mailbox.local } : first;
  const full = rewrite(named, rules);
  const extension = rules.propagateUnmatchedExtensions.has('canonical') ? (hit.unmatched ?? '') : '';
  return formatFull({ local: full.local + extension, domain: full.domain });
}

async function masqueradeAddress(address: string, masquerade: Masquerade): Promise<string> {
  const at = address.lastIndexOf('@');
  if (at === -1) return address;
  const local = address.slice(0, at);
  if (await masquerade.isException(local)) return address;
  const domain = address.slice(at + 1).toLowerCase();
  for (const entry of masquerade.domains) {
    const name = entry.replace(/^!+/, '').toLowerCase();
    if (name === '') continue;
    if (domain === name) return address;
    if (!domain.endsWith(`.${name}`)) continue;
    const isExempt = (entry.length - name.length) % 2 === 1;
    return isExempt ? address : `${local}@${name}`;
  }
  return address;
}
