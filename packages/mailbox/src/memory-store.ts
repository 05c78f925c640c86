// A mail store that keeps everything in memory: for tests of protocols, and the plainest reading of the port.
// It behaves as the Maildir store does, limits included. `outside` makes the changes that another program
// would: they are stored at once but seen only at the next `refresh`, and watchers are told.

import { parseMessageStructure, type MessageStructure } from '@postcote/mime';
import type { MessageWriter } from '@postcote/wire';
import { MemoryFolder, type MemoryMessage } from './memory-folder.ts';
import { canonicalName, checkName, compareNames, INBOX, parentNames } from './names.ts';
import { checkAnnotations } from './annotations.ts';
import { storableFlags } from './flags.ts';
import {
  MailboxError,
  type Annotations,
  type AppendOptions,
  type AppendResult,
  type CreateOptions,
  type Mailbox,
  type MailboxEntry,
  type MailboxName,
  type MailboxStatus,
  type MailStore,
} from './port.ts';

export interface MemoryStoreOptions {
  /** Names to special uses, like `new Map([['Sent', '\\Sent']])`. */
  readonly specialUse?: ReadonlyMap<MailboxName, string>;
  /** Distinct keywords per mailbox; a Maildir holds 26. */
  readonly maxKeywords?: number;
  /** Total octets of all messages; more is `overQuota`. */
  readonly quota?: number;
  /** UIDVALIDITY of the first mailbox; each further one gets the next number. */
  readonly firstUidValidity?: number;
  /** Default: a second later at each look, from a fixed date on, so that tests repeat. */
  readonly now?: () => Date;
  readonly parseStructure?: (message: Buffer) => MessageStructure;
}

export interface SeedMessage {
  /** Lines may end in LF or CRLF; they are kept as CRLF. */
  readonly content: string | Uint8Array;
  readonly flags?: readonly string[];
  readonly internalDate?: Date;
  readonly pop3Uidl?: string;
  readonly pop3Order?: number;
  /** False: as if a session had seen it before. True is the default. */
  readonly recent?: boolean;
}

/** What another program does to a mailbox. */
export interface OutsideChanges {
  deliver(message: SeedMessage): void;
  setFlags(uid: number, flags: readonly string[]): void;
  remove(uid: number): void;
}

export interface MemoryStore extends MailStore {
  /** Makes the mailbox where missing and puts messages into it at once; returns their UIDs. */
  seed(name: MailboxName, messages: readonly SeedMessage[]): number[];
  outside(name: MailboxName): OutsideChanges;
  /** The next call of `operation` (a method of store or mailbox) fails with this error. */
  failNext(operation: string, error: MailboxError): void;
}

export function openMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return new Store(options);
}

/** What folders need from their store. */
export interface MemoryWorld {
  readonly maxKeywords: number;
  readonly now: () => Date;
  readonly parseStructure: (message: Buffer) => MessageStructure;
  folder(name: MailboxName): MemoryFolder;
  /** Throws `overQuota` when `octets` more do not fit. */
  charge(octets: number): void;
  maybeFail(operation: string): void;
}

class Store implements MemoryStore, MemoryWorld {
  readonly maxKeywords: number;
  readonly now: () => Date;
  readonly parseStructure: (message: Buffer) => MessageStructure;
  /** Undefined value: a name that only holds children. */
  readonly #folders = new Map<MailboxName, MemoryFolder | undefined>();
  readonly #subscriptions = new Set<MailboxName>();
  readonly #specialUse: Map<MailboxName, string>;
  /** By the mailbox's guid; '' for the account. */
  readonly #annotations = new Map<string, Map<string, Buffer>>();
  readonly #failures = new Map<string, MailboxError>();
  readonly #quota: number;
  #nextUidValidity: number;
  #nextGuid = 1;

  constructor(options: MemoryStoreOptions) {
    this.maxKeywords = options.maxKeywords ?? 26;
    this.now = options.now ?? logicalClock();
    this.parseStructure = options.parseStructure ?? parseMessageStructure;
    this.#specialUse = new Map(options.specialUse);
    this.#quota = options.quota ?? Infinity;
    this.#nextUidValidity = options.firstUidValidity ?? 1_700_000_000;
    this.#make(INBOX);
  }

  seed(name: MailboxName, messages: readonly SeedMessage[]): number[] {
    const clean = checkName(name);
    const folder = this.#folders.get(clean) ?? this.#make(clean);
    return messages.map((m) => folder.add(this.#message(m), m.recent !== false));
  }

  outside(name: MailboxName): OutsideChanges {
    const folder = this.folder(name);
    return {
      deliver: (m) => folder.later(() => folder.add(this.#message(m), m.recent !== false)),
      setFlags: (uid, flags) => folder.later(() => folder.setFlags(uid, storableFlags(flags))),
      remove: (uid) => folder.later(() => folder.remove([uid])),
    };
  }

  failNext(operation: string, error: MailboxError): void {
    this.#failures.set(operation, error);
  }

  maybeFail(operation: string): void {
    const error = this.#failures.get(operation);
    if (!error) return;
    this.#failures.delete(operation);
    throw error;
  }

  charge(octets: number): void {
    let used = octets;
    for (const folder of this.#folders.values()) used += folder?.octets() ?? 0;
    if (used > this.#quota) throw new MailboxError('overQuota', `${used} octets of ${this.#quota}`);
  }

  async list(): Promise<readonly MailboxEntry[]> {
    this.maybeFail('list');
    const parents = new Set([...this.#folders.keys()].flatMap(parentNames));
    const entries: MailboxEntry[] = [];
    for (const name of new Set([...this.#folders.keys(), ...this.#subscriptions])) {
      const specialUse = this.#specialUse.get(name);
      entries.push({
        name,
        selectable: this.#folders.get(name) !== undefined,
        hasChildren: parents.has(name),
        subscribed: this.#subscriptions.has(name),
        exists: this.#folders.has(name),
        ...(specialUse === undefined ? {} : { specialUse }),
      });
    }
    return entries.sort((a, b) => compareNames(a.name, b.name));
  }

  async subscribe(name: MailboxName): Promise<void> {
    this.maybeFail('subscribe');
    const clean = checkName(name);
    if (!this.#folders.has(clean)) throw nonexistent(clean);
    this.#subscriptions.add(clean);
  }

  async unsubscribe(name: MailboxName): Promise<void> {
    this.maybeFail('unsubscribe');
    this.#subscriptions.delete(canonicalName(name));
  }

  async create(name: MailboxName, options: CreateOptions = {}): Promise<void> {
    this.maybeFail('create');
    const clean = checkName(name);
    if (this.#folders.get(clean)) throw new MailboxError('alreadyExists', clean);
    this.#make(clean);
    if (options.specialUse !== undefined) this.#specialUse.set(clean, options.specialUse);
  }

  async readAnnotations(name: MailboxName | ''): Promise<Annotations> {
    return new Map(this.#annotations.get(name === '' ? '' : this.folder(name).guid));
  }

  async writeAnnotations(name: MailboxName | '', changes: ReadonlyMap<string, Buffer | null>): Promise<void> {
    const key = name === '' ? '' : this.folder(name).guid;
    const next = new Map(this.#annotations.get(key));
    for (const [entry, value] of changes) {
      if (value === null) next.delete(entry);
      else next.set(entry, Buffer.from(value));
    }
    checkAnnotations(next);
    this.#annotations.set(key, next);
  }

  async delete(name: MailboxName): Promise<void> {
    this.maybeFail('delete');
    const clean = canonicalName(name);
    if (clean === INBOX) throw new MailboxError('cannot', 'INBOX cannot be deleted');
    if (!this.#folders.has(clean)) throw nonexistent(clean);
    const hasChildren = [...this.#folders.keys()].some((n) => n.startsWith(`${clean}/`));
    const folder = this.#folders.get(clean);
    if (!folder && hasChildren) throw new MailboxError('cannot', `${clean} has children`);
    folder?.vanish();
    if (hasChildren) this.#folders.set(clean, undefined);
    else this.#folders.delete(clean);
  }

  async rename(from: MailboxName, to: MailboxName): Promise<void> {
    this.maybeFail('rename');
    const source = canonicalName(from);
    const target = checkName(to);
    if (source === INBOX) throw new MailboxError('cannot', 'INBOX cannot be renamed');
    if (!this.#folders.has(source)) throw nonexistent(source);
    if (this.#folders.has(target) || target === INBOX) throw new MailboxError('alreadyExists', target);
    if (target.startsWith(`${source}/`)) throw new MailboxError('cannot', `${source} into itself`);
    for (const [name, folder] of Array.from(this.#folders)) {
      if (name !== source && !name.startsWith(`${source}/`)) continue;
      this.#folders.delete(name);
      const moved = target + name.slice(source.length);
      this.#folders.set(moved, folder);
      const use = this.#specialUse.get(name);
      if (use !== undefined) this.#specialUse.set(moved, use);
      if (folder) folder.name = moved;
    }
    for (const parent of parentNames(target))
      if (!this.#folders.has(parent)) this.#folders.set(parent, undefined);
    // DOVECOT: parents that the rename left without mailboxes go away.
    for (const parent of parentNames(source).reverse()) {
      const empty = ![...this.#folders.keys()].some((n) => n.startsWith(`${parent}/`));
      if (empty && this.#folders.has(parent) && !this.#folders.get(parent)) this.#folders.delete(parent);
    }
  }

  async status(name: MailboxName): Promise<MailboxStatus> {
    this.maybeFail('status');
    return this.folder(name).status();
  }

  async open(name: MailboxName): Promise<Mailbox> {
    this.maybeFail('open');
    return this.folder(name).open();
  }

  async beginAppend(name: MailboxName, options: AppendOptions): Promise<MessageWriter<AppendResult>> {
    this.maybeFail('beginAppend');
    const folder = this.folder(name);
    const flags = storableFlags(options.flags);
    folder.checkKeywords(flags);
    const chunks: Buffer[] = [];
    return {
      write: (chunk) => {
        chunks.push(Buffer.from(chunk));
        return undefined;
      },
      commit: async () => {
        this.maybeFail('commit');
        folder.alive();
        const content = Buffer.concat(chunks);
        this.charge(content.length);
        folder.checkKeywords(flags);
        const internalDate = options.internalDate ?? this.now();
        const message = { content: withCrlf(content), flags, internalDate, guid: this.#guid() };
        const uid = folder.add({ ...message, saveDate: this.now() }, true);
        return { uidValidity: folder.uidValidity, uid };
      },
      abort: async () => {
        chunks.length = 0;
      },
    };
  }

  async close(): Promise<void> {}

  folder(name: MailboxName): MemoryFolder {
    const folder = this.#folders.get(canonicalName(name));
    if (!folder) throw nonexistent(name);
    return folder;
  }

  #make(name: MailboxName): MemoryFolder {
    for (const parent of parentNames(name)) {
      if (!this.#folders.has(parent) && parent !== INBOX) this.#folders.set(parent, undefined);
    }
    const guid = this.#nextUidValidity.toString(16).padStart(32, '0');
    const folder = new MemoryFolder(this, { name, guid, uidValidity: this.#nextUidValidity });
    this.#nextUidValidity++;
    this.#folders.set(name, folder);
    return folder;
  }

  #message(seed: SeedMessage): MemoryMessage {
    const content = typeof seed.content === 'string' ? Buffer.from(seed.content) : Buffer.from(seed.content);
    return {
      content: withCrlf(content),
      flags: storableFlags(seed.flags ?? []),
      internalDate: seed.internalDate ?? this.now(),
      saveDate: this.now(),
      guid: this.#guid(),
      ...(seed.pop3Uidl === undefined ? {} : { pop3Uidl: seed.pop3Uidl }),
      ...(seed.pop3Order === undefined ? {} : { pop3Order: seed.pop3Order }),
    };
  }

  #guid(): string {
    return `memory.${this.#nextGuid++}`;
  }
}

function nonexistent(name: MailboxName): MailboxError {
  return new MailboxError('nonexistent', `no mailbox ${JSON.stringify(name)}`);
}

function withCrlf(content: Buffer): Buffer {
  const text = content.toString('latin1');
  return Buffer.from(text.replace(/\r?\n/g, '\r\n'), 'latin1');
}

function logicalClock(): () => Date {
  let seconds = 1_700_000_000;
  return () => new Date(1000 * seconds++);
}
