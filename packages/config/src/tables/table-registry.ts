// The tables and match lists that settings name, each opened once however many listeners name it. What went wrong
// while opening is kept in `problems`; a table that could not be opened answers with `TableError`.

import type { Origin, Problem } from '../origin.ts';
import type { PostfixSettings } from '../postfix/postfix-settings.ts';
import type { System } from '../system.ts';
import { makeSearchList, type LookupTable } from './lookup-table.ts';
import { compileMatchList, type MatchList, type NameMatching } from './match-list.ts';
import { openTable, type TablePorts } from './open-table.ts';
import { parseTableSpec } from './table-spec.ts';

export interface TableContext {
  readonly parameter: string;
  readonly origin: Origin;
  readonly isDefault?: boolean;
  /** Whatever main.cf says of the file. */
  readonly isAliasFormat?: boolean;
}

/** Lists whose names Postfix compares whole; the others know parent domains. */
const EXACT_LISTS: ReadonlySet<string> = new Set([
  'mydestination',
  'virtual_alias_domains',
  'virtual_mailbox_domains',
]);

export class TableRegistry {
  readonly #ports: TablePorts;
  readonly #system: System;
  /** Files in aliases(5) format: whoever names them, they were made by postalias. */
  readonly #aliasPaths: ReadonlySet<string>;
  readonly #tables = new Map<string, LookupTable>();
  readonly #lists = new Map<string, MatchList>();
  readonly #problems = new Map<string, Problem>();

  constructor(ports: TablePorts, system: System, settings: PostfixSettings) {
    this.#ports = ports;
    this.#system = system;
    this.#aliasPaths = aliasPaths(settings);
  }

  get problems(): readonly Problem[] {
    return [...this.#problems.values()];
  }

  /** `virtual_alias_maps` and its kind: the tables of the list, asked in order. */
  parameter(settings: PostfixSettings, name: string): LookupTable {
    const isDefault = !settings.isSet(name);
    const tables = settings
      .list(name)
      .map((spec) =>
        this.open(spec, { parameter: name, origin: settings.originOfWord(name, spec), isDefault }),
      );
    return makeSearchList(tables);
  }

  /** One table, as an argument of `check_…_access` names it. */
  open(spec: string, context: TableContext): LookupTable {
    const remembered = this.#tables.get(spec);
    if (remembered !== undefined) return remembered;
    const request = { spec, isAliasFormat: this.#isAliasFile(spec), isDefault: false, ...context };
    const { table, problems } = openTable(request, this.#ports);
    for (const problem of problems) this.#keep(problem);
    this.#tables.set(spec, table);
    return table;
  }

  /** `mynetworks`, `mydestination`, `relay_domains`, … */
  matchList(settings: PostfixSettings, name: string): MatchList {
    const items = settings.list(name);
    const names = nameMatching(settings, name);
    const key = `${name} ${names} ${items.join(' ')}`;
    const remembered = this.#lists.get(key);
    if (remembered !== undefined) return remembered;
    const isDefault = !settings.isSet(name);
    const { list, problems } = compileMatchList({
      parameter: name,
      items,
      originOf: (item) => settings.originOfWord(name, item),
      names,
      system: this.#system,
      openTable: (spec, origin) => ({
        table: this.open(spec, { parameter: name, origin, isDefault }),
        problems: [],
      }),
    });
    for (const problem of problems) this.#keep(problem);
    this.#lists.set(key, list);
    return list;
  }

  #isAliasFile(spec: string): boolean {
    const parsed = parseTableSpec(spec);
    return typeof parsed !== 'string' && parsed.kind === 'file' && this.#aliasPaths.has(parsed.path);
  }

  #keep(problem: Problem): void {
    this.#problems.set(`${problem.file}:${problem.line}:${problem.name}:${problem.message}`, problem);
  }
}

function nameMatching(settings: PostfixSettings, name: string): NameMatching {
  if (EXACT_LISTS.has(name)) return 'exact';
  return settings.list('parent_domain_matches_subdomains').includes(name) ? 'subdomains' : 'dotted';
}

function aliasPaths(settings: PostfixSettings): Set<string> {
  const paths = new Set<string>();
  for (const name of ['alias_maps', 'alias_database']) {
    for (const spec of settings.list(name)) {
      const parsed = parseTableSpec(spec);
      if (typeof parsed !== 'string' && parsed.kind === 'file') paths.add(parsed.path);
    }
  }
  return paths;
}
