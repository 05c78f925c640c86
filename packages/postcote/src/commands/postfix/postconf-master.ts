// postconf -M, -F and -P: master.cf's rows, their fields and their `-o` settings, shown and edited.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseMasterCf } from '@postcote/config';
import { type CommandContext, Fatal, print, warn } from './context.ts';
import { replaceFile } from './edit-main-cf.ts';
import { type MasterEdit, type MasterField, editMasterCf } from './edit-master-cf.ts';
import {
  MASTER_FIELDS,
  type MasterRow,
  fieldOf,
  formatMasterRow,
  matchesRow,
  readMasterRows,
  splitWords,
} from './master-rows.ts';
import { readSettings } from './settings.ts';
import { findUnused } from './unused-parameters.ts';

export interface MasterRequest {
  /** M, F or P. */
  readonly mode: 'M' | 'F' | 'P';
  readonly words: readonly string[];
  readonly has: (letter: string) => boolean;
}

export function runMaster(context: CommandContext, config: string, request: MasterRequest): void {
  const { mode, words, has } = request;
  const forbidden = { M: ['h', 'H'], F: ['#', 'X'], P: ['#'] }[mode].find(has);
  if (forbidden !== undefined) throw new Fatal(`with option -${mode}, do not specify -${forbidden}`);
  const file = join(config, 'master.cf');
  const text = readMaster(file);
  const edits =
    has('e') || has('#') || has('X') || (words.length > 0 && words.every((one) => one.includes('=')));
  if (edits) return edit(context, { file, text, request });
  if (mode === 'M') showRows(context, text, request);
  else if (mode === 'F') showFields(context, text, request);
  else showOverrides(context, { file, text, request });
  for (const { file: where, name, value } of findUnused(readSettings(config), config))
    if (where === 'master.cf') warn(context, `${file}: unused parameter: ${name}=${value}`);
}

function readMaster(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Fatal(`open ${file}: ${missing ? 'No such file or directory' : (error as Error).message}`);
  }
}

const unmatched = (context: CommandContext, request: string): void =>
  warn(context, `unmatched request: "${request}"`);

function showRows(context: CommandContext, text: string, { words, has }: MasterRequest): void {
  const rows = readMasterRows(text);
  const show = (row: MasterRow): void => print(formatMasterRow(row, has('f')));
  if (words.length === 0) rows.forEach(show);
  for (const one of words) {
    const [service = '', type] = one.split(/[/.](?=[a-z*-]*$)/);
    const found = rows.filter((row) => matchesRow(row, service, type));
    if (found.length === 0) unmatched(context, one);
    found.forEach(show);
  }
}

function showFields(context: CommandContext, text: string, { words, has }: MasterRequest): void {
  const rows = readMasterRows(text);
  const show = (row: MasterRow, field: MasterField): void => {
    const name = `${row[0]}/${row[1]}/${field}`;
    const value = fieldOf(row, field);
    print(has('H') ? `${name}\n` : has('h') ? `${value}\n` : `${name} = ${value}\n`);
  };
  const wanted = (words.length === 0 ? ['*'] : words).map((word) => {
    const [service = '', type, fieldName] = word.split('/');
    const fields = fieldName === undefined ? MASTER_FIELDS : [fieldNamed(fieldName)];
    return { word, fields, matches: (row: MasterRow): boolean => matchesRow(row, service, type) };
  });
  // POSTFIX: row by row, whatever the order of the requests.
  for (const row of rows)
    for (const one of wanted) if (one.matches(row)) for (const field of one.fields) show(row, field);
  for (const one of wanted) if (!rows.some(one.matches)) unmatched(context, one.word);
}

function fieldNamed(name: string): MasterField {
  const field = MASTER_FIELDS.find((one) => one === name);
  if (field === undefined) throw new Fatal(`invalid service attribute name: "${name}"`);
  return field;
}

function showOverrides(
  context: CommandContext,
  { file, text, request }: { readonly file: string; readonly text: string; readonly request: MasterRequest },
): void {
  const { words, has } = request;
  const all = parseMasterCf(file, text).services.flatMap((service) =>
    [...service.overrides]
      .map(([name, { value }]) => ({ row: [service.name, service.type], name, value }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
  for (const one of words.length === 0 ? ['*'] : words) {
    const [service = '', type, name] = one.split('/');
    const found = all.filter(
      (setting) =>
        matchesRow(setting.row, service, type) &&
        (name === undefined || name === '*' || name === setting.name),
    );
    if (found.length === 0 && words.length > 0) unmatched(context, one);
    for (const setting of found) {
      const full = `${setting.row.join('/')}/${setting.name}`;
      if (has('H')) print(`${full}\n`);
      else print(has('h') ? `${setting.value}\n` : `${`${full} = ${setting.value}`.trimEnd()}\n`);
    }
  }
}

interface EditCall {
  readonly file: string;
  readonly text: string;
  readonly request: MasterRequest;
}

function edit(context: CommandContext, { file, text, request }: EditCall): void {
  const edits = request.words.map((word): MasterEdit => readEdit(word, request));
  if (edits.length === 0) throw new Fatal('usage: postconf -M|-F|-P -e|-X|-# service/type[/name][=value]…');
  const edited = editMasterCf(text, edits);
  for (const [index, one] of edits.entries()) {
    const isEdit = one.kind === 'field' || (one.kind === 'parameter' && one.value !== undefined);
    if (isEdit && edited.unmatched.includes(one))
      warn(context, `unmatched service_name/type: "${request.words[index]}"`);
  }
  if (edited.text !== text) replaceFile(file, edited.text);
}

function readEdit(word: string, { mode, has }: MasterRequest): MasterEdit {
  const sets = !has('#') && !has('X');
  const equals = word.indexOf('=');
  if (sets && equals === -1) throw new Fatal(`missing '=' after attribute name: "${word}"`);
  const path = (sets ? word.slice(0, equals) : word).trim();
  const value = sets ? word.slice(equals + 1).trim() : '';
  if (/[\r\n]/.test(value)) throw new Fatal(`-${mode}e accepts no multi-line input`);
  const [service = '', type = '', name = '', ...more] = path.split('/');
  const parts = mode === 'M' ? 2 : 3;
  const given = path.split('/').length;
  if (service === '' || type === '' || given !== parts || more.length > 0)
    throw new Fatal(`-${mode} requires service_name/type${parts === 3 ? '/name' : ''}: "${word}"`);
  const target = { service, type };
  if (mode === 'M')
    return sets
      ? { ...target, kind: 'row', row: readRow(word, value) }
      : { ...target, kind: has('#') ? 'comment' : 'remove' };
  if (mode === 'P') {
    if (/\s/.test(value)) throw new Fatal('-Pe does not accept whitespace in parameter value');
    return { ...target, kind: 'parameter', name, value: sets ? value : undefined };
  }
  const field = fieldNamed(name);
  checkField(field, value);
  return { ...target, kind: 'field', field, value };
}

function readRow(word: string, value: string): MasterRow {
  const row = splitWords(value);
  if (row.length < MASTER_FIELDS.length) throw new Fatal(`bad field count: "${word}"`);
  for (const [index, field] of MASTER_FIELDS.entries()) checkField(field, row[index] ?? '');
  return row;
}

/** What master(5) allows in each column. */
const ALLOWED: Readonly<Record<MasterField, RegExp>> = {
  service: /^\S+$/,
  type: /^(?:inet|unix|unix-dgram|fifo|pass)$/,
  private: /^[yn-]$/,
  unprivileged: /^[yn-]$/,
  chroot: /^[yn-]$/,
  wakeup: /^(?:-|\d+\??)$/,
  process_limit: /^(?:-|\d+)$/,
  command: /^\S/,
};

function checkField(field: MasterField, value: string): void {
  if (!ALLOWED[field].test(value)) throw new Fatal(`invalid ${field} field "${value}" in "${value}"`);
}
