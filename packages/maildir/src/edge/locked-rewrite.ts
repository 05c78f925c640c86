// Small files of the root that are written anew as a whole: the lock `NAME.lock` is also the new file, as Dovecot has it.

import { closeSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { MailboxError } from '@postcote/mailbox';
import type { StoreContext } from './context.ts';
import { createFile, fsyncFile, writeAll } from './disk.ts';
import { errorCode } from './errors.ts';

/** DOVECOT: a lock left alone this long is nobody's. */
const STALE_MS = 30_000;
const TIMEOUT_MS = 40_000;
const WAIT_MS = 20;

/** `text` is asked under the lock; one character is one octet. */
export async function rewriteLocked(context: StoreContext, name: string, text: () => string): Promise<void> {
  const path = `${context.root}/${name}`;
  const lock = `${path}.lock`;
  const fd = await acquire(context, lock);
  try {
    writeAll(fd, Buffer.from(text(), 'latin1'));
    await fsyncFile(fd);
    renameSync(lock, path);
  } catch (error) {
    unlinkSync(lock);
    throw error;
  } finally {
    closeSync(fd);
  }
  await context.directories.sync(context.root);
}

async function acquire(context: StoreContext, lock: string): Promise<number> {
  const deadline = context.identity.nowMs() + TIMEOUT_MS;
  for (;;) {
    try {
      return createFile(lock, context.modes().file);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    const stat = statSync(lock, { throwIfNoEntry: false });
    if (stat && context.identity.nowMs() - stat.mtimeMs > STALE_MS) {
      if (statSync(lock, { throwIfNoEntry: false })?.ino === stat.ino) unlinkSync(lock);
      continue;
    }
    if (context.identity.nowMs() >= deadline)
      throw new MailboxError('inUse', `${lock} is held by another program`);
    await new Promise((resolve) => {
      setTimeout(resolve, WAIT_MS);
    });
  }
}
