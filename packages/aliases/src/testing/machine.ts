// Address rewriting over tables written in the test: no files, no configuration.

import {
  type AddressPorts,
  type AddressRules,
  type AddressTable,
  DEFAULT_ADDRESS_RULES,
  type DomainMatcher,
  NO_DOMAINS,
} from '../ports.ts';

/** A table of fixed strings; an entry's line is its place in the list. */
export function fixedTable(name: string, entries: Readonly<Record<string, string>>): AddressTable {
  const rows = Object.entries(entries).map(([key, value], index) => ({
    key: key.toLowerCase(),
    value,
    index,
  }));
  const byKey = new Map(rows.toReversed().map((row) => [row.key, row]));
  return {
    describe: name,
    find(key) {
      const row = byKey.get(key.toLowerCase());
      return row && { value: row.value, origin: { file: name, line: row.index + 1 } };
    },
  };
}

/** A table of patterns: asked for whole addresses only. */
export function patternTable(name: string, pattern: RegExp, value: string): AddressTable {
  return {
    describe: name,
    find: (key, scope = 'full') => (scope === 'full' && pattern.test(key) ? { value } : undefined),
  };
}

export function failingTable(name: string): AddressTable {
  return {
    describe: name,
    find: () => {
      throw new Error(`${name} cannot be read`);
    },
  };
}

export const domains = (...names: readonly string[]): DomainMatcher => ({
  matches: ({ name }) => name !== undefined && names.includes(name.toLowerCase()),
});

/** `virtual_alias_domains = $virtual_alias_maps`. */
export const domainsOf = (...tables: readonly AddressTable[]): DomainMatcher => ({
  matches: ({ name }) => name !== undefined && tables.some((table) => table.find(name) !== undefined),
});

export interface TestMachine {
  readonly rules?: Partial<AddressRules>;
  readonly ports?: Partial<AddressPorts>;
  readonly virtual?: Readonly<Record<string, string>>;
  readonly aliases?: Readonly<Record<string, string>>;
  readonly users?: readonly string[];
}

/** host.example.org with `recipient_delimiter = +`, final for itself, example.org and localhost. */
export function testMachine(machine: TestMachine = {}): { rules: AddressRules; ports: AddressPorts } {
  const virtual = fixedTable('hash:/etc/postfix/virtual', machine.virtual ?? {});
  const aliases = fixedTable('hash:/etc/aliases', machine.aliases ?? {});
  const users = new Set(machine.users ?? []);
  const passwd: AddressTable = {
    describe: 'proxy:unix:passwd.byname',
    find: (key) => (users.has(key.toLowerCase()) ? { value: key } : undefined),
  };
  return {
    rules: {
      ...DEFAULT_ADDRESS_RULES,
      myorigin: 'example.org',
      mydomain: 'example.org',
      appendDotMydomain: false,
      recipientDelimiter: '+',
      ...machine.rules,
    },
    ports: {
      mydestination: domains('host.example.org', 'example.org', 'localhost'),
      virtualAliasDomains: domainsOf(virtual),
      virtualMailboxDomains: NO_DOMAINS,
      relayDomains: NO_DOMAINS,
      isOwnAddress: (address) => address === '127.0.0.1' || address === '::1',
      virtualAliasMaps: [virtual],
      aliasMaps: [aliases],
      localRecipientMaps: [passwd, aliases],
      hasLocalUser: (name) => users.has(name),
      ...machine.ports,
    },
  };
}
