// Changes settings in main.cf's text and leaves everything else, comments above all, as it was.

import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

export interface MainCfEdit {
  /** POSTFIX: `-e`, `-#`, `-X`. */
  readonly kind: 'set' | 'comment' | 'remove';
  readonly name: string;
  readonly value: string;
}

/** Pure. POSTFIX: every definition of the name is replaced where it stands; a new one comes last. */
export function editMainCf(text: string, edits: readonly MainCfEdit[]): string {
  const wanted = new Map(edits.map((edit) => [edit.name, edit]));
  const found = new Set<string>();
  const lines: string[] = [];
  /** Of the definition whose continuation lines follow. */
  let current: MainCfEdit | undefined;
  const old = text.split('\n');
  if (old.at(-1) === '') old.pop();
  for (const line of old) {
    const isText = line.trim() !== '' && !line.trimStart().startsWith('#');
    if (isText && /^\s/.test(line)) {
      if (current === undefined) lines.push(line);
      else if (current.kind === 'comment') lines.push(`#${line}`);
      continue;
    }
    // Comments and empty lines within a definition do not end it.
    if (!isText) {
      lines.push(line);
      continue;
    }
    const name = line.split('=')[0]?.trim() ?? '';
    current = wanted.get(name);
    if (current === undefined) lines.push(line);
    else if (current.kind === 'set') lines.push(formatDefinition(current));
    else if (current.kind === 'comment') lines.push(`#${line}`);
    if (current !== undefined) found.add(name);
  }
  for (const edit of wanted.values())
    if (edit.kind === 'set' && !found.has(edit.name)) lines.push(formatDefinition(edit));
  return lines.map((line) => `${line}\n`).join('');
}

/** POSTFIX: with the blank after the sign, also where nothing follows. */
const formatDefinition = ({ name, value }: MainCfEdit): string => `${name} = ${value}`;

/** A new file in its place, with the owner and mode of the old one: there is no moment without a whole file. */
export function replaceFile(path: string, text: string): void {
  const real = realpathSync(path);
  const { mode, uid, gid } = statSync(real);
  const draft = `${real}.new-${process.pid}`;
  const descriptor = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(descriptor, text);
    if (process.getuid?.() === 0) fchownSync(descriptor, uid, gid);
    fchmodSync(descriptor, mode & 0o7777);
    fsyncSync(descriptor);
    renameSync(draft, real);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
  const folder = openSync(dirname(real), 'r');
  fsyncSync(folder);
  closeSync(folder);
}
