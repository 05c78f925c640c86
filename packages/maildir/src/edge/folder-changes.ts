// Changes of existing messages: flags, expunge, copy, move. A flag change is one rename that carries the letters it
// found, so that another program's change is merged or makes ours fail and try again; a copy is a hard link.

import {
  copyFileSync,
  constants,
  linkSync,
  lstatSync,
  openSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  renameSync,
  unlinkSync,
  utimesSync,
  type Stats,
} from 'node:fs';
import {
  isSystemFlag,
  MailboxError,
  storableFlags,
  type CopyResult,
  type FlagSet,
  type StoreChange,
  type StoreResult,
} from '@postcote/mailbox';
import {
  formatInfo,
  keywordIndex,
  keywordLetter,
  LETTER_OF_FLAG,
  parseSizes,
  SYSTEM_LETTERS,
} from '../file-name.ts';
import { withRecordField } from '../uidlist.ts';
import { pathOf, yieldTurn } from './disk.ts';
import { forgetQuota } from './context.ts';
import { errorCode, toMailboxError } from './errors.ts';
import { isMoved, type MaildirFolder } from './folder.ts';
import { sizeOfFile, type Reservation } from './quota.ts';
import { CUR, MessageEntry, NEW, type Place } from './message-entry.ts';

/** Messages changed between two turns of the event loop. */
const SLICE = 250;
/** How often a file that keeps moving is looked for. */
const MAX_MOVES = 8;

export async function storeFlags(
  folder: MaildirFolder,
  uids: readonly number[],
  change: StoreChange,
  unchangedSince: number | undefined,
): Promise<StoreResult> {
  const wanted = storableFlags(change.flags);
  // A change that seems to be none is not tried on the file: what is known must be fresh.
  await folder.refresh();
  if (change.mode !== 'remove') await defineKeywords(folder, wanted);
  const letters = lettersOf(folder, wanted);
  const modified: number[] = [];
  const expunged: number[] = [];
  await inSlices(folder, uids, (uid) => {
    const index = folder.indexOf(uid);
    const entry = folder.entries.get(index);
    const record = folder.records[index];
    if (!entry || !record) expunged.push(uid);
    else if (unchangedSince !== undefined && record.modseq > unchangedSince) modified.push(uid);
    else if (!changeLetters(folder, entry, change.mode, letters)) expunged.push(uid);
  });
  return { modified, expunged };
}

export async function expungeMessages(folder: MaildirFolder, uids: readonly number[]): Promise<void> {
  const { quota } = folder.context;
  let gone: MessageEntry[] = [];
  let octets = 0;
  const flush = (): void => {
    folder.publishExpunged(gone);
    quota?.changed(folder.name, { octets: -octets, messages: -gone.length });
    gone = [];
    octets = 0;
  };
  await inSlices(
    folder,
    uids,
    (uid) => {
      const entry = folder.entry(uid);
      if (!entry) return;
      const size = quota ? quotaSize(folder, entry) : 0;
      if (!withFile(folder, entry, (path) => unlinkSync(path))) return;
      gone.push(entry);
      octets += size;
    },
    flush,
  );
  if (!folder.context.quota) forgetQuota(folder.context);
  await folder.tidy();
}

/** New \Recent messages: moves them from new/ to cur/ and returns their UIDs. */
export async function claimRecent(folder: MaildirFolder): Promise<readonly number[]> {
  const uids = [...folder.recent].sort((a, b) => a - b);
  await inSlices(folder, uids, (uid) => {
    const entry = folder.entry(uid);
    if (entry?.place === NEW) changeLetters(folder, entry, 'add', '', true);
  });
  // Only what nobody, in this process or another, claimed while this went on.
  return uids.filter((uid) => folder.recent.delete(uid));
}

export interface Transfer {
  readonly mode: 'copy' | 'move';
  readonly uids: readonly number[];
}

interface Made {
  readonly entry: MessageEntry;
  readonly from: MessageEntry;
  /** For taking a move back. */
  readonly oldPlace: Place;
}

export async function transfer(
  source: MaildirFolder,
  target: MaildirFolder,
  what: Transfer,
): Promise<CopyResult> {
  const uids = what.uids.filter((uid) => source.entry(uid));
  if (uids.length === 0) return { uidValidity: target.uidValidity, source: [], target: [] };
  const held = await reserve(source, target, { ...what, uids });
  let made: Made[];
  try {
    made = await transferLocked(source, target, { ...what, uids });
  } catch (error) {
    held?.release();
    throw error;
  }
  // What went away meanwhile was held room for; the next count has it right.
  if (made.length === uids.length) held?.keep();
  else {
    held?.release();
    target.context.quota?.forget();
  }
  if (!target.context.quota) forgetQuota(target.context);
  if (what.mode === 'move') {
    source.publishExpunged(made.map((m) => m.from));
    if (source !== target) await source.tidy();
  }
  return {
    uidValidity: target.uidValidity,
    source: made.map((m) => m.from.uid),
    target: made.map((m) => m.entry.uid),
  };
}

/** Room for what comes in. Nothing where there is no quota. */
async function reserve(
  source: MaildirFolder,
  target: MaildirFolder,
  { mode, uids }: Transfer,
): Promise<Reservation | undefined> {
  const { quota } = target.context;
  if (!quota) return undefined;
  let octets = 0;
  let messages = 0;
  for (const uid of uids) {
    const entry = source.entry(uid);
    if (!entry) continue;
    octets += quotaSize(source, entry);
    messages += 1;
  }
  const more = { octets, messages };
  if (mode === 'move') return await quota.reserveMove(source.name, target.name, more);
  return await quota.reserve(target.name, more);
}

/** As a count of the directory would have it. */
function quotaSize(folder: MaildirFolder, entry: MessageEntry): number {
  const told = parseSizes(entry.base).size;
  if (told !== undefined) return told;
  if (entry.rawSize !== -1) return entry.rawSize;
  return sizeOfFile(folder.directoryOf(entry.place), entry.base + entry.info.text) ?? 0;
}

async function transferLocked(source: MaildirFolder, target: MaildirFolder, what: Transfer): Promise<Made[]> {
  const { uids } = what;
  const keywords = new Set(
    uids.flatMap((uid) => (source.entry(uid)?.info.flags ?? []).filter((f) => !isSystemFlag(f))),
  );
  return await target.locked(async () => {
    target.prepareToAppend();
    await target.keywordFile.define([...keywords], {
      lettersInUse: target.lettersInUse(),
      mode: target.context.modes().file,
      // A copy without a keyword that finds no letter is better than no copy.
      partly: true,
    });
    target.publishChanged();
    return transferFiles(source, target, what);
  });
}

async function transferFiles(source: MaildirFolder, target: MaildirFolder, what: Transfer): Promise<Made[]> {
  const made: Made[] = [];
  const first = target.allocate(what.uids.length);
  const place = what.mode === 'copy' ? copyFile : moveFile;
  try {
    const ends: (() => void)[] = [];
    const work = (uid: number): void => {
      const from = source.entry(uid);
      if (!from) return;
      if (ends.length === 0 && what.mode === 'move' && source !== target) ends.push(source.ownChange());
      const oldPlace = from.place;
      let entry: MessageEntry | undefined;
      const found = withFile(source, from, (path) => {
        const stat = lstatSync(path);
        if (!stat.isFile())
          throw new MailboxError('unavailable', `${source.name} message ${uid} is no regular file`);
        entry = newEntry(target, from, { uid: first + made.length, stat });
        place(path, target.fileOf(entry), stat);
      });
      if (found && entry) made.push({ entry, from, oldPlace });
    };
    await inSlices(target, what.uids, work, () => {
      for (const end of ends.splice(0)) end();
    });
    for (const directory of new Set(made.map((m) => target.directoryOf(m.entry.place)))) {
      await target.context.directories.sync(directory);
    }
    for (const { entry } of made) if (entry.place === CUR) target.recent.add(entry.uid);
    await target.addEntries(made.map((m) => m.entry));
    for (const { entry, from } of made) {
      const encoding = source.parts?.get(from.uid, entry.rawSize);
      if (encoding) target.parts?.put(entry.uid, entry.rawSize, encoding);
    }
    target.context.wantsIndexing(target.name);
  } catch (error) {
    for (const one of made) takeBack(source, target, one, what.mode);
    throw toMailboxError(error, `${what.mode} to ${target.name}`);
  }
  return made;
}

/** What a copy of `from` is in `target`: another name, the same GUID, flags in the target's letters. */
function newEntry(
  target: MaildirFolder,
  from: MessageEntry,
  its: { uid: number; stat: Stats },
): MessageEntry {
  const size = its.stat.size;
  const crlfSize = from.counted ? from.crlfSize : from.hintedSize(size);
  const sizes = `,S=${size}${crlfSize === undefined ? '' : `,W=${crlfSize}`}`;
  const letters = lettersOf(target, from.info.flags);
  const info = target.keywordFile.info(letters === '' ? '' : formatInfo(from.info.info, letters));
  const base = target.context.names.next() + sizes;
  const entry = new MessageEntry(its.uid, withRecordField('', 'G', from.guid), base, info);
  entry.place = letters === '' ? NEW : CUR;
  entry.rawSize = size;
  entry.mtimeMs = its.stat.mtimeMs;
  if (crlfSize !== undefined) entry.crlfSize = crlfSize;
  entry.counted = from.counted;
  return entry;
}

function copyFile(from: string | Buffer, to: string | Buffer, stat: Stats): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!needsBytes(error)) throw error;
    copyBytes(from, to, stat);
  }
}

function moveFile(from: string | Buffer, to: string | Buffer, stat: Stats): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!needsBytes(error)) throw error;
    copyBytes(from, to, stat);
    unlinkSync(from);
  }
}

function needsBytes(error: unknown): boolean {
  return ['EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP'].includes(errorCode(error));
}

/** Another file system: the octets, with their date. */
function copyBytes(from: string | Buffer, to: string | Buffer, stat: Stats): void {
  copyFileSync(from, to, constants.COPYFILE_EXCL);
  utimesSync(to, stat.mtime, stat.mtime);
  const fd = openSync(to, constants.O_RDONLY);
  try {
    fchmodSync(fd, stat.mode & 0o660);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function takeBack(source: MaildirFolder, target: MaildirFolder, made: Made, mode: Transfer['mode']): void {
  target.recent.delete(made.entry.uid);
  try {
    const path = target.fileOf(made.entry);
    if (mode === 'copy') unlinkSync(path);
    else renameSync(path, pathOf(source.directoryOf(made.oldPlace), made.from.base + made.from.info.text));
  } catch {
    // It stays in the target, as another program's delivery would: nothing is lost.
  }
}

/** The letters, in the folder's numbering, of those flags that have one. */
function lettersOf(folder: MaildirFolder, flags: FlagSet): string {
  let letters = '';
  for (const flag of flags) {
    const letter = LETTER_OF_FLAG.get(flag);
    const index = letter === undefined ? folder.keywordFile.find(flag) : -1;
    if (letter !== undefined) letters += letter;
    else if (index !== -1) letters += keywordLetter(index);
  }
  return letters;
}

/** Gives letters to keywords that have none; takes the lock only then. */
async function defineKeywords(folder: MaildirFolder, flags: FlagSet): Promise<void> {
  const missing = flags.filter((f) => !isSystemFlag(f) && folder.keywordFile.find(f) === -1);
  if (missing.length === 0) return;
  await folder.locked(() =>
    folder.keywordFile.define(missing, {
      lettersInUse: folder.lettersInUse(),
      mode: folder.context.modes().file,
      partly: false,
    }),
  );
  // The file may have told us names that others gave.
  folder.publishChanged();
}

/** One rename. False when the message is gone. */
function changeLetters(
  folder: MaildirFolder,
  entry: MessageEntry,
  mode: StoreChange['mode'],
  letters: string,
  intoCur = false,
): boolean {
  return withFile(folder, entry, (path) => {
    const old = entry.info.info;
    const next = combine(old.letters, mode, letters);
    if (!intoCur && sameLetters(next, old.letters)) return;
    const info = folder.keywordFile.info(formatInfo(old, next));
    renameSync(path, pathOf(`${folder.path}/cur`, entry.base + info.text));
    entry.info = info;
    // A message that leaves new/ by a flag change is still \Recent to whoever asks first.
    entry.place = CUR;
  });
}

/** Unknown letters stay whatever the mode. */
function combine(old: string, mode: StoreChange['mode'], letters: string): string[] {
  if (mode === 'add') return [...old, ...letters];
  if (mode === 'remove') return [...old].filter((letter) => !letters.includes(letter));
  return [...[...old].filter((l) => !SYSTEM_LETTERS.has(l) && keywordIndex(l) === -1), ...letters];
}

function sameLetters(a: readonly string[], b: string): boolean {
  return a.every((letter) => b.includes(letter)) && [...b].every((letter) => a.includes(letter));
}

/** Does something to a message's file, wherever it has been moved meanwhile. False when the message is gone. */
function withFile(
  folder: MaildirFolder,
  entry: MessageEntry,
  work: (path: string | Buffer) => void,
): boolean {
  for (let attempt = 0; ; attempt++) {
    if (entry.dead || !entry.live) return false;
    try {
      work(folder.fileOf(entry));
      return true;
    } catch (error) {
      if (!isMoved(error) || attempt >= MAX_MOVES)
        throw toMailboxError(error, `${folder.name} message ${entry.uid}`);
      folder.lookAgain();
    }
  }
}

/** Works through `uids`, publishing after each slice and letting other sessions run in between. */
async function inSlices(
  folder: MaildirFolder,
  uids: readonly number[],
  work: (uid: number) => void,
  flush: (slice: readonly number[]) => void = (slice) => folder.publishChanged(slice),
): Promise<void> {
  for (let at = 0; at < uids.length; at += SLICE) {
    if (at > 0) await yieldTurn();
    folder.alive();
    const end = folder.ownChange();
    const slice = uids.slice(at, at + SLICE);
    try {
      for (const uid of slice) work(uid);
    } finally {
      end();
      flush(slice);
    }
  }
}
