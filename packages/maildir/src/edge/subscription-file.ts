// The root's `subscriptions` file. Changing it takes `subscriptions.lock`, which is also the new file.

import { closeSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { MailboxError, type MailboxName } from '@postcote/mailbox';
import {
  formatSubscriptions,
  NO_SUBSCRIPTIONS,
  parseSubscriptions,
  type Subscriptions,
} from '../subscriptions.ts';
import type { StoreContext } from './context.ts';
import { createFile, fsyncFile, readText, writeAll } from './disk.ts';
import { errorCode } from './errors.ts';

const MAX_SIZE = 16 * 1024 * 1024;
/** DOVECOT: a lock left alone this long is nobody's. */
const STALE_MS = 30_000;
const TIMEOUT_MS = 40_000;
const WAIT_MS = 20;

export function readSubscriptions(context: StoreContext): Subscriptions {
  const read = readText(`${context.root}/subscriptions`, MAX_SIZE);
  return read ? parseSubscriptions(read.text, context.layout.separator) : NO_SUBSCRIPTIONS;
}

export async function changeSubscription(
  context: StoreContext,
  name: MailboxName,
  subscribed: boolean,
): Promise<void> {
  if (readSubscriptions(context).names.includes(name) === subscribed) return;
  const path = `${context.root}/subscriptions`;
  const lock = `${path}.lock`;
  const fd = await acquire(context, lock);
  try {
    const old = readSubscriptions(context);
    const others = old.names.filter((n) => n !== name);
    const names = subscribed ? [...others, name] : others;
    const text = formatSubscriptions({ version: old.version, names }, context.layout.separator);
    writeAll(fd, Buffer.from(text, 'latin1'));
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
