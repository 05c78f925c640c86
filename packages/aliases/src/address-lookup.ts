// Finding an address in tables. POSTFIX: mail_addr_find(3): the whole address, then without its extension, then
// the local part where the domain is ours, then the domain alone; each form is asked of every table in turn.

import { splitExtension } from './delimiter.ts';
import { formatLocalPart, type FullMailbox } from './mailbox-address.ts';
import type { AddressRules, AddressTable, Origin, OwnDomains } from './ports.ts';
import { isLocalDomain } from './rewrite.ts';

export interface TableHit {
  readonly table: string;
  readonly key: string;
  readonly value: string;
  readonly origin?: Origin;
  /** The extension that the key did not cover, with its delimiter. */
  readonly unmatched?: string;
}

interface Form {
  readonly key: string;
  readonly whole: boolean;
  readonly unmatched?: string;
}

/** The keys to ask for, in order. */
export function lookupForms(mailbox: FullMailbox, rules: AddressRules, ports: OwnDomains): Form[] {
  // POSTFIX: keys are external addresses; where that takes quotes, the bare spelling is tried as well.
  const quoted = formsOf(mailbox, rules, { ports, spell: formatLocalPart });
  if (formatLocalPart(mailbox.local) === mailbox.local) return quoted;
  return [...quoted, ...formsOf(mailbox, rules, { ports, spell: (local) => local })];
}

function formsOf(
  mailbox: FullMailbox,
  rules: AddressRules,
  how: { readonly ports: OwnDomains; readonly spell: (local: string) => string },
): Form[] {
  const { local, domain } = mailbox;
  const { ports, spell } = how;
  const split = splitExtension(local, rules);
  const at = domain === '' ? '' : `@${domain}`;
  const forms: Form[] = [{ key: `${spell(local)}${at}`, whole: true }];
  if (split !== undefined) {
    forms.push({ key: `${spell(split.user)}${at}`, whole: false, unmatched: split.extension });
  }
  if (domain === '') return forms;
  if (domain.toLowerCase() === rules.myorigin.toLowerCase() || isLocalDomain(domain, ports)) {
    forms.push({ key: spell(local), whole: false });
    if (split !== undefined) {
      forms.push({ key: spell(split.user), whole: false, unmatched: split.extension });
    }
  }
  // A domain's entry leaves the extension where it is: it covers every local part.
  forms.push({ key: at, whole: false });
  return forms;
}

/** The first entry for an address. Throws what a table throws. */
export async function findAddress(
  mailbox: FullMailbox,
  tables: readonly AddressTable[],
  context: { readonly rules: AddressRules; readonly ports: OwnDomains },
): Promise<TableHit | undefined> {
  if (tables.length === 0) return undefined;
  for (const form of lookupForms(mailbox, context.rules, context.ports)) {
    for (const table of tables) {
      const pending = table.find(form.key, form.whole ? 'full' : 'partial');
      const answer = pending instanceof Promise ? await pending : pending;
      if (answer === undefined) continue;
      return {
        table: table.describe,
        key: form.key,
        value: answer.value,
        ...(answer.origin === undefined ? {} : { origin: answer.origin }),
        ...(form.unmatched === undefined ? {} : { unmatched: form.unmatched }),
      };
    }
  }
  return undefined;
}
