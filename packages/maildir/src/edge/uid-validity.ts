// New UIDVALIDITY values, from Dovecot's root files: `dovecot-uidvalidity` (8 hex digits) and the empty
// `dovecot-uidvalidity.<the same>`, whose rename to the next number is what makes a value one's own. With neither,
// the current time. So a folder made again always gets a larger value.

import { closeSync, constants, openSync, readdirSync, renameSync, writeSync } from 'node:fs';
import { MailboxError } from '@postcote/mailbox';
import { createFile, readText } from './disk.ts';
import { errorCode } from './errors.ts';
import type { StoreContext } from './context.ts';

const FILE = 'dovecot-uidvalidity';
const MAX_ATTEMPTS = 100;
const MAX_VALUE = 0xffff_ffff;

export function nextUidValidity(context: StoreContext): number {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const value = tryNext(context);
    if (value !== undefined) return value;
  }
  throw new MailboxError('unavailable', `${context.root}/${FILE} changes all the time`);
}

function tryNext(context: StoreContext): number | undefined {
  const { root } = context;
  const markers = readdirSync(root)
    .filter((name) => name.startsWith(`${FILE}.`) && isHex(name.slice(FILE.length + 1)))
    .map((name) => Number.parseInt(name.slice(FILE.length + 1), 16));
  const text = readText(`${root}/${FILE}`, 1024)?.text.trim() ?? '';
  const written = isHex(text) ? Number.parseInt(text, 16) : 0;
  const marker = markers.length === 0 ? undefined : Math.max(...markers);
  const current = Math.max(marker ?? 0, written);
  const now = Math.floor(context.identity.nowMs() / 1000);
  const next = current === 0 ? now : current + 1;
  if (next > MAX_VALUE) throw new MailboxError('unavailable', `${root}/${FILE} is at its end`);
  const target = `${root}/${FILE}.${hex(next)}`;
  try {
    if (marker === undefined) closeSync(createFile(target, 0o444));
    else renameSync(`${root}/${FILE}.${hex(marker)}`, target);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'EEXIST') return undefined;
    throw error;
  }
  const fd = openSync(
    `${root}/${FILE}`,
    constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW,
    context.modes().file,
  );
  try {
    writeSync(fd, hex(next), 0, 'latin1');
  } finally {
    closeSync(fd);
  }
  return next;
}

function isHex(text: string): boolean {
  return /^[0-9a-f]{8}$/.test(text);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
