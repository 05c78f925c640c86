// `type:name` → what is meant. Known types that are not provided, and unknown ones, are told apart for the message;
// both keep the server from starting, for a table decides who exists and who may send.

import { splitList, stripBraces } from '../postfix/values.ts';

export type TextKind = 'text' | 'regexp' | 'pcre' | 'cidr';

export type TableSpec =
  | { readonly kind: 'file'; readonly format: TextKind; readonly path: string }
  | { readonly kind: 'accounts'; readonly database: 'passwd' | 'group' }
  | { readonly kind: 'inline'; readonly entries: readonly (readonly [key: string, value: string])[] }
  | { readonly kind: 'static'; readonly value: string }
  | { readonly kind: 'union' | 'pipe'; readonly members: readonly string[] }
  | { readonly kind: 'environment' }
  | { readonly kind: 'fail'; readonly name: string };

const FILE_TYPES: ReadonlyMap<string, TextKind> = new Map([
  ['hash', 'text'],
  ['btree', 'text'],
  ['lmdb', 'text'],
  ['cdb', 'text'],
  ['dbm', 'text'],
  ['sdbm', 'text'],
  ['texthash', 'text'],
  ['regexp', 'regexp'],
  ['pcre', 'pcre'],
  ['cidr', 'cidr'],
]);

const NOT_PROVIDED: ReadonlySet<string> = new Set([
  'ldap',
  'memcache',
  'mongodb',
  'mysql',
  'netinfo',
  'nis',
  'nisplus',
  'pgsql',
  'randmap',
  'socketmap',
  'sqlite',
  'tcp',
  'internal',
  'debug',
]);

const DATABASE_SUFFIX = /\.(db|lmdb|cdb|dir|pag)$/;

const USE_A_FILE = 'keep the data in a text file and name it as hash:/path';

/** A string is the complaint. `$` has been expanded. */
export function parseTableSpec(text: string): TableSpec | string {
  const colon = text.indexOf(':');
  if (colon <= 0) return `"${text}" is not a table: "type:name" is expected`;
  const type = text.slice(0, colon).toLowerCase();
  const name = text.slice(colon + 1);
  if (type === 'proxy' || type === 'debug') return parseTableSpec(name);
  if (name === '') return `"${text}" is not a table: "type:name" is expected`;
  const format = FILE_TYPES.get(type);
  if (format !== undefined) return parseFile(type, format, name);
  switch (type) {
    case 'unix':
      return parseAccounts(name);
    case 'inline':
      return parseInline(name);
    case 'static':
      return { kind: 'static', value: stripBraces(name) };
    case 'unionmap':
    case 'pipemap':
      return parseMembers(type === 'unionmap' ? 'union' : 'pipe', name);
    case 'environ':
      return { kind: 'environment' };
    case 'fail':
      return { kind: 'fail', name };
    default:
      break;
  }
  if (NOT_PROVIDED.has(type)) return `tables of type "${type}" are not supported; ${USE_A_FILE}`;
  return `"${type}" is not a type of table; ${USE_A_FILE}`;
}

function parseFile(type: string, format: TextKind, name: string): TableSpec | string {
  if (name.startsWith('{')) return `${type}:{…} is not supported; write the rules into a file`;
  if (!name.startsWith('/')) return `"${name}" should be an absolute path`;
  return { kind: 'file', format, path: name.replace(DATABASE_SUFFIX, '') };
}

function parseAccounts(name: string): TableSpec | string {
  if (name === 'passwd.byname') return { kind: 'accounts', database: 'passwd' };
  if (name === 'group.byname') return { kind: 'accounts', database: 'group' };
  return `"unix:${name}" does not exist; unix:passwd.byname and unix:group.byname do`;
}

function parseInline(name: string): TableSpec | string {
  if (!name.startsWith('{') || !name.endsWith('}'))
    return '"inline:" needs its entries in braces: inline:{key=value}';
  const entries: (readonly [string, string])[] = [];
  for (const item of splitList(stripBraces(name))) {
    const entry = stripBraces(item);
    const equals = entry.indexOf('=');
    if (equals < 1) return `"${item}" in an inline table should be key=value`;
    entries.push([entry.slice(0, equals).trim(), entry.slice(equals + 1).trim()]);
  }
  return entries.length === 0 ? 'an inline table needs at least one entry' : { kind: 'inline', entries };
}

function parseMembers(kind: 'union' | 'pipe', name: string): TableSpec | string {
  if (!name.startsWith('{') || !name.endsWith('}')) return `"${kind}map:" needs its tables in braces`;
  const members = splitList(stripBraces(name));
  return members.length === 0 ? `"${kind}map:" needs at least one table` : { kind, members };
}

/** Whether an item of a list is a table rather than a plain word: `hash:/x`, not `[::1]/128`. */
export function looksLikeTable(item: string): boolean {
  return /^[a-z][a-z0-9]*:/i.test(item) && !/^[0-9a-f]{1,4}:[0-9a-f:.]*(\/\d+)?$/i.test(item);
}
