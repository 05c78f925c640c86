// postmap(1), postalias(1), newaliases(1). The server reads the text files themselves, so there is nothing to build:
// these look at the text, say what is wrong with it, and answer questions from it.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  type ParsedTable,
  type TextMap,
  formatProblem,
  parseAliasText,
  parsePostmapText,
  parseTableSpec,
} from '@postcote/config';
import {
  type CommandContext,
  Fatal,
  checkConfigDirectory,
  defaultConfigDirectory,
  print,
  warn,
} from './context.ts';
import { getopt } from './getopt.ts';
import { load, readSettings } from './settings.ts';

interface Kind {
  readonly isAlias: boolean;
  readonly separator: string;
}

const MAP: Kind = { isAlias: false, separator: '\t' };
const ALIAS: Kind = { isAlias: true, separator: ':\t' };

const USAGE = '[-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...';

export const postmap = (args: readonly string[], context: CommandContext): Promise<number> =>
  run(args, context, MAP);
export const postalias = (args: readonly string[], context: CommandContext): Promise<number> =>
  run(args, context, ALIAS);

/** All of alias_database. */
export async function newaliases(args: readonly string[], context: CommandContext): Promise<number> {
  const { options } = getopt(args, 'C:v');
  const config = options.find(([letter]) => letter === 'C')?.[1] ?? defaultConfigDirectory();
  for (const spec of readSettings(config).list('alias_database')) check(spec, ALIAS, context);
  return 0;
}

async function run(args: readonly string[], context: CommandContext, kind: Kind): Promise<number> {
  const { options, rest, complaints } = getopt(args, 'bc:d:fFhimnNopq:rsuUvw');
  for (const complaint of complaints) process.stderr.write(`${context.program}: ${complaint}\n`);
  const value = (letter: string): string | undefined => options.find(([one]) => one === letter)?.[1];
  const has = (letter: string): boolean => value(letter) !== undefined;
  if (complaints.length > 0 || rest.length === 0) throw new Fatal(`usage: ${context.program} ${USAGE}`);
  const config = checkConfigDirectory(value('c') ?? defaultConfigDirectory());
  if (has('d') || has('i'))
    throw new Fatal('entries are added and removed in the text file itself, which is what the server reads');
  const specs = rest.map((spec) => withType(spec, config));
  const key = value('q');
  if (key !== undefined) return await query(specs, key, { config, kind });
  if (has('s')) {
    for (const spec of specs) for (const line of dump(spec, kind, context)) print(line);
    return 0;
  }
  for (const spec of specs) check(spec, kind, context);
  if (process.stderr.isTTY)
    process.stderr.write(`${context.program}: the text is read as it is: nothing to build\n`);
  return 0;
}

/** POSTFIX: without a type, default_database_type. */
function withType(spec: string, config: string): string {
  const colon = spec.indexOf(':');
  const type = colon === -1 ? defaultType(config) : spec.slice(0, colon);
  const name = colon === -1 ? spec : spec.slice(colon + 1);
  const isFile = /^(hash|btree|lmdb|cdb|dbm|sdbm|texthash|regexp|pcre|cidr)$/.test(type);
  return `${type}:${isFile ? resolve(name) : name}`;
}

function defaultType(config: string): string {
  try {
    return readSettings(config).string('default_database_type');
  } catch {
    return 'hash';
  }
}

async function query(
  specs: readonly string[],
  key: string,
  where: { readonly config: string; readonly kind: Kind },
): Promise<number> {
  const { tables } = load(where.config);
  const origin = { file: 'command line', line: 0 };
  let found = 0;
  const keys = key === '-' ? readFileSync(0, 'utf8').split('\n').filter(Boolean) : [key];
  for (const one of keys) {
    for (const spec of specs) {
      const complaint = parseTableSpec(spec);
      if (typeof complaint === 'string') throw new Fatal(complaint);
      const table = tables.open(spec, { parameter: 'postmap', origin, isAliasFormat: where.kind.isAlias });
      let value: string | undefined;
      try {
        value = await table.lookup(one);
      } catch (error) {
        throw new Fatal(error instanceof Error ? error.message : String(error));
      }
      if (value === undefined) continue;
      found++;
      print(key === '-' ? `${one}${where.kind.separator}${value}\n` : `${value}\n`);
      break;
    }
  }
  return found > 0 ? 0 : 1;
}

function check(spec: string, kind: Kind, context: CommandContext): void {
  const { errors, warnings } = parse(spec, kind);
  for (const problem of [...errors, ...warnings]) warn(context, formatProblem(problem));
}

function* dump(spec: string, kind: Kind, context: CommandContext): Generator<string> {
  const { content, errors } = parse(spec, kind);
  for (const problem of errors) warn(context, formatProblem(problem));
  for (const [key, value] of content.entries()) {
    const shown = kind.isAlias || !/\s/.test(key) || key.startsWith('"') ? key : `"${key}"`;
    yield `${shown}${kind.separator}${value}\n`;
  }
}

function parse(spec: string, kind: Kind): ParsedTable<TextMap> {
  const table = parseTableSpec(spec);
  if (typeof table === 'string') throw new Fatal(table);
  if (table.kind !== 'file' || table.format !== 'text')
    throw new Fatal(`${spec}: this kind of table is neither built nor listed`);
  let text: string;
  try {
    text = readFileSync(table.path, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Fatal(
      `open ${table.path}: ${missing ? 'No such file or directory' : (error as Error).message}`,
    );
  }
  return (kind.isAlias ? parseAliasText : parsePostmapText)(table.path, text);
}
