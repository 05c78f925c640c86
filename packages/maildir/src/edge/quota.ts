// What a user's mail takes and may take. Where the configuration says `maildir`, the sum is kept in `maildirsize` beside
// Dovecot, which may write it at the same time: changes are appended in one write, and a sum that has to be made anew is
// counted from the directories and put in place by its lock. Other sums live in memory.
//
// A question that would be answered "full" is asked again of the directories where the sum may be old: nobody is refused
// by a number alone. A file that cannot be read or written costs counting, never mail.

import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { MailboxError, type MailboxName, type QuotaReader, type QuotaRoot } from '@postcote/mailbox';
import { parseSizes } from '../file-name.ts';
import {
  formatMaildirsize,
  formatMaildirsizeChange,
  MAILDIRSIZE_LIMIT,
  MAILDIRSIZE_STALE_MS,
  parseMaildirsize,
} from '../maildirsize.ts';
import {
  fits,
  isOver,
  limitsFor,
  type QuotaAmount,
  type QuotaLimits,
  type QuotaRule,
  type QuotaSum,
} from '../quota-rules.ts';
import { forgetQuota, warn, type StoreContext } from './context.ts';
import { createFile, pathOf, readText, writeAll, yieldTurn } from './disk.ts';
import { errorCode } from './errors.ts';
import { folderPath, listFolders } from './folder-tree.ts';

export interface QuotaRootOptions {
  readonly name: string;
  readonly driver: 'maildir' | 'count';
  readonly rules: readonly QuotaRule[];
  readonly grace: QuotaAmount;
  /** False: counted and shown, never refused. */
  readonly enforce: boolean;
  readonly hidden: boolean;
}

export interface QuotaOptions {
  readonly roots: readonly QuotaRootOptions[];
  /** What whoever is refused reads. */
  readonly exceededMessage: string;
  /** Octets of one message; 0: no limit. */
  readonly maxMessageSize: number;
  /** How rules call a mailbox. The name itself where this is absent. */
  readonly nameInRules?: (name: MailboxName) => string;
}

/** Room that is kept for a message on its way in. One of the two is called, once. */
export interface Reservation {
  keep(): void;
  release(): void;
}

const FILE = 'maildirsize';
/** A lock left alone this long is nobody's. */
const LOCK_STALE_MS = 30_000;
/** How often a count that something came between is repeated. */
const MAX_RECOUNTS = 3;
/** File names between two turns of the event loop. */
const SLICE = 5000;
const NOTHING: QuotaSum = { octets: 0, messages: 0 };

export class Quota implements QuotaReader {
  readonly #roots: readonly Root[];
  readonly #context: StoreContext;
  readonly #options: QuotaOptions;
  #turn: Promise<void> = Promise.resolve();

  constructor(context: StoreContext, options: QuotaOptions) {
    this.#context = context;
    this.#options = options;
    const nameInRules = options.nameInRules ?? ((name) => name);
    // One file, one sum: further roots of that kind are counted.
    const first = options.roots.find(({ driver }) => driver === 'maildir');
    this.#roots = options.roots.map(
      (root) => new Root(context, root, { nameInRules, usesFile: root === first }),
    );
  }

  async roots(): Promise<readonly QuotaRoot[]> {
    const shown: QuotaRoot[] = [];
    for (const root of this.#roots) {
      if (root.options.hidden) continue;
      const { octets, messages } = root.limits('*');
      const used = await root.used();
      shown.push({
        name: root.options.name,
        ...(octets > 0 ? { storage: { used: used.octets, limit: octets } } : {}),
        ...(messages > 0 ? { messages: { used: used.messages, limit: messages } } : {}),
      });
    }
    return shown;
  }

  /** Throws `overQuota` for a message that no mailbox takes; for who streams one in. */
  checkSize(octets: number): void {
    const { maxMessageSize } = this.#options;
    if (maxMessageSize === 0 || octets <= maxMessageSize) return;
    // DOVECOT: quota_max_mail_size has these words.
    throw new MailboxError('overQuota', 'Requested allocation size is too large', { said: true });
  }

  /** Throws `overQuota` where it does not fit. One after another: what is held counts for the next. */
  reserve(mailbox: MailboxName, more: QuotaSum): Promise<Reservation> {
    const reserved = this.#turn.then(() => this.#reserve(mailbox, more));
    this.#turn = reserved.then(
      () => {},
      () => {},
    );
    return reserved;
  }

  async #reserve(mailbox: MailboxName, more: QuotaSum): Promise<Reservation> {
    for (const root of this.#roots) {
      if (root.options.enforce && !(await root.hasRoom(mailbox, more)))
        throw this.#full(`${root.options.name}: ${more.octets} octets for ${mailbox}`);
    }
    for (const root of this.#roots) root.hold(mailbox, more, 1);
    return {
      keep: () => {
        this.release(mailbox, more);
        this.changed(mailbox, more);
      },
      release: () => this.release(mailbox, more),
    };
  }

  /** DOVECOT: a move is asked about only where the target allows less than the source. */
  async reserveMove(from: MailboxName, to: MailboxName, more: QuotaSum): Promise<Reservation> {
    const asks = this.#roots.some((root) => root.isTighter(from, to));
    const held = asks ? await this.reserve(to, more) : undefined;
    return {
      keep: () => {
        held?.release();
        if (this.#roots.some((root) => root.limits(from).ignored !== root.limits(to).ignored)) {
          this.changed(from, { octets: -more.octets, messages: -more.messages });
          this.changed(to, more);
        }
      },
      release: () => held?.release(),
    };
  }

  /** Messages came or went. */
  changed(mailbox: MailboxName, by: QuotaSum): void {
    for (const root of this.#roots) root.changed(mailbox, by);
    if (!this.#roots.some(({ usesFile }) => usesFile)) forgetQuota(this.#context);
  }

  /** More changed than is worth adding up. */
  forget(): void {
    for (const root of this.#roots) root.forget();
    forgetQuota(this.#context);
  }

  release(mailbox: MailboxName, more: QuotaSum): void {
    for (const root of this.#roots) root.hold(mailbox, more, -1);
  }

  #full(detail: string): MailboxError {
    return new MailboxError('overQuota', this.#options.exceededMessage, { said: true, detail });
  }
}

class Root {
  readonly options: QuotaRootOptions;
  readonly usesFile: boolean;
  readonly #context: StoreContext;
  readonly #nameInRules: (name: MailboxName) => string;
  /** On their way in. */
  #held: QuotaSum = NOTHING;
  /** Of a root without a file, and when it was counted. */
  #known: { sum: QuotaSum; atMs: number } | undefined;
  /** Grows with every change, so that a count sees what came between. */
  #changes = 0;
  #counting: Promise<QuotaSum> | undefined;

  constructor(
    context: StoreContext,
    options: QuotaRootOptions,
    how: { readonly nameInRules: (name: MailboxName) => string; readonly usesFile: boolean },
  ) {
    this.#context = context;
    this.options = options;
    this.#nameInRules = how.nameInRules;
    const { octets, messages } = limitsFor(options.rules, '*');
    // DOVECOT: without a limit no file is kept.
    this.usesFile = how.usesFile && octets + messages > 0;
  }

  limits(mailbox: MailboxName): QuotaLimits {
    return limitsFor(this.options.rules, mailbox === '*' ? '*' : this.#nameInRules(mailbox));
  }

  isTighter(from: MailboxName, to: MailboxName): boolean {
    const source = this.limits(from);
    const target = this.limits(to);
    if (target.ignored) return false;
    const less = (a: number, b: number): boolean => a > 0 && (b === 0 || a < b);
    return source.ignored || less(target.octets, source.octets) || less(target.messages, source.messages);
  }

  async hasRoom(mailbox: MailboxName, more: QuotaSum): Promise<boolean> {
    const limits = this.limits(mailbox);
    if (limits.ignored || (limits.octets === 0 && limits.messages === 0)) return true;
    const room = (used: QuotaSum): boolean => fits(add(used, this.#held), more, limits, this.options.grace);
    const known = await this.#read();
    if (known === undefined) return room(await this.#count());
    if (room(known.sum)) return true;
    return known.mayBeOld ? room(await this.#count()) : false;
  }

  async used(): Promise<QuotaSum> {
    const known = await this.#read();
    if (known === undefined) return await this.#count();
    return known.mayBeOld && isOver(known.sum, this.limits('*')) ? await this.#count() : known.sum;
  }

  hold(mailbox: MailboxName, more: QuotaSum, sign: 1 | -1): void {
    if (this.limits(mailbox).ignored) return;
    this.#held = add(this.#held, { octets: sign * more.octets, messages: sign * more.messages });
  }

  changed(mailbox: MailboxName, by: QuotaSum): void {
    if (this.limits(mailbox).ignored || (by.octets === 0 && by.messages === 0)) return;
    this.#changes += 1;
    if (this.#known) this.#known = { ...this.#known, sum: add(this.#known.sum, by) };
    if (this.usesFile) this.#append(by);
  }

  forget(): void {
    this.#changes += 1;
    this.#known = undefined;
  }

  get #path(): string {
    return `${this.#context.root}/${FILE}`;
  }

  /** What is known without counting. */
  async #read(): Promise<{ readonly sum: QuotaSum; readonly mayBeOld: boolean } | undefined> {
    if (this.#counting) return { sum: await this.#counting, mayBeOld: false };
    const now = this.#context.identity.nowMs();
    if (!this.usesFile) {
      if (!this.#known || now - this.#known.atMs > MAILDIRSIZE_STALE_MS || now < this.#known.atMs)
        return undefined;
      return { sum: this.#known.sum, mayBeOld: now - this.#known.atMs > 1000 };
    }
    try {
      const file = readText(this.#path, MAILDIRSIZE_LIMIT);
      const read = file && parseMaildirsize(file.text);
      if (!file || !read) return undefined;
      const limits = this.limits('*');
      // Made for other limits: Maildir++ has it made anew.
      if (read.limits.octets !== limits.octets || read.limits.messages !== limits.messages) return undefined;
      const isStale = Math.abs(now - file.stat.mtimeMs) > MAILDIRSIZE_STALE_MS;
      return { sum: read.used, mayBeOld: read.lines > 1 || isStale };
    } catch (error) {
      warn(this.#context, `${this.#path}: ${errorCode(error) || String(error)}`);
      return undefined;
    }
  }

  #count(): Promise<QuotaSum> {
    this.#counting ??= this.#countAll().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  async #countAll(): Promise<QuotaSum> {
    let sum = NOTHING;
    for (let attempt = 0; attempt < MAX_RECOUNTS; attempt++) {
      const before = this.#changes;
      sum = await countMail(this.#context, (name) => !this.limits(name).ignored);
      if (this.#changes === before) break;
    }
    this.#known = { sum, atMs: this.#context.identity.nowMs() };
    if (this.usesFile) this.#replace(sum);
    return sum;
  }

  /** One write: lines of several programs do not mix. */
  #append(by: QuotaSum): void {
    try {
      const fd = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
      try {
        writeAll(fd, Buffer.from(formatMaildirsizeChange(by)));
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      // Nobody has counted yet.
      if (errorCode(error) !== 'ENOENT') this.#distrust(error);
    }
  }

  /** Without waiting: who holds the lock writes a sum as good as ours. */
  #replace(sum: QuotaSum): void {
    const lock = `${this.#path}.lock`;
    try {
      const held = statSync(lock, { throwIfNoEntry: false });
      if (held && this.#context.identity.nowMs() - held.mtimeMs > LOCK_STALE_MS) unlinkSync(lock);
      const fd = createFile(lock, this.#context.modes().file);
      try {
        writeAll(fd, Buffer.from(formatMaildirsize(this.limits('*'), sum)));
        renameSync(lock, this.#path);
      } catch (error) {
        unlinkSync(lock);
        throw error;
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') this.#distrust(error);
    }
  }

  /** A sum that misses a change is worse than none. */
  #distrust(error: unknown): void {
    warn(this.#context, `${this.#path}: ${errorCode(error) || String(error)}`);
    try {
      unlinkSync(this.#path);
    } catch {
      // A read-only file system: nothing changes there either.
    }
  }
}

const add = (a: QuotaSum, b: QuotaSum): QuotaSum => ({
  octets: a.octets + b.octets,
  messages: a.messages + b.messages,
});

/** All messages of the mailboxes that count, by the sizes in their names where they have one. */
async function countMail(context: StoreContext, counts: (name: MailboxName) => boolean): Promise<QuotaSum> {
  let octets = 0;
  let messages = 0;
  let seen = 0;
  for (const { name, selectable } of listFolders(context)) {
    if ((!selectable && name !== 'INBOX') || !counts(name)) continue;
    const path = folderPath(context, name);
    for (const part of ['new', 'cur']) {
      for (const file of namesIn(`${path}/${part}`)) {
        if (++seen % SLICE === 0) await yieldTurn();
        const size = sizeOfFile(`${path}/${part}`, file);
        if (size === undefined) continue;
        octets += size;
        messages += 1;
      }
    }
  }
  return { octets, messages };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory, 'latin1').filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
}

/** Undefined for what is no message, or gone. */
export function sizeOfFile(directory: string, name: string): number | undefined {
  const colon = name.indexOf(':');
  const told = parseSizes(colon === -1 ? name : name.slice(0, colon)).size;
  if (told !== undefined) return told;
  try {
    const stat = lstatSync(pathOf(directory, name));
    return stat.isFile() ? stat.size : undefined;
  } catch {
    return undefined;
  }
}
