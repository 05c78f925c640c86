// A lookup table as everybody else sees it, whatever it is made of.

import type { Origin } from '../origin.ts';

export type MaybePromise<Value> = Value | Promise<Value>;

export interface TableEntry {
  readonly value: string;
  /** The line of the table that answered. */
  readonly origin?: Origin;
}

/**
 * `full`: the whole key. `partial`: a piece of it (`user`, `@domain`, a parent domain), which Postfix asks of fixed
 * tables only, never of patterns or `static:`.
 */
export type LookupScope = 'full' | 'partial';

export interface LookupTable {
  /** `hash:/etc/postfix/virtual`, or several joined by commas. */
  readonly describe: string;
  /** Throws (or rejects with) `TableError` when the table cannot answer: a temporary failure for the asker. */
  find(key: string, scope?: LookupScope): MaybePromise<TableEntry | undefined>;
  lookup(key: string, scope?: LookupScope): MaybePromise<string | undefined>;
}

/** The table cannot be asked now: 451 to a client, a deferral for a message. */
export class TableError extends Error {
  override readonly name = 'TableError';
}

export function isPromise<Value>(value: MaybePromise<Value>): value is Promise<Value> {
  return value instanceof Promise;
}

/** Continues with a value that may still be on its way, without a turn of the loop when it is there. */
export function whenReady<Value, Result>(
  value: MaybePromise<Value>,
  next: (value: Value) => MaybePromise<Result>,
): MaybePromise<Result> {
  return isPromise(value) ? value.then(next) : next(value);
}

export type Find = (key: string, scope: LookupScope) => MaybePromise<TableEntry | undefined>;

export function makeTable(describe: string, find: Find): LookupTable {
  return {
    describe,
    find: (key, scope = 'full') => find(key, scope),
    lookup: (key, scope = 'full') => whenReady(find(key, scope), (entry) => entry?.value),
  };
}

/** `virtual_alias_maps = a, b`: asked in order, the first answer counts. */
export function makeSearchList(tables: readonly LookupTable[]): LookupTable {
  const [only] = tables;
  if (only !== undefined && tables.length === 1) return only;
  const findFrom = (index: number, key: string, scope: LookupScope): MaybePromise<TableEntry | undefined> => {
    const table = tables[index];
    if (table === undefined) return undefined;
    return whenReady(table.find(key, scope), (entry) => entry ?? findFrom(index + 1, key, scope));
  };
  return makeTable(tables.map(({ describe }) => describe).join(', '), (key, scope) =>
    findFrom(0, key, scope),
  );
}
