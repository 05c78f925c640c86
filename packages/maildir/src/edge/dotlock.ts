// Lock files as Dovecot makes them: created with O_EXCL, `<pid>:<host>` inside, no newline. A lock is overridden
// only when its owner is a dead process of this host, or, where the content tells nothing, when lock and protected
// file have both been left alone for two minutes. The owner touches a lock it holds for long.

import { closeSync, lstatSync, statSync, unlinkSync, utimesSync, type Stats } from 'node:fs';
import { MailboxError, type MailboxName } from '@postcote/mailbox';
import { createFile, readText, writeAll } from './disk.ts';
import { errorCode } from './errors.ts';

export interface LockIdentity {
  readonly pid: number;
  readonly hostName: string;
  readonly nowMs: () => number;
}

export interface LockOptions {
  readonly path: string;
  /** The file that the lock protects. */
  readonly protects: string;
  readonly mode: number;
  readonly timeoutMs: number;
  readonly what: MailboxName;
}

/** DOVECOT: wait this long for another program (its own limit is 120 s). */
export const LOCK_TIMEOUT_MS = 122_000;
const STALE_MS = 120_000;
const TOUCH_MS = 10_000;
const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 100;

/** Locks this process holds, by path: the same pid in a file not listed here is an earlier process's. */
const held = new Set<string>();

export async function acquireLock(options: LockOptions, identity: LockIdentity): Promise<() => void> {
  const deadline = identity.nowMs() + options.timeoutMs;
  let wait = FIRST_WAIT_MS;
  for (;;) {
    const release = tryLock(options, identity);
    if (release) return release;
    if (overrideStale(options, identity)) continue;
    if (identity.nowMs() >= deadline) {
      throw new MailboxError('inUse', `${options.what}: ${options.path} is held by another program`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, wait);
    });
    wait = Math.min(LONGEST_WAIT_MS, wait * 2);
  }
}

function tryLock(options: LockOptions, identity: LockIdentity): (() => void) | undefined {
  let fd: number;
  try {
    fd = createFile(options.path, options.mode);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return undefined;
    throw error;
  }
  try {
    writeAll(fd, Buffer.from(`${identity.pid}:${identity.hostName}`));
  } catch (error) {
    unlinkSync(options.path);
    throw error;
  } finally {
    closeSync(fd);
  }
  held.add(options.path);
  const inode = lstatSync(options.path).ino;
  const touch = setInterval(() => {
    try {
      const now = identity.nowMs() / 1000;
      utimesSync(options.path, now, now);
    } catch {
      // Gone: somebody overrode it, which release will find as well.
    }
  }, TOUCH_MS);
  touch.unref();
  return () => {
    clearInterval(touch);
    held.delete(options.path);
    if (statOrNone(options.path)?.ino === inode) unlinkQuietly(options.path);
  };
}

/** Removes a lock whose owner is gone. True when it is worth trying again at once. */
function overrideStale(options: LockOptions, identity: LockIdentity): boolean {
  const before = statOrNone(options.path);
  if (!before) return true;
  if (!isStale(options, before, identity)) return false;
  const now = statOrNone(options.path);
  if (now?.ino === before.ino && now.mtimeMs === before.mtimeMs) unlinkQuietly(options.path);
  return true;
}

function isStale(options: LockOptions, lock: Stats, identity: LockIdentity): boolean {
  const owner = lockOwner(options.path);
  if (owner !== undefined) {
    if (owner.hostName !== identity.hostName) return false;
    if (owner.pid === identity.pid) return !held.has(options.path) && lock.mtimeMs < processStartMs(identity);
    return !isAlive(owner.pid);
  }
  const now = identity.nowMs();
  const file = statOrNone(options.protects);
  return now - lock.mtimeMs > STALE_MS && (!file || now - file.mtimeMs > STALE_MS);
}

function processStartMs(identity: LockIdentity): number {
  return identity.nowMs() - process.uptime() * 1000;
}

function lockOwner(path: string): { pid: number; hostName: string } | undefined {
  let text: string;
  try {
    text = readText(path, 1024)?.text ?? '';
  } catch {
    return undefined;
  }
  const match = /^(\d{1,10}):([^\n]+)\n?$/.exec(text);
  return match?.[1] && match[2] ? { pid: Number(match[1]), hostName: match[2] } : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
}

function statOrNone(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
