// postconf(1): the settings shown, and changed in main.cf without losing a comment.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PostfixSettings, parameterNames } from '@postcote/config';
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
import { runMaster } from './postconf-master.ts';
import { defaultSettings, readSettings } from './settings.ts';
import { findUnused } from './unused-parameters.ts';

/** -m: what a table may be made of here; -a, -A: where SASL is from; -l: how files are locked. */
const LISTS: ReadonlyMap<string, string> = new Map([
  [
    'm',
    'btree cdb cidr environ fail hash inline lmdb pcre pipemap proxy regexp static texthash unionmap unix',
  ],
  ['a', 'dovecot'],
  ['A', 'cyrus'],
  ['l', 'flock fcntl dotlock'],
]);

const USAGE = 'usage: postconf [-aAdefFhHlmMnpPxX#] [-c config_dir] [-o name=value] [name...]';
/** POSTFIX: -f folds at words. */
const LINE_LIMIT = 80;

export async function postconf(args: readonly string[], context: CommandContext): Promise<number> {
  const { options, rest, complaints } = getopt(args, 'aAc:defFhHlmMno:pPxX#v');
  for (const complaint of complaints) process.stderr.write(`${context.program}: ${complaint}\n`);
  if (complaints.length > 0) throw new Fatal(USAGE);
  const has = (letter: string): boolean => options.some(([one]) => one === letter);
  const config = checkConfigDirectory(
    options.find(([letter]) => letter === 'c')?.[1] ?? defaultConfigDirectory(),
  );
  const mode = (['M', 'F', 'P'] as const).find(has);
  const list = [...LISTS].find(([letter]) => has(letter))?.[1];
  if (list !== undefined) print(`${list.replaceAll(' ', '\n')}\n`);
  else if (mode !== undefined) runMaster(context, config, { mode, words: rest, has });
  else if (has('e') || has('#') || has('X') || (rest.length > 0 && rest.every((one) => one.includes('='))))
    edit(config, rest, has('#') ? 'comment' : has('X') ? 'remove' : 'set');
  else {
    const overrides = options.filter(([letter]) => letter === 'o').map(([, value]) => value);
    show(context, config, { has, names: rest, overrides });
  }
  return 0;
}

function show(
  context: CommandContext,
  config: string,
  request: {
    readonly has: (letter: string) => boolean;
    readonly names: readonly string[];
    readonly overrides: readonly string[];
  },
): void {
  const { has } = request;
  const settings = has('d') ? defaultSettings(config) : readSettings(config, request.overrides);
  const unused = has('d') ? [] : findUnused(settings, config);
  const hidden = new Set(unused.filter(({ file }) => file === 'main.cf').map(({ name }) => name));
  for (const name of namesToShow(settings, request)) {
    if (request.names.length === 0 && hidden.has(name)) continue;
    const value = settings.raw(name);
    if (value === undefined) {
      warn(context, `${name}: unknown parameter`);
      continue;
    }
    const shown = (has('x') ? expanded(settings, name, value) : value).replace(/\s+/g, ' ').trim();
    if (has('H')) print(`${name}\n`);
    else if (has('h')) print(`${shown}\n`);
    else print(`${fold(`${name} = ${shown}`.trimEnd(), has('f'))}\n`);
  }
  for (const { file, name, value } of unused)
    warn(context, `${join(config, file)}: unused parameter: ${name}=${value}`);
}

function fold(line: string, wanted: boolean): string {
  if (!wanted || line.length < LINE_LIMIT) return line;
  let width = 0;
  return line
    .split(' ')
    .map((word, index) => {
      const breaks = index > 0 && width + 1 + word.length >= LINE_LIMIT;
      width = breaks ? 4 + word.length : width + (index > 0 ? 1 : 0) + word.length;
      return index === 0 ? word : breaks ? `\n    ${word}` : ` ${word}`;
    })
    .join('');
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

function expanded(settings: PostfixSettings, name: string, value: string): string {
  return settings.raw(name) === value ? settings.string(name) : value;
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
  if (edits.length === 0) throw new Fatal('-e requires name=value argument');
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
