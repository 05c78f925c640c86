// The folders of a store as directories: listing, making, removing, renaming, in both layouts. What is open in this
// process is the store's business (`store.ts`); this only knows the disk.

import {
  closeSync,
  lstatSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  type Dirent,
} from 'node:fs';
import { compareNames, INBOX, MailboxError, parentNames, type MailboxName } from '@postcote/mailbox';
import { isReservedComponent } from '../layout.ts';
import type { StoreContext } from './context.ts';
import { createFile, makeDirectory } from './disk.ts';
import { errorCode, isMissing } from './errors.ts';

/** Directories looked at in one listing, and how deep. */
const MAX_DIRECTORIES = 50_000;
const MAX_DEPTH = 100;

export interface FolderNode {
  readonly name: MailboxName;
  readonly selectable: boolean;
  readonly hasChildren: boolean;
}

/** INBOX first, then by name. Names that are not printable ASCII are not modified UTF-7, and left out. */
export function listFolders(context: StoreContext): FolderNode[] {
  const found = context.layout.name === 'fs' ? listTree(context) : listFlat(context);
  found.set(INBOX, true);
  const parents = new Set<MailboxName>();
  for (const name of found.keys()) for (const parent of parentNames(name)) parents.add(parent);
  // Maildir++ has no directory for a parent that is no mailbox.
  for (const parent of parents) if (!found.has(parent)) found.set(parent, false);
  return [...found]
    .map(([name, selectable]) => ({ name, selectable, hasChildren: parents.has(name) }))
    .sort((a, b) => compareNames(a.name, b.name));
}

function listTree(context: StoreContext): Map<MailboxName, boolean> {
  const found = new Map<MailboxName, boolean>();
  const seen = new Set<string>();
  const pending = [{ path: context.root, name: '', depth: 0 }];
  const links: { path: string; name: MailboxName }[] = [];
  for (let at = 0; at < pending.length && at < MAX_DIRECTORIES; at++) {
    const directory = pending[at] as (typeof pending)[number];
    if (!firstSight(directory.path, seen)) continue;
    let selectable = false;
    for (const item of readDirectory(directory.path)) {
      if (item.name === 'cur' && isDirectory(item, directory.path)) selectable = true;
      if (isReservedComponent(item.name) || !isNamePart(item.name) || directory.depth >= MAX_DEPTH) continue;
      // Another spelling of INBOX could never be opened by its name.
      if (directory.depth === 0 && item.name !== INBOX && item.name.toUpperCase() === INBOX) continue;
      const name = directory.depth === 0 ? item.name : `${directory.name}/${item.name}`;
      const path = `${directory.path}/${item.name}`;
      if (item.isSymbolicLink()) links.push({ path, name });
      else if (isDirectory(item, directory.path)) pending.push({ path, name, depth: directory.depth + 1 });
    }
    // DOVECOT: `INBOX/` holds INBOX's children; a `cur` right inside it is nobody's.
    if (directory.name !== '' && directory.name !== INBOX) found.set(directory.name, selectable);
  }
  // A link may stand for a mailbox kept elsewhere, but never for a tree (two links to `.` would make an
  // exponential one), nor for a mailbox that has a name already.
  for (const { path, name } of links) if (isSelectable(path) && firstSight(path, seen)) found.set(name, true);
  return found;
}

function listFlat(context: StoreContext): Map<MailboxName, boolean> {
  const found = new Map<MailboxName, boolean>();
  for (const item of readDirectory(context.root)) {
    if (!item.name.startsWith('.') || !isDirectory(item, context.root)) continue;
    const parts = item.name.slice(1).split('.');
    if (!parts.every((part) => part !== '' && isNamePart(part) && !isReservedComponent(part))) continue;
    const name = parts.join('/');
    if (name.toUpperCase() !== INBOX) found.set(name, exists(`${context.root}/${item.name}/cur`));
  }
  return found;
}

export function isSelectable(path: string): boolean {
  return statSync(`${path}/cur`, { throwIfNoEntry: false })?.isDirectory() === true;
}

export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    // A plain file where a parent should be.
    if (isMissing(error)) return false;
    throw error;
  }
}

export function folderPath(context: StoreContext, name: MailboxName): string {
  const directory = context.layout.directory(name);
  return directory === '' ? context.inbox : `${context.root}/${directory}`;
}

/** Makes the directories of a new folder, parents included. The uidlist is the caller's. */
export function makeFolder(context: StoreContext, name: MailboxName): void {
  const { directory } = context.modes();
  if (context.layout.name === 'fs') {
    for (const parent of parentNames(name)) makeDirectory(`${context.root}/${parent}`, directory);
  }
  const path = folderPath(context, name);
  makeDirectory(path, directory);
  if (context.layout.name === 'maildir++') markFolder(path, context.modes().file);
  // `cur` last: it is what makes a folder of it.
  for (const part of ['tmp', 'new', 'cur']) makeDirectory(`${path}/${part}`, directory);
  forgetListIndex(context);
}

/** Maildir++: an empty file that tells delivery agents that this is a folder, not a root. */
function markFolder(path: string, mode: number): void {
  try {
    closeSync(createFile(`${path}/maildirfolder`, mode));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

/** Removes the messages and files of a folder, and its directory unless it holds children. */
export function removeFolder(context: StoreContext, name: MailboxName): void {
  const path = folderPath(context, name);
  if (lstatSync(path).isSymbolicLink()) {
    unlinkSync(path);
  } else {
    for (const part of ['new', 'cur', 'tmp']) removeDirectory(`${path}/${part}`);
    for (const item of readDirectory(path)) if (!item.isDirectory()) removeFile(`${path}/${item.name}`);
    removeIfEmpty(path);
  }
  forgetListIndex(context);
}

/** One rename with all children under LAYOUT=fs; one for each under Maildir++. */
export function renameFolder(context: StoreContext, from: MailboxName, to: MailboxName): void {
  if (context.layout.name === 'fs') {
    const { directory } = context.modes();
    for (const parent of parentNames(to)) makeDirectory(`${context.root}/${parent}`, directory);
    renameSync(folderPath(context, from), folderPath(context, to));
    for (const parent of parentNames(from).reverse()) {
      if (parent === INBOX || !isSelectable(`${context.root}/${parent}`))
        removeIfEmpty(`${context.root}/${parent}`);
    }
  } else {
    for (const node of listFolders(context)) {
      if (node.name !== from && !node.name.startsWith(`${from}/`)) continue;
      const source = folderPath(context, node.name);
      if (exists(source)) renameSync(source, folderPath(context, to + node.name.slice(from.length)));
    }
  }
  forgetListIndex(context);
}

/** DOVECOT: it never corrects what it has cached of a known directory, so the cache has to go. */
export function forgetListIndex(context: StoreContext): void {
  for (const name of readdirSync(context.root)) {
    if (!name.startsWith('dovecot.list.index')) continue;
    try {
      unlinkSync(`${context.root}/${name}`);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

function removeDirectory(path: string): void {
  for (let attempt = 0; attempt < 5; attempt++) {
    for (const name of namesIn(path)) removeFile(Buffer.concat([Buffer.from(`${path}/`), name]));
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT') return;
      if (code === 'ENOTDIR') return removeFile(path);
      // A delivery came meanwhile.
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  }
  throw new MailboxError('inUse', `${path} keeps filling`);
}

function namesIn(path: string): Buffer[] {
  try {
    return readdirSync(path, 'buffer');
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function removeFile(path: string | Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EISDIR' || code === 'EPERM') {
      // A stray directory among the messages: gone if it is empty, else the folder stays.
      rmdirSync(path);
    } else if (code !== 'ENOENT') throw error;
  }
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errorCode(error))) throw error;
  }
}

function readDirectory(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    const code = errorCode(error);
    if (isMissing(error) || code === 'EACCES' || code === 'ELOOP') return [];
    throw error;
  }
}

function isDirectory(item: Dirent, parent: string): boolean {
  if (item.isDirectory()) return true;
  if (item.isFile()) return false;
  try {
    return statSync(`${parent}/${item.name}`, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false;
  }
}

function firstSight(path: string, seen: Set<string>): boolean {
  let key: string;
  try {
    const stat = statSync(path);
    key = `${stat.dev}:${stat.ino}`;
  } catch {
    return false;
  }
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

function isNamePart(name: string): boolean {
  return /^[\x20-\x7e]+$/.test(name) && !name.startsWith('~');
}
