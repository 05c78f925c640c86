// Changes rows of master.cf's text and leaves everything else, comments above all, as it was. Pure. A changed row is
// written where the old one stood.

import {
  MASTER_FIELDS,
  type MasterRow,
  formatMasterRow,
  matchesRow,
  readMasterEntries,
} from './master-rows.ts';

export type MasterField = (typeof MASTER_FIELDS)[number];

interface Target {
  readonly service: string;
  readonly type: string;
}

export type MasterEdit = Target &
  (
    | { readonly kind: 'row'; readonly row: MasterRow }
    | { readonly kind: 'comment' | 'remove' }
    | { readonly kind: 'field'; readonly field: MasterField; readonly value: string }
    | { readonly kind: 'parameter'; readonly name: string; readonly value: string | undefined }
  );

type Change = 'comment' | 'remove' | MasterRow;

export interface EditedMasterCf {
  readonly text: string;
  /** Edits of rows that are not there; POSTFIX: a whole row is added then, and removing what is not there is no fault. */
  readonly unmatched: readonly MasterEdit[];
}

export function editMasterCf(text: string, edits: readonly MasterEdit[]): EditedMasterCf {
  const entries = readMasterEntries(text);
  const changes = new Map<number, Change>();
  const added: MasterRow[] = [];
  const unmatched: MasterEdit[] = [];
  for (const edit of edits) {
    let found = false;
    for (const [index, { row }] of entries.entries()) {
      const current = changes.get(index) ?? row;
      if (typeof current === 'string' || !matchesRow(current, edit.service, edit.type)) continue;
      found = true;
      changes.set(index, changeOf(current, edit));
    }
    if (found) continue;
    if (edit.kind === 'row') added.push(edit.row);
    else unmatched.push(edit);
  }
  /** By line: what becomes of it. */
  const byLine = new Map<number, Change | 'gone'>();
  for (const [index, change] of changes) {
    for (const [place, line] of (entries[index]?.lines ?? []).entries())
      byLine.set(line, typeof change === 'string' || place === 0 ? change : 'gone');
  }
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const out = lines.flatMap((line, index): string[] => {
    const change = byLine.get(index);
    if (change === undefined) return [`${line}\n`];
    if (change === 'remove' || change === 'gone') return [];
    return [change === 'comment' ? `#${line}\n` : formatMasterRow(change, true)];
  });
  return { text: [...out, ...added.map((row) => formatMasterRow(row, true))].join(''), unmatched };
}

function changeOf(row: MasterRow, edit: MasterEdit): Change {
  switch (edit.kind) {
    case 'row':
      return edit.row;
    case 'comment':
    case 'remove':
      return edit.kind;
    case 'field': {
      const at = MASTER_FIELDS.indexOf(edit.field);
      if (edit.field === 'command') return [...row.slice(0, at), ...edit.value.split(/\s+/)];
      return row.with(at, edit.value);
    }
    case 'parameter':
      return withParameter(row, edit.name, edit.value);
  }
}

/** The row with `-o name=value` in place of another of that name, or at the end; undefined: without any. */
function withParameter(row: MasterRow, name: string, value: string | undefined): MasterRow {
  const out: string[] = row.slice(0, MASTER_FIELDS.length);
  let written = value === undefined;
  for (let at = MASTER_FIELDS.length; at < row.length; at++) {
    const word = row[at] ?? '';
    const isSplit = word === '-o';
    const setting = isSplit ? (row[at + 1] ?? '') : word.startsWith('-o') ? word.slice(2) : undefined;
    if (isSplit) at++;
    if (setting === undefined) {
      out.push(word);
    } else if (setting.replace(/^\{/, '').split('=')[0]?.trim() !== name) {
      out.push('-o', setting);
    } else if (!written) {
      written = true;
      out.push('-o', `${name}=${value}`);
    }
  }
  if (!written) out.push('-o', `${name}=${value}`);
  return out;
}
