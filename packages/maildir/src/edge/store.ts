// One user's Maildir as a `MailStore`, and the way in for deliveries. Runs under that user's uid: it makes files
// that belong to whoever runs it, and refuses to do so as root.
//
// Open folders are shared; a few that nobody holds any more are kept, for the next STATUS or APPEND.

import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import {
  checkName,
  compareNames,
  INBOX,
  MailboxError,
  type Annotations,
  type AppendOptions,
  type AppendResult,
  type CopyResult,
  type CreateOptions,
  type Mailbox,
  type MailboxEntry,
  type MailboxName,
  type MailboxStatus,
  type MailStore,
  type QuotaReader,
} from '@postcote/mailbox';
import { silentLog, type Log, type MessageWriter } from '@postcote/wire';
import { BaseNames } from '../file-name.ts';
import { isReservedTop, layoutOf, type LayoutName } from '../layout.ts';
import {
  moveSpecialUses,
  readAnnotations,
  readSpecialUses,
  writeAnnotations,
  writeSpecialUse,
} from './attribute-file.ts';
import { Arrivals } from './arrivals.ts';
import { ContentCache } from './content-cache.ts';
import { warn, type StoreContext } from './context.ts';
import { DirectorySync, makeDirectory, modesUnder, type Modes } from './disk.ts';
import { LOCK_TIMEOUT_MS } from './dotlock.ts';
import { errorCode, toMailboxError } from './errors.ts';
import { MaildirFolder } from './folder.ts';
import { transfer } from './folder-changes.ts';
import {
  exists,
  folderPath,
  isSelectable,
  listFolders,
  makeFolder,
  removeFolder,
  renameFolder,
} from './folder-tree.ts';
import { IndexFolder } from './index-folder.ts';
import { OpenedMailbox, type FolderOwner } from './opened-mailbox.ts';
import { Quota, type QuotaOptions } from './quota.ts';
import { changeSubscription, readSubscriptions } from './subscription-file.ts';
import { Indexer, type IndexerHost } from './text/indexer.ts';
import { DEFAULT_TEXT_LIMITS, TextIndex, type TextLimits } from './text/text-index.ts';
import { AppendWriter, DeliveryWriter, type Delivered } from './writers.ts';

export interface MaildirStoreOptions {
  /** The Maildir root, which is also INBOX: `~/mail`. Made when missing. */
  readonly root: string;
  /** INBOX's own directory, where `mail_location` puts it elsewhere (`INBOX=`). */
  readonly inbox?: string;
  /**
   * A folder for what is worth keeping between processes, outside of the Maildir; made when missing. Without one, nothing
   * is kept (DOVECOT: `INDEX=MEMORY`).
   */
  readonly index?: string;
  /** An index of texts in there; none where this is absent. */
  readonly texts?: TextOptions;
  /** Default `fs`. */
  readonly layout?: LayoutName;
  /** Mailbox names to RFC 6154 uses, like `new Map([['Sent', '\\Sent']])`. */
  readonly specialUse?: ReadonlyMap<MailboxName, string>;
  /** Made before anything else is looked at, where missing. */
  readonly automatic?: readonly { readonly name: MailboxName; readonly subscribe: boolean }[];
  /** What the mail may take; `shown`: clients may ask. */
  readonly quota?: QuotaOptions & { readonly shown: boolean };
  readonly log?: Log;
  /** Must be this process's own host name for Dovecot's locks to be understood; the default is. */
  readonly hostName?: string;
  readonly pid?: number;
  /** Where several threads of a process write, each needs its own. */
  readonly threadId?: number;
  readonly nowMs?: () => number;
  /** Limit for waiting on another program's lock. */
  readonly lockTimeoutMs?: number;
  /** How often a watched folder is looked at without a notice from the kernel. */
  readonly pollMs?: number;
  /** The uid this process must have and the root must belong to; not checked when absent. */
  readonly uid?: number;
  /** Root's own Maildir, or a test. */
  readonly allowRoot?: boolean;
}

export interface TextOptions extends Partial<TextLimits> {
  /** Folders are indexed in the background, as mail arrives and as they are opened, then all others. */
  readonly automatic: boolean;
}

export interface FolderIndexStatus {
  readonly name: MailboxName;
  readonly messages: number;
  readonly indexed: number;
}

export interface MaildirStore extends MailStore {
  /**
   * Takes one message for new/ of a folder, INBOX where none is named. `commit` settles when the file is durable.
   * INBOX is made where missing. Fails with `noSpace` when disk or quota are full, else with `nonexistent`,
   * `noPermission` or `unavailable`.
   */
  beginDelivery(folder?: MailboxName): MessageWriter<Delivered>;
  /** Fails with `overQuota` when a message of so many octets would not be taken for INBOX now. */
  checkRoom(octets: number): Promise<void>;
  /** Writes down what the next process can go on with; for a process that is about to end. */
  save(): void;
  /** The index is being filled: a process should not end for want of work. */
  readonly indexing: boolean;
  /** How far the index of texts is. */
  indexStatus(): Promise<readonly FolderIndexStatus[]>;
  /** Where the index is, and what its texts take on disk. */
  indexPlace(): Promise<{ readonly path: string | undefined; readonly octets: number }>;
  /** Throws the index of texts away and makes it anew, at once. */
  rebuildIndex(progress: (name: MailboxName, done: number, all: number) => void): Promise<void>;
}

/** Folders nobody holds that are kept, and messages in all of them together. */
const IDLE_FOLDERS = 8;
const IDLE_MESSAGES = 100_000;
const POLL_MS = 30_000;
/** Leftovers in tmp/ of this age belong to nobody. */
const TMP_AGE_MS = 36 * 3600 * 1000;

export function openMaildirStore(options: MaildirStoreOptions): MaildirStore {
  return new Store(options);
}

/** The same as a function, for those who hold a store of this package. */
export function beginDelivery(
  store: MaildirStore,
  target: { readonly folder?: MailboxName } = {},
): MessageWriter<Delivered> {
  return store.beginDelivery(target.folder);
}

class Store implements MaildirStore, FolderOwner {
  readonly #context: StoreContext;
  readonly #specialUse: ReadonlyMap<MailboxName, string>;
  readonly #options: MaildirStoreOptions;
  readonly #indexer: Indexer | undefined;
  /** In order of last use. */
  readonly #folders = new Map<MailboxName, MaildirFolder>();
  #automatic: Promise<void> | 'made' | undefined;
  readonly #loading = new Map<MailboxName, Promise<MaildirFolder>>();

  constructor(options: MaildirStoreOptions) {
    this.#options = options;
    this.#specialUse = options.specialUse ?? new Map();
    const hostName = options.hostName ?? hostname();
    const pid = options.pid ?? process.pid;
    const nowMs = options.nowMs ?? Date.now;
    this.#checkIdentity();
    const log = options.log ?? silentLog;
    const index = options.index === undefined ? undefined : IndexFolder.open({ path: options.index, log });
    const texts =
      options.texts && index && new TextIndex(index, { ...DEFAULT_TEXT_LIMITS, ...options.texts });
    this.#indexer =
      texts && new Indexer({ host: this.#indexerHost(), texts, all: options.texts?.automatic === true });
    this.#context = {
      index,
      texts,
      wantsIndexing: (name) => {
        if (options.texts?.automatic) this.#indexer?.soon(name);
      },
      root: withoutSlash(options.root),
      inbox: withoutSlash(options.inbox ?? options.root),
      layout: layoutOf(options.layout ?? 'fs'),
      names: new BaseNames({ hostName, pid, nowMs, threadId: options.threadId ?? 0 }),
      identity: { pid, hostName, nowMs },
      lockTimeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
      pollMs: options.pollMs ?? POLL_MS,
      log,
      directories: new DirectorySync(),
      contents: new ContentCache(),
      arrivals: new Arrivals(),
      lastUse: 0,
      randomGuid: () => randomBytes(16).toString('hex'),
      modes: () => this.#modes(),
    };
    if (options.quota) this.#context.quota = new Quota(this.#context, options.quota);
  }

  async list(): Promise<readonly MailboxEntry[]> {
    return this.#do('list', async () => {
      const subscribed = new Set(readSubscriptions(this.#context).names);
      const nodes = listFolders(this.#context);
      const uses = readSpecialUses(this.#context);
      const known = new Set(nodes.map((n) => n.name));
      const gone = [...subscribed].filter((name) => !known.has(name));
      const entries = nodes.map((n) =>
        this.#entry({ ...n, exists: true, subscribed: subscribed.has(n.name) }, uses),
      );
      for (const name of gone) {
        entries.push(
          this.#entry({ name, selectable: false, hasChildren: false, exists: false, subscribed: true }, uses),
        );
      }
      // Existing names are in order; those that only subscriptions know go where they belong.
      return gone.length === 0 ? entries : entries.sort((a, b) => compareNames(a.name, b.name));
    });
  }

  async subscribe(name: MailboxName): Promise<void> {
    await this.#do('subscribe', async () => {
      const checked = this.#context.layout.check(name);
      // DOVECOT: what does not exist cannot be subscribed.
      if (checked !== INBOX && !this.#isThere(checked)) throw nonexistent(checked);
      this.#ensureRoot();
      await changeSubscription(this.#context, checked, true);
    });
  }

  async unsubscribe(name: MailboxName): Promise<void> {
    await this.#do('unsubscribe', () => changeSubscription(this.#context, canonical(name), false));
  }

  async create(name: MailboxName, options: CreateOptions = {}): Promise<void> {
    await this.#do('create', async () => {
      const checked = this.#checkNew(name);
      const path = folderPath(this.#context, checked);
      if (checked === INBOX || isSelectable(path)) throw new MailboxError('alreadyExists', checked);
      this.#ensureRoot();
      makeFolder(this.#context, checked);
      // Writes the uidlist with its new UIDVALIDITY.
      await this.#folder(checked);
      if (options.specialUse !== undefined) await writeSpecialUse(this.#context, checked, options.specialUse);
    });
  }

  async delete(name: MailboxName): Promise<void> {
    await this.#do('delete', async () => {
      const checked = this.#context.layout.check(name);
      if (checked === INBOX) throw new MailboxError('cannot', 'INBOX cannot be deleted');
      const node = listFolders(this.#context).find((n) => n.name === checked);
      if (!node) throw nonexistent(checked);
      if (!node.selectable && node.hasChildren) throw new MailboxError('cannot', `${checked} has children`);
      const { index } = this.#context;
      const key = index?.keyOf(folderPath(this.#context, checked));
      this.#folders.get(checked)?.vanish();
      this.#folders.delete(checked);
      removeFolder(this.#context, checked);
      this.#context.quota?.forget();
      await moveSpecialUses(this.#context, checked, undefined);
      if (key !== undefined) index?.forget(key);
    });
  }

  async rename(from: MailboxName, to: MailboxName): Promise<void> {
    await this.#do('rename', async () => {
      const source = this.#context.layout.check(from);
      const target = this.#checkNew(to);
      if (source === INBOX) throw new MailboxError('cannot', 'INBOX cannot be renamed');
      if (!this.#isThere(source)) throw nonexistent(source);
      if (target === INBOX || this.#isThere(target)) throw new MailboxError('alreadyExists', target);
      if (target.startsWith(`${source}/`)) throw new MailboxError('cannot', `${source} into itself`);
      renameFolder(this.#context, source, target);
      // Another name may have another rule.
      this.#context.quota?.forget();
      await moveSpecialUses(this.#context, source, target);
      for (const folder of Array.from(this.#folders.values())) {
        if (folder.name !== source && !folder.name.startsWith(`${source}/`)) continue;
        this.#folders.delete(folder.name);
        const moved = target + folder.name.slice(source.length);
        folder.relocate(moved, folderPath(this.#context, moved));
        this.#folders.set(moved, folder);
      }
    });
  }

  async status(name: MailboxName): Promise<MailboxStatus> {
    return this.#do('status', async () => {
      const folder = await this.#folder(canonical(name));
      await folder.refresh();
      return folder.status();
    });
  }

  async readAnnotations(name: MailboxName | ''): Promise<Annotations> {
    return this.#do('annotations', async () => {
      const { guid } = await this.#folder(name === '' ? INBOX : canonical(name));
      return readAnnotations(this.#context, guid, name === '');
    });
  }

  async writeAnnotations(name: MailboxName | '', changes: ReadonlyMap<string, Buffer | null>): Promise<void> {
    await this.#do('annotations', async () => {
      const { guid } = await this.#folder(name === '' ? INBOX : canonical(name));
      await writeAnnotations(this.#context, { guid, ofAccount: name === '' }, changes);
    });
  }

  async open(name: MailboxName): Promise<Mailbox> {
    return this.#do('open', async () => {
      const folder = await this.#folder(canonical(name));
      await folder.refresh();
      folder.holders++;
      if (!folder.isIndexed()) this.#context.wantsIndexing(folder.name);
      return new OpenedMailbox(folder, this);
    });
  }

  async beginAppend(name: MailboxName, options: AppendOptions): Promise<MessageWriter<AppendResult>> {
    return this.#do('append', async () => {
      const folder = await this.#folder(canonical(name));
      const writer = new AppendWriter(folder, options, () => this.release(folder));
      folder.holders++;
      return writer;
    });
  }

  beginDelivery(name: MailboxName = INBOX): MessageWriter<Delivered> {
    try {
      const checked = canonical(name);
      const path = folderPath(this.#context, checked);
      if (!isSelectable(path) || !exists(`${path}/new`) || !exists(`${path}/tmp`))
        this.#makeForDelivery(checked, path);
      return new DeliveryWriter(this.#context, { name: checked, path }, () => {
        this.#folders.get(checked)?.notify();
        // More may follow: what came is indexed together then, when the mail is through.
        this.#context.lastUse = performance.now();
        this.#context.wantsIndexing(checked);
      });
    } catch (error) {
      throw toMailboxError(error, `delivery to ${name}`);
    }
  }

  async transfer(
    source: MaildirFolder,
    target: MailboxName,
    what: { readonly mode: 'copy' | 'move'; readonly uids: readonly number[] },
  ): Promise<CopyResult> {
    const folder = await this.#folder(canonical(target));
    folder.holders++;
    try {
      return await transfer(source, folder, what);
    } finally {
      await this.release(folder);
    }
  }

  async release(folder: MaildirFolder): Promise<void> {
    folder.holders--;
    if (folder.holders === 0) {
      await folder.tidy();
      folder.save();
    }
    this.#evict();
  }

  async checkRoom(octets: number): Promise<void> {
    this.#context.quota?.checkSize(octets);
    const held = await this.#context.quota?.reserve(INBOX, { octets, messages: 1 });
    held?.release();
  }

  get quota(): QuotaReader | undefined {
    return this.#options.quota?.shown === true ? this.#context.quota : undefined;
  }

  get indexing(): boolean {
    return this.#indexer?.busy === true;
  }

  async indexStatus(): Promise<readonly FolderIndexStatus[]> {
    const { texts } = this.#context;
    const rows: FolderIndexStatus[] = [];
    for (const name of this.#indexerHost().names()) {
      const folder = await this.#indexerHost().hold(name);
      try {
        const known = (await texts?.known(folder)) ?? new Set<number>();
        const indexed = folder.records.filter(({ uid }) => known.has(uid)).length;
        rows.push({ name, messages: folder.records.length, indexed });
      } finally {
        await this.release(folder);
      }
    }
    return rows;
  }

  async indexPlace(): Promise<{ readonly path: string | undefined; readonly octets: number }> {
    const { index, texts } = this.#context;
    return { path: index?.path, octets: (await texts?.size()) ?? 0 };
  }

  async rebuildIndex(progress: (name: MailboxName, done: number, all: number) => void): Promise<void> {
    if (!this.#indexer) throw new MailboxError('unavailable', 'there is no index of texts');
    await this.#indexer.rebuild(progress);
  }

  #indexerHost(): IndexerHost {
    return {
      hold: async (name) => {
        const folder = await this.#folder(name);
        folder.holders++;
        try {
          await folder.refresh();
        } catch (error) {
          await this.release(folder);
          throw error;
        }
        return folder;
      },
      release: (folder) => this.release(folder),
      names: () =>
        listFolders(this.#context)
          .filter((n) => n.selectable)
          .map((n) => n.name),
      walkedLately: () => this.#context.index?.walkedLately(this.#context.identity.nowMs()) !== false,
      lastUse: () => this.#context.lastUse,
      noteWalked: () => this.#context.index?.noteWalked(),
      warn: (message) => warn(this.#context, message),
    };
  }

  save(): void {
    this.#context.texts?.close();
    for (const folder of this.#folders.values()) folder.save();
  }

  async close(): Promise<void> {
    await this.#indexer?.stop();
    this.#context.texts?.close();
    for (const folder of this.#folders.values()) {
      folder.save();
      folder.vanish();
    }
    this.#folders.clear();
  }

  /** The shared folder, loaded. */
  #folder(name: MailboxName): Promise<MaildirFolder> {
    const known = this.#folders.get(name);
    if (known && !known.gone) {
      this.#folders.delete(name);
      this.#folders.set(name, known);
      return Promise.resolve(known);
    }
    const loading = this.#loading.get(name);
    if (loading) return loading;
    const promise = this.#load(name).finally(() => this.#loading.delete(name));
    this.#loading.set(name, promise);
    return promise;
  }

  async #load(name: MailboxName): Promise<MaildirFolder> {
    const path = folderPath(this.#context, name);
    if (name === INBOX) this.#makeRoots();
    else if (!isSelectable(path)) throw nonexistent(name);
    const folder = new MaildirFolder(this.#context, name, path);
    await folder.load();
    this.#sweepTmp(`${path}/tmp`);
    this.#folders.set(name, folder);
    this.#evict();
    return folder;
  }

  #evict(): void {
    const idle = [...this.#folders.values()].filter((f) => f.holders === 0);
    let messages = idle.reduce((sum, f) => sum + f.entries.length, 0);
    let count = idle.length;
    for (const folder of idle) {
      if (count <= IDLE_FOLDERS && messages <= IDLE_MESSAGES) return;
      this.#folders.delete(folder.name);
      count--;
      messages -= folder.entries.length;
    }
  }

  #ensureRoot(): void {
    const { inbox } = this.#context;
    this.#makeRoots();
    for (const part of ['tmp', 'new', 'cur']) makeDirectory(`${inbox}/${part}`, this.#modes().directory);
  }

  #makeRoots(): void {
    const { root, inbox } = this.#context;
    makeDirectory(root, 0o700);
    if (inbox !== root) makeDirectory(inbox, 0o700);
  }

  #makeForDelivery(name: MailboxName, path: string): void {
    if (name === INBOX) this.#makeRoots();
    else if (!isSelectable(path)) throw nonexistent(name);
    // POSTFIX: what is missing of a Maildir is made for the user alone.
    for (const part of ['tmp', 'new', 'cur']) makeDirectory(`${path}/${part}`, 0o700);
  }

  #sweepTmp(path: string): void {
    const oldest = this.#context.identity.nowMs() - TMP_AGE_MS;
    try {
      for (const name of readdirSync(path)) {
        const stat = lstatSync(`${path}/${name}`, { throwIfNoEntry: false });
        if (stat?.isFile() && stat.ctimeMs < oldest) unlinkSync(`${path}/${name}`);
      }
    } catch (error) {
      warn(this.#context, `${path} not swept: ${errorCode(error)}`);
    }
  }

  #isThere(name: MailboxName): boolean {
    if (exists(folderPath(this.#context, name))) return true;
    return (
      this.#context.layout.name === 'maildir++' && listFolders(this.#context).some((n) => n.name === name)
    );
  }

  #checkNew(name: MailboxName): MailboxName {
    const checked = this.#context.layout.check(name);
    if (isReservedTop(checked.split('/', 1)[0] ?? ''))
      throw new MailboxError('badName', `${name} is reserved`);
    return checked;
  }

  #entry(
    node: {
      readonly name: MailboxName;
      readonly selectable: boolean;
      readonly hasChildren: boolean;
      readonly exists: boolean;
      readonly subscribed: boolean;
    },
    uses: ReadonlyMap<MailboxName, string>,
  ): MailboxEntry {
    const specialUse = uses.get(node.name) ?? this.#specialUse.get(node.name);
    return specialUse === undefined ? node : { ...node, specialUse };
  }

  /** Once. What cannot be made is said in the log and keeps nobody from the other mailboxes. */
  #makeAutomatic(): Promise<void> | undefined {
    if (this.#automatic === 'made') return undefined;
    if (this.#automatic !== undefined) return this.#automatic;
    const { automatic = [] } = this.#options;
    if (automatic.length === 0) {
      this.#automatic = 'made';
      return undefined;
    }
    const make = async (): Promise<void> => {
      for (const { name, subscribe } of automatic) {
        try {
          const checked = this.#checkNew(name);
          if (checked !== INBOX && !isSelectable(folderPath(this.#context, checked))) {
            this.#ensureRoot();
            makeFolder(this.#context, checked);
            await this.#folder(checked);
            if (subscribe) await changeSubscription(this.#context, checked, true);
          }
        } catch (error) {
          warn(this.#context, `mailbox ${name} not made: ${toMailboxError(error, name).message}`);
        }
      }
      this.#automatic = 'made';
    };
    return (this.#automatic = make());
  }

  #modes(): Modes {
    return modesUnder(statSync(this.#options.root, { throwIfNoEntry: false })?.mode ?? 0o700);
  }

  #checkIdentity(): void {
    const { uid, allowRoot, root } = this.#options;
    const own = process.geteuid?.() ?? -1;
    if (own === 0 && allowRoot !== true) {
      throw new MailboxError('noPermission', `${root}: mail is not handled as root`);
    }
    if (uid === undefined) return;
    if (own !== uid) throw new MailboxError('noPermission', `${root}: running as uid ${own}, not ${uid}`);
    const stat = statSync(root, { throwIfNoEntry: false });
    if (stat && stat.uid !== uid) {
      throw new MailboxError('noPermission', `${root} belongs to uid ${stat.uid}, not ${uid}`);
    }
  }

  async #do<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      await this.#makeAutomatic();
      return await work();
    } catch (error) {
      throw toMailboxError(error, what);
    }
  }
}

function canonical(name: MailboxName): MailboxName {
  try {
    return checkName(name);
  } catch (error) {
    // What cannot be a name does not exist.
    if (error instanceof MailboxError && error.code === 'badName') throw nonexistent(name);
    throw error;
  }
}

function nonexistent(name: MailboxName): MailboxError {
  return new MailboxError('nonexistent', `no mailbox ${JSON.stringify(name.slice(0, 200))}`);
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, '');
}
