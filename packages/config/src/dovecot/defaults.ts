// Defaults and names of Dovecot's settings, read from `parameter-rows.ts`, with what 1.x and 2.4 default otherwise.

import type { DovecotDialect } from './dovecot-settings.ts';
import { dovecotParameterRows } from './parameter-rows.ts';

const rows: ReadonlyMap<string, string> = new Map(
  dovecotParameterRows.map((row) => {
    const space = row.indexOf(' ');
    return space === -1 ? [row, ''] : [row.slice(0, space), row.slice(space + 1)];
  }),
);

const OTHERWISE: Readonly<Record<DovecotDialect, ReadonlyMap<string, string>>> = {
  // DOVECOT: as 2.3 reads such a file.
  '1.x': new Map(),
  '2.3': new Map(),
  '2.4': new Map([
    ['auth_username_format', '%{user | lower}'],
    ['pop3_uidl_format', '%{uidvalidity | hex(8)}%{uid | hex(8)}'],
  ]),
};

export function dovecotDefault(name: string, dialect: DovecotDialect): string | undefined {
  return OTHERWISE[dialect].get(name) ?? rows.get(name);
}

export function isDovecotName(name: string): boolean {
  return rows.has(name);
}

export function dovecotNames(): IterableIterator<string> {
  return rows.keys();
}
