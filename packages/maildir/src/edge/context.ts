// What all parts of one user's store share.

import { unlinkSync } from 'node:fs';
import type { Log } from '@postcote/wire';
import type { BaseNames } from '../file-name.ts';
import type { Layout } from '../layout.ts';
import type { Arrivals } from './arrivals.ts';
import type { ContentCache } from './content-cache.ts';
import type { DirectorySync, Modes } from './disk.ts';
import type { LockIdentity } from './dotlock.ts';
import { errorCode } from './errors.ts';
import type { IndexFolder } from './index-folder.ts';
import type { Quota } from './quota.ts';
import type { TextIndex } from './text/text-index.ts';

export interface StoreContext {
  readonly root: string;
  /** INBOX's directory; the root itself unless the configuration says otherwise. */
  readonly inbox: string;
  readonly layout: Layout;
  readonly names: BaseNames;
  readonly identity: LockIdentity;
  readonly lockTimeoutMs: number;
  readonly pollMs: number;
  readonly log: Log;
  readonly directories: DirectorySync;
  readonly contents: ContentCache;
  /** Where what was learned is kept for the next process; undefined: nowhere. */
  readonly index: IndexFolder | undefined;
  /** What is known of files that have no UID yet. */
  readonly arrivals: Arrivals;
  /** The index of texts, where there is one. */
  readonly texts: TextIndex | undefined;
  /** A folder may have messages that are not indexed. */
  wantsIndexing(name: string): void;
  readonly randomGuid: () => string;
  /** Read anew each time: the root may be made, or its mode changed, while the store lives. */
  modes(): Modes;
  /** When a session asked for something last, in milliseconds of `performance.now()`. */
  lastUse: number;
  /** When to look for the quota plugin's sum again, in milliseconds of `performance.now()`. */
  quotaAbsentUntil?: number;
  /** What the mail may take; absent: the disk. */
  quota?: Quota;
}

/** Few stores have the quota plugin: where its file is not, it is not looked for at every message. */
const QUOTA_ABSENT_FOR = 1000;

/** One line about this user's storage. */
export function warn(context: StoreContext, message: string): void {
  context.log('warn', 'maildir', message);
}

/** Messages came or went: the quota plugin's sum, where there is one, is made anew by whoever wants it. */
export function forgetQuota(context: StoreContext): void {
  const now = performance.now();
  if (now < (context.quotaAbsentUntil ?? 0)) return;
  try {
    unlinkSync(`${context.root}/maildirsize`);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') context.quotaAbsentUntil = now + QUOTA_ABSENT_FOR;
    else warn(context, `${context.root}/maildirsize: ${errorCode(error)}`);
  }
}
