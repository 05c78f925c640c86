// postconf(1): the settings shown, and changed in main.cf without losing a comment.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PostfixSettings, findParameter, parameterNames, parseMasterCf } from '@postcote/config';
import {
  type CommandContext,
  Fatal,
  checkConfigDirectory,
  defaultConfigDirectory,
  print,
  warn,
} from './context.ts';
import { type MainCfEdit, editMainCf, replaceFile } from './edit-main-cf.ts';
import { getopt } from './getopt.ts';
import { formatMasterRow, readMasterRows } from './master-rows.ts';
import { readSettings } from './settings.ts';

/** What a table may be made of here. */
const TABLE_TYPES =
  'btree cdb cidr environ fail hash inline lmdb pcre pipemap proxy regexp static texthash unionmap unix';

const USAGE = 'usage: postconf [-deFhmMnpPxX#] [-c config_dir] [name...]';

export async function postconf(args: readonly string[], context: CommandContext): Promise<number> {
  const { options, rest, complaints } = getopt(args, 'c:defFhHmMno:pPxX#v');
  for (const complaint of complaints) process.stderr.write(`${context.program}: ${complaint}\n`);
  if (complaints.length > 0) throw new Fatal(USAGE);
  const has = (letter: string): boolean => options.some(([one]) => one === letter);
  const config = checkConfigDirectory(
    options.find(([letter]) => letter === 'c')?.[1] ?? defaultConfigDirectory(),
  );
  if (has('F')) throw new Fatal('-F: single fields of master.cf are not shown; -M shows whole rows');
  if (has('m')) print(`${TABLE_TYPES.replaceAll(' ', '\n')}\n`);
  else if (has('M') && (has('e') || has('#') || has('X')))
    throw new Fatal('master.cf is not edited by this command; open it in an editor');
  else if (has('M')) showMaster(context, config, { wanted: rest, folded: has('f') });
  else if (has('P')) showOverrides(config, rest);
  else if (has('e') || has('#') || has('X') || (rest.length > 0 && rest.every((one) => one.includes('='))))
    edit(config, rest, has('#') ? 'comment' : has('X') ? 'remove' : 'set');
  else show(context, config, { has, names: rest });
  return 0;
}

function show(
  context: CommandContext,
  config: string,
  request: { readonly has: (letter: string) => boolean; readonly names: readonly string[] },
): void {
  const { has } = request;
  const settings = readSettings(config);
  for (const name of namesToShow(settings, request)) {
    const value = has('d') ? defaultOf(settings, name) : settings.raw(name);
    if (value === undefined) {
      warn(context, `${name}: unknown parameter`);
      continue;
    }
    const shown = (has('x') ? expanded(settings, name, value) : value).replace(/\s+/g, ' ').trim();
    if (has('H')) print(`${name}\n`);
    else print(has('h') ? `${shown}\n` : `${`${name} = ${shown}`.trimEnd()}\n`);
  }
}

function namesToShow(
  settings: PostfixSettings,
  { has, names }: { readonly has: (letter: string) => boolean; readonly names: readonly string[] },
): readonly string[] {
  const set = [...settings.main.definitions.keys()];
  // POSTFIX: config_directory shows under -n when it is not the usual one.
  if (names.length === 0 && has('n')) {
    const moved = settings.string('config_directory') === '/etc/postfix' ? [] : ['config_directory'];
    return [...new Set([...set, ...moved])].sort(byCodePoint);
  }
  if (names.length > 0) return has('n') ? names.filter((name) => settings.isSet(name)) : names;
  return [...new Set([...parameterNames(), ...(has('d') ? [] : set)])].sort(byCodePoint);
}

const byCodePoint = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function defaultOf(settings: PostfixSettings, name: string): string | undefined {
  return settings.isSet(name) ? findParameter(name)?.defaultValue : settings.raw(name);
}

function expanded(settings: PostfixSettings, name: string, value: string): string {
  return settings.raw(name) === value ? settings.string(name) : value;
}

function showMaster(
  context: CommandContext,
  config: string,
  { wanted, folded }: { readonly wanted: readonly string[]; readonly folded: boolean },
): void {
  const rows = readMasterRows(readText(join(config, 'master.cf')));
  if (wanted.length === 0) for (const row of rows) print(formatMasterRow(row, folded));
  for (const one of wanted) {
    const [name = '', type] = one.split(/[/.](?=[a-z-]*$)/);
    const found = rows.filter(
      (row) => (name === '*' || row[0] === name) && (type === undefined || row[1] === type),
    );
    if (found.length === 0) warn(context, `unmatched request: "${one}"`);
    for (const row of found) print(formatMasterRow(row, folded));
  }
}

function showOverrides(config: string, wanted: readonly string[]): void {
  const file = join(config, 'master.cf');
  for (const service of parseMasterCf(file, readText(file)).services) {
    const overrides = [...service.overrides].sort(([a], [b]) => byCodePoint(a, b));
    for (const [name, { value }] of overrides) {
      const full = `${service.name}/${service.type}/${name}`;
      if (wanted.length === 0 || wanted.some((one) => full === one || full.startsWith(`${one}/`)))
        print(`${`${full} = ${value}`.trimEnd()}\n`);
    }
  }
}

function edit(config: string, words: readonly string[], kind: MainCfEdit['kind']): void {
  const edits = words.map((word): MainCfEdit => {
    if (kind !== 'set') return { kind, name: word.split('=')[0]?.trim() ?? '', value: '' };
    const equals = word.indexOf('=');
    if (equals === -1) throw new Fatal(`missing '=' after attribute name: "${word}"`);
    const name = word.slice(0, equals).trim();
    const value = word.slice(equals + 1).trim();
    if (!/^[A-Za-z0-9_.-]+$/.test(name)) throw new Fatal(`bad parameter name: "${name}"`);
    // POSTFIX: -e accepts no multi-line input.
    if (/[\r\n]/.test(value)) throw new Fatal(`-e accepts no multi-line input: "${name}"`);
    return { kind, name, value };
  });
  if (edits.length === 0) throw new Fatal(USAGE);
  const file = join(config, 'main.cf');
  replaceFile(file, editMainCf(readText(file), edits));
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Fatal(`open ${file}: ${missing ? 'No such file or directory' : (error as Error).message}`);
  }
}
