// The order in which Postfix asks an access table about a name, an address or a mailbox (access(5)), first match
// first. Only the whole key is asked of patterns; pieces of it are asked of fixed tables alone.
//
// A table that cannot answer is a value here: `failed`.

import type { AccessTable } from '../ports.ts';
import { formatMailbox } from '../address.ts';
import type { EnvelopeMailbox } from '../ports.ts';
import { parseIp } from '../networks.ts';

export type Key = readonly [key: string, scope: 'full' | 'partial'];

export type LookupAnswer =
  | { readonly kind: 'found'; readonly value: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly reason: string };

const MISSING: LookupAnswer = { kind: 'missing' };

/** Asks for one key after the other; without a turn of the event loop where the table has its answers at hand. */
export function findFirst(table: AccessTable, keys: readonly Key[]): LookupAnswer | Promise<LookupAnswer> {
  try {
    for (let i = 0; i < keys.length; i++) {
      const [key, scope] = keys[i] ?? ['', 'full'];
      const entry = table.find(key, scope);
      if (entry instanceof Promise) return findLater(table, entry, keys.slice(i + 1));
      if (entry !== undefined) return { kind: 'found', value: entry.value };
    }
    return MISSING;
  } catch (error) {
    return failed(error);
  }
}

async function findLater(
  table: AccessTable,
  first: Promise<{ readonly value: string } | undefined>,
  rest: readonly Key[],
): Promise<LookupAnswer> {
  try {
    const entry = await first;
    return entry === undefined ? await findFirst(table, rest) : { kind: 'found', value: entry.value };
  } catch (error) {
    return failed(error);
  }
}

const failed = (error: unknown): LookupAnswer => ({
  kind: 'failed',
  reason: error instanceof Error ? error.message : String(error),
});

export interface ParentMatching {
  /** `parent_domain_matches_subdomains` names smtpd_access_maps: `example.com`, not `.example.com`. */
  readonly parentsMatch: boolean;
}

/** `a.b.example` → itself, `b.example`, `example` (or `.b.example`, `.example`). */
export function domainKeys(domain: string, { parentsMatch }: ParentMatching, scope: Key[1] = 'full'): Key[] {
  if (domain === '') return [];
  const keys: Key[] = [[domain, scope]];
  // POSTFIX: no subdomain magic for what is an address.
  if (parseIp(domain) !== undefined) return keys;
  for (let dot = domain.indexOf('.', 1); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
    const parent = domain.slice(parentsMatch ? dot + 1 : dot);
    if (parent !== '') keys.push([parent, 'partial']);
  }
  return keys;
}

/** `192.0.2.7` → itself, `192.0.2`, `192.0`, `192`; IPv6 by colons. */
export function addressKeys(address: string): Key[] {
  const delimiter = address.includes(':') ? ':' : '.';
  const keys: Key[] = [[address, 'full']];
  for (let at = address.lastIndexOf(delimiter); at > 0; at = address.lastIndexOf(delimiter, at - 1)) {
    keys.push([address.slice(0, at), 'partial']);
  }
  return keys;
}

export interface MailboxRules extends ParentMatching {
  /** Takes the place of a missing domain. */
  readonly myorigin: string;
  readonly recipientDelimiter: string;
}

/** `user+ext@domain`, `user@domain`, the domain and its parents, `user+ext@`, `user@`. */
export function mailboxAccessKeys(mailbox: EnvelopeMailbox, rules: MailboxRules): Key[] {
  const { local, bare, domain } = partsOf(mailbox, rules);
  return [
    ...written(local, `@${domain}`, 'full'),
    ...(bare === undefined ? [] : written(bare, `@${domain}`, 'partial')),
    ...domainKeys(domain, rules, 'partial'),
    ...written(local, '@', 'partial'),
    ...(bare === undefined ? [] : written(bare, '@', 'partial')),
  ];
}

/** As `virtual_alias_maps` are asked: `user+ext@domain`, `user@domain`, `user` where the domain is ours, `@domain`. */
export function mailboxOwnerKeys(
  mailbox: EnvelopeMailbox,
  rules: MailboxRules & { readonly isLocal: boolean },
): Key[] {
  const { local, bare, domain } = partsOf(mailbox, rules);
  const isLocal = rules.isLocal || domain.toLowerCase() === rules.myorigin.toLowerCase();
  return [
    ...written(local, `@${domain}`, 'full'),
    ...(bare === undefined ? [] : written(bare, `@${domain}`, 'partial')),
    ...(isLocal ? written(local, '', 'partial') : []),
    ...(isLocal && bare !== undefined ? written(bare, '', 'partial') : []),
    [`@${domain}`, 'partial'],
  ];
}

function partsOf(
  mailbox: EnvelopeMailbox,
  { myorigin, recipientDelimiter }: MailboxRules,
): { local: string; bare: string | undefined; domain: string } {
  const { local } = mailbox;
  return { local, bare: withoutExtension(local, recipientDelimiter), domain: mailbox.domain ?? myorigin };
}

/** POSTFIX: a local part as it is written, quoted where it must be, and then as it is meant. */
function written(local: string, rest: string, scope: Key[1]): Key[] {
  const quoted = formatMailbox({ local });
  return quoted === local
    ? [[`${local}${rest}`, scope]]
    : [
        [`${quoted}${rest}`, scope],
        [`${local}${rest}`, scope],
      ];
}

const RESERVED = new Set(['postmaster', 'mailer-daemon', 'double-bounce']);

function withoutExtension(local: string, delimiters: string): string | undefined {
  if (delimiters === '' || RESERVED.has(local.toLowerCase())) return undefined;
  for (let i = 1; i < local.length; i++) {
    if (delimiters.includes(local[i] ?? '')) return local.slice(0, i);
  }
  return undefined;
}
