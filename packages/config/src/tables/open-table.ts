// `type:name` → a table that answers. Files come from a port that shares one reading of a file between all who name
// it and keeps it fresh. Failures are problems with the line that names the table and what to do about it.

import { notice, refuse, type Origin, type Problem } from '../origin.ts';
import { findInCidr, parseCidrText } from './cidr-table.ts';
import {
  makeTable,
  TableError,
  whenReady,
  type LookupTable,
  type MaybePromise,
  type TableEntry,
} from './lookup-table.ts';
import { findInPatterns, parsePcreText, parseRegexpText } from './pattern-table.ts';
import { parseTableSpec, type TableSpec } from './table-spec.ts';
import { foldKey, parseAliasText, parsePostmapText, type ParseTable } from './text-map.ts';

/** A file's content as last read well. */
export interface LiveFile<Content> {
  /** Throws `TableError` when the file has never been readable. */
  current(): Content;
}

export type OpenFile<Content> =
  | { readonly kind: 'open'; readonly file: LiveFile<Content>; readonly problems: readonly Problem[] }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly reason: string };

export interface TablePorts {
  /** `format` and `path` together name the reading: the same pair yields the same file. */
  openFile<Content>(path: string, format: string, parse: ParseTable<Content>): OpenFile<Content>;
  /** A line of passwd(5) or group(5); undefined for an unknown name. */
  account(database: 'passwd' | 'group', name: string): MaybePromise<string | undefined>;
  environment(name: string): string | undefined;
}

export interface OpenRequest {
  readonly spec: string;
  /** The parameter that names it, for the messages. */
  readonly parameter: string;
  readonly origin: Origin;
  /** `alias_maps` and their kind are in aliases(5) format. */
  readonly isAliasFormat: boolean;
  /** A default nobody wrote: a missing file is an empty table. */
  readonly isDefault: boolean;
}

export interface OpenedTable {
  readonly table: LookupTable;
  readonly problems: readonly Problem[];
}

const MAX_NESTING = 10;

export function openTable(request: OpenRequest, ports: TablePorts): OpenedTable {
  return openNested(request, ports, 0);
}

function openNested(request: OpenRequest, ports: TablePorts, depth: number): OpenedTable {
  const spec = depth > MAX_NESTING ? 'the table is nested too deeply' : parseTableSpec(request.spec);
  if (typeof spec === 'string') return cannotOpen(request, spec);
  const { spec: describe } = request;
  switch (spec.kind) {
    case 'file':
      return openFileTable(request, spec, ports);
    case 'inline':
      return opened(inlineTable(describe, spec.entries));
    case 'static': {
      const entry = { value: spec.value };
      return opened(makeTable(describe, (_key, scope) => (scope === 'full' ? entry : undefined)));
    }
    case 'accounts':
      return opened(
        makeTable(describe, (key) => whenReady(ports.account(spec.database, key), (line) => asEntry(line))),
      );
    case 'environment':
      return opened(makeTable(describe, (key) => asEntry(ports.environment(key))));
    case 'fail':
      return opened(failingTable(describe, `${describe} always fails`));
    default:
      return openMembers(request, spec, { ports, depth });
  }
}

function opened(table: LookupTable): OpenedTable {
  return { table, problems: [] };
}

function asEntry(value: string | undefined): TableEntry | undefined {
  return value === undefined ? undefined : { value };
}

function failingTable(describe: string, reason: string): LookupTable {
  return makeTable(describe, () => {
    throw new TableError(reason);
  });
}

function cannotOpen(request: OpenRequest, message: string): OpenedTable {
  const problem = refuse(request.origin, { name: request.parameter, value: request.spec, message });
  return { table: failingTable(request.spec, `${request.spec}: ${message}`), problems: [problem] };
}

function inlineTable(describe: string, entries: readonly (readonly [string, string])[]): LookupTable {
  const map = new Map(entries.map(([key, value]) => [foldKey(key), { value }]));
  return makeTable(describe, (key) => map.get(foldKey(key)));
}

function openFileTable(
  request: OpenRequest,
  spec: TableSpec & { readonly kind: 'file' },
  ports: TablePorts,
): OpenedTable {
  const { spec: describe } = request;
  const { path } = spec;
  switch (spec.format) {
    case 'cidr':
      return finish(request, path, ports.openFile(path, 'cidr', parseCidrText), (file) =>
        makeTable(describe, (key, scope) =>
          scope === 'full' ? findInCidr(file.current(), path, key) : undefined,
        ),
      );
    case 'regexp':
    case 'pcre': {
      const parse = spec.format === 'pcre' ? parsePcreText : parseRegexpText;
      return finish(request, path, ports.openFile(path, spec.format, parse), (file) =>
        makeTable(describe, (key, scope) =>
          scope === 'full' ? findInPatterns(file.current(), path, key) : undefined,
        ),
      );
    }
    default: {
      const read = request.isAliasFormat
        ? ports.openFile(path, 'aliases', parseAliasText)
        : ports.openFile(path, 'text', parsePostmapText);
      return finish(request, path, read, (file) =>
        makeTable(describe, (key) => file.current().get(foldKey(key))),
      );
    }
  }
}

function finish<Content>(
  request: OpenRequest,
  path: string,
  read: OpenFile<Content>,
  build: (file: LiveFile<Content>) => LookupTable,
): OpenedTable {
  if (read.kind === 'open') return { table: build(read.file), problems: read.problems };
  if (read.kind === 'missing' && request.isDefault) {
    const message = `${path} does not exist; it counts as empty`;
    const problem = notice(request.origin, { name: request.parameter, value: request.spec, message });
    return { table: makeTable(request.spec, () => undefined), problems: [problem] };
  }
  if (read.kind === 'missing') {
    const source = 'the text source is read, a .db beside it is not';
    return cannotOpen(
      request,
      `${path} does not exist (${source}); create it, empty if need be, or remove this table`,
    );
  }
  return cannotOpen(request, `${path} cannot be read: ${read.reason}`);
}

function openMembers(
  request: OpenRequest,
  spec: TableSpec & { readonly kind: 'union' | 'pipe' },
  { ports, depth }: { readonly ports: TablePorts; readonly depth: number },
): OpenedTable {
  const members = spec.members.map((member) => openNested({ ...request, spec: member }, ports, depth + 1));
  const tables = members.map(({ table }) => table);
  const problems = members.flatMap((member) => member.problems);
  const find = spec.kind === 'union' ? findInUnion : findInPipe;
  return {
    table: makeTable(request.spec, (key, scope) => (scope === 'full' ? find(tables, key) : undefined)),
    problems,
  };
}

/** All answers, joined by commas. */
function findInUnion(tables: readonly LookupTable[], key: string): MaybePromise<TableEntry | undefined> {
  const collect = (index: number, values: readonly string[]): MaybePromise<TableEntry | undefined> => {
    const table = tables[index];
    if (table === undefined) return values.length === 0 ? undefined : { value: values.join(',') };
    return whenReady(table.lookup(key), (value) =>
      collect(index + 1, value === undefined ? values : [...values, value]),
    );
  };
  return collect(0, []);
}

/** Each answer is the next table's key; the last is the result. */
function findInPipe(tables: readonly LookupTable[], key: string): MaybePromise<TableEntry | undefined> {
  const pass = (index: number, value: string): MaybePromise<TableEntry | undefined> => {
    const table = tables[index];
    if (table === undefined) return { value };
    return whenReady(table.lookup(value), (next) => (next === undefined ? undefined : pass(index + 1, next)));
  };
  return pass(0, key);
}
