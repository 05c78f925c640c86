// `virtual_alias_maps`: one address becomes the addresses it stands for, again and again until nothing matches.
//
// POSTFIX: cleanup_map1n(3) and its limits. An entry may name its own address, which then stays as it is; a loop
// of two runs into the recursion limit. Whatever exceeds a limit is a temporary failure of the whole recipient
// (451 4.6.0 after DATA), for the table is wrong, not the sender.

import { findAddress, type TableHit } from './address-lookup.ts';
import { parseAddressList } from './address-list.ts';
import { foldAddress, type FullMailbox } from './mailbox-address.ts';
import type { AddressPorts, AddressRules, AddressTable } from './ports.ts';
import { formatFull, rewrite } from './rewrite.ts';
import type { StepLog } from './steps.ts';

export interface ExpansionContext {
  readonly rules: AddressRules;
  readonly ports: AddressPorts;
  readonly log: StepLog;
  /** Look-ups left for the whole expansion. */
  readonly budget: { left: number };
}

/** Look-ups one recipient may cost. POSTFIX: knows only its two limits, whose product is a million. */
export const MAX_LOOKUPS = 20_000;

export interface ExpansionProblem {
  readonly kind: 'loop' | 'limit' | 'unavailable';
  /** Enhanced status code of the temporary failure. */
  readonly status: '4.6.0' | '4.3.0';
  /** For the log. */
  readonly reason: string;
}

export type VirtualExpansion =
  | { readonly kind: 'addresses'; readonly addresses: readonly FullMailbox[] }
  | { readonly kind: 'problem'; readonly problem: ExpansionProblem };

/** The final addresses, in order and each once. Throws what a table throws. */
export async function expandVirtual(
  start: FullMailbox,
  context: ExpansionContext,
): Promise<VirtualExpansion> {
  const { rules } = context;
  const tables = context.ports.virtualAliasMaps;
  if (tables.length === 0) return { kind: 'addresses', addresses: [start] };
  const list: FullMailbox[] = [start];
  /** Addresses whose entry names themselves: they are final. */
  const settled = new Set<string>();
  for (let at = 0; at < list.length; at++) {
    for (let depth = 0; ; depth++) {
      const current = list[at] ?? start;
      const name = foldAddress(formatFull(current));
      if (settled.has(name)) break;
      if (depth >= rules.virtualAliasRecursionLimit) {
        return tooMuch('loop', start, `${name} still matches after ${depth} look-ups`);
      }
      if (context.budget.left-- <= 0) return tooMuch('limit', start, `more than ${MAX_LOOKUPS} look-ups`);
      const found = await mapAddress(current, tables, context);
      if (found === undefined) break;
      for (const [index, address] of found.addresses.entries()) {
        const text = formatFull(address);
        if (text.length > rules.virtualAliasAddressLengthLimit) {
          return tooMuch('limit', start, `an address of ${text.length} characters`);
        }
        if (index === 0) list[at] = address;
        else list.push(address);
        if (foldAddress(text) === name) settled.add(name);
      }
      // POSTFIX: looks only when it comes to the next address, and then refuses just the same.
      if (list.length > rules.virtualAliasExpansionLimit) {
        return tooMuch('limit', start, `more than ${rules.virtualAliasExpansionLimit} addresses`);
      }
    }
  }
  return { kind: 'addresses', addresses: unique(list) };
}

interface Mapped {
  readonly hit: TableHit;
  readonly addresses: readonly FullMailbox[];
}

/** POSTFIX: mail_addr_map(3). An entry that holds no address at all matches nothing. */
async function mapAddress(
  address: FullMailbox,
  tables: readonly AddressTable[],
  context: ExpansionContext,
): Promise<Mapped | undefined> {
  const hit = await findAddress(address, tables, context);
  if (hit === undefined) return undefined;
  const addresses = readValue(hit, address, context.rules);
  context.log.add({
    stage: 'virtual',
    address: formatFull(address),
    table: hit.table,
    key: hit.key,
    ...(hit.origin === undefined ? {} : { origin: hit.origin }),
    result: addresses.map(formatFull).join(', ') || 'no address',
  });
  return addresses.length === 0 ? undefined : { hit, addresses };
}

function readValue(hit: TableHit, address: FullMailbox, rules: AddressRules): FullMailbox[] {
  const spread = rules.propagateUnmatchedExtensions.has('virtual');
  const extension = spread ? (hit.unmatched ?? '') : '';
  // `@domain` on the right keeps the local part; POSTFIX: the first address of several only.
  const [first, ...rest] = parseAddressList(hit.value);
  if (first === undefined) return [];
  const head = first.local === '' && first.domain !== undefined ? { ...first, local: address.local } : first;
  return [head, ...rest].map((listed) => {
    const full = rewrite(listed, rules);
    return extension === '' ? full : { local: full.local + extension, domain: full.domain };
  });
}

function tooMuch(kind: 'loop' | 'limit', start: FullMailbox, why: string): VirtualExpansion {
  const reason = `virtual_alias_maps expansion of ${formatFull(start)}: ${why}`;
  return { kind: 'problem', problem: { kind, status: '4.6.0', reason } };
}

function unique(addresses: readonly FullMailbox[]): FullMailbox[] {
  const seen = new Set<string>();
  return addresses.filter((address) => {
    const name = foldAddress(formatFull(address));
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
