// The maildrop of RFC 1939: a snapshot of INBOX for the length of one session, numbered from 1. Numbers, ids and what
// is marked as deleted live here; messages themselves are read from the mailbox when asked for.
//
// Long walks (sizes, ids) come in slices with a turn of the event loop between them. Throws `MailboxError` as the
// mailbox does.

import { headerValues } from '@postcote/mime';
import { type Mailbox, MailboxError, type MailStore, type MessageHandle } from '@postcote/mailbox';
import type { Clock } from './ports.ts';
import { type UidlFormat, cleanUidl } from './uidl-format.ts';

interface DropMessage {
  readonly uid: number;
  deleted: boolean;
  seen: boolean;
  /** Octets of the CRLF form, once asked for; 0 where the message was gone by then. */
  size: number | undefined;
  /** Where ids must be made for all messages at once. */
  uidl?: string;
}

export interface MaildropOptions {
  readonly uidlFormat: UidlFormat;
  /** RETR leaves \Seen alone. DOVECOT: pop3_no_flag_updates. */
  readonly noFlagUpdates: boolean;
  /** LAST exists. DOVECOT: pop3_enable_last. */
  readonly enableLast: boolean;
  /** A message's own `X-UIDL` is its id. DOVECOT: pop3_reuse_xuidl. */
  readonly reuseXuidl?: boolean;
  /** Of two messages with one id the second gets another. DOVECOT: pop3_uidl_duplicates = rename. */
  readonly renameDuplicates?: boolean;
  /**
   * QUIT gives messages this flag instead of removing them, and they are not seen here again. DOVECOT:
   * pop3_deleted_flag.
   */
  readonly deletedFlag?: string;
  readonly clock: Clock;
}

/** Messages looked at before other sessions get their turn. */
const SLICE = 500;
/** \Seen changes gathered before they are stored. DOVECOT: they are stored when the session ends. */
const SEEN_BATCH = 10_000;

export class Maildrop {
  readonly #mailbox: Mailbox;
  readonly #options: MaildropOptions;
  readonly #messages: DropMessage[];
  #deletedCount = 0;
  #sizesKnown = false;
  #uidlsKnown: boolean;
  /** Highest number read, now or in a session before: what LAST answers. */
  #last = 0;
  #seen: number[] = [];

  private constructor(mailbox: Mailbox, messages: DropMessage[], options: MaildropOptions) {
    this.#mailbox = mailbox;
    this.#messages = messages;
    this.#options = options;
    this.#uidlsKnown = options.reuseXuidl !== true && options.renameDuplicates !== true;
    for (const [i, message] of messages.entries()) if (message.seen) this.#last = i + 1;
  }

  static async open(store: MailStore, options: MaildropOptions): Promise<Maildrop> {
    const mailbox = await store.open('INBOX');
    try {
      // DOVECOT: a POP3 login takes what is new, as SELECT does.
      await mailbox.claimRecent();
      return new Maildrop(mailbox, await listMessages(mailbox, options), options);
    } catch (error) {
      await mailbox.close();
      throw error;
    }
  }

  /** Messages of the snapshot, deleted ones included: the highest number. */
  get total(): number {
    return this.#messages.length;
  }

  /** Messages not marked as deleted. */
  get count(): number {
    return this.#messages.length - this.#deletedCount;
  }

  get deletedCount(): number {
    return this.#deletedCount;
  }

  /** Undefined where LAST does not exist. */
  get last(): number | undefined {
    return this.#options.enableLast ? this.#last : undefined;
  }

  isDeleted(number: number): boolean {
    return this.#messages[number - 1]?.deleted ?? false;
  }

  markDeleted(number: number): void {
    const message = this.#at(number);
    if (message.deleted) return;
    message.deleted = true;
    this.#deletedCount++;
  }

  /** RSET: nothing is marked any more. */
  unmarkAll(): void {
    for (const message of this.#messages) message.deleted = false;
    this.#deletedCount = 0;
    this.#last = 0;
  }

  async size(number: number): Promise<number> {
    const message = this.#at(number);
    return message.size ?? this.#readSize(message);
  }

  /** Octets of all messages not marked as deleted. */
  async octets(): Promise<number> {
    await this.loadSizes();
    let sum = 0;
    for (const message of this.#messages) if (!message.deleted) sum += message.size ?? 0;
    return sum;
  }

  /** Octets of all messages as far as sizes were asked for: for the log. */
  get knownOctets(): number {
    return this.#messages.reduce((sum, message) => sum + (message.size ?? 0), 0);
  }

  async loadSizes(): Promise<void> {
    if (this.#sizesKnown) return;
    for (const [i, message] of this.#messages.entries()) {
      if (i % SLICE === SLICE - 1) await this.#options.clock.turn();
      if (message.size !== undefined) continue;
      const size = this.#sizeOf(message);
      message.size = typeof size === 'number' ? size : await size;
    }
    this.#sizesKnown = true;
  }

  /** `number value` for every message not marked as deleted, in slices. */
  async *lines(value: 'size' | 'uidl'): AsyncGenerator<string> {
    if (value === 'size') await this.loadSizes();
    let slice = '';
    for (const [i, message] of this.#messages.entries()) {
      if (!message.deleted) {
        slice += `${i + 1} ${value === 'size' ? (message.size ?? 0) : this.#uidlOf(message)}\r\n`;
      }
      if (i % SLICE === SLICE - 1) {
        yield slice;
        slice = '';
        await this.#options.clock.turn();
      }
    }
    yield slice;
  }

  /** False: `loadUidls` must come first. */
  get uidlsReady(): boolean {
    return this.#uidlsKnown;
  }

  /** Makes the ids that cannot be made one by one. Throws `MailboxError`. */
  async loadUidls(): Promise<void> {
    const { reuseXuidl = false, renameDuplicates = false, clock } = this.#options;
    const taken = new Map<string, number>();
    for (const [i, message] of this.#messages.entries()) {
      if (i % SLICE === SLICE - 1) await clock.turn();
      let uidl = (reuseXuidl ? await this.#ownUidl(message) : undefined) ?? this.#uidlOf(message);
      if (renameDuplicates) {
        const times = (taken.get(uidl) ?? 0) + 1;
        taken.set(uidl, times);
        // DOVECOT: the second of two is `id-2`.
        if (times > 1) uidl = cleanUidl(uidl, `-${times}`);
      }
      message.uidl = uidl;
    }
    this.#uidlsKnown = true;
  }

  uidl(number: number): string {
    return this.#uidlOf(this.#at(number));
  }

  /** The message, or undefined when somebody removed it meanwhile. */
  message(number: number): MessageHandle | undefined {
    return this.#mailbox.message(this.#at(number).uid);
  }

  /** RETR: the message has been read. Failing to say so is no reason to fail. */
  async noteRetrieved(number: number): Promise<void> {
    const message = this.#at(number);
    this.#last = Math.max(this.#last, number);
    if (message.seen || this.#options.noFlagUpdates) return;
    message.seen = true;
    this.#seen.push(message.uid);
    if (this.#seen.length >= SEEN_BATCH) await this.flushSeen();
  }

  async flushSeen(): Promise<void> {
    const uids = this.#seen;
    if (uids.length === 0) return;
    this.#seen = [];
    await this.#mailbox.store(uids, { mode: 'add', flags: ['\\Seen'] });
  }

  /** The UPDATE state: removes what is marked. */
  async update(): Promise<void> {
    const doomed = this.#messages.filter((message) => message.deleted).map((message) => message.uid);
    // What is deleted need not be marked as read first.
    const gone = new Set(doomed);
    this.#seen = this.#seen.filter((uid) => !gone.has(uid));
    await this.flushSeen();
    if (doomed.length === 0) return;
    const { deletedFlag } = this.#options;
    if (deletedFlag === undefined) await this.#mailbox.expunge(doomed);
    else await this.#mailbox.store(doomed, { mode: 'add', flags: [deletedFlag] });
  }

  async close(): Promise<void> {
    try {
      await this.flushSeen();
    } finally {
      await this.#mailbox.close();
    }
  }

  #at(number: number): DropMessage {
    const message = this.#messages[number - 1];
    if (message === undefined) throw new MailboxError('expunged', `no message ${number} in the snapshot`);
    return message;
  }

  async #readSize(message: DropMessage): Promise<number> {
    message.size = await this.#sizeOf(message);
    return message.size;
  }

  /** 0 for a message that is gone: its number stays in the listing, as Dovecot has it. */
  #sizeOf(message: DropMessage): number | Promise<number> {
    const goneIsEmpty = (error: unknown): number => {
      if (error instanceof MailboxError && error.code === 'expunged') return 0;
      throw error;
    };
    try {
      const size = this.#mailbox.message(message.uid)?.size() ?? 0;
      return typeof size === 'number' ? size : size.catch(goneIsEmpty);
    } catch (error) {
      return goneIsEmpty(error);
    }
  }

  async #ownUidl({ uid }: DropMessage): Promise<string | undefined> {
    try {
      const header = await this.#mailbox.message(uid)?.header();
      const [own] = header === undefined ? [] : headerValues(header, 'X-UIDL');
      const clean = own === undefined ? '' : cleanUidl(own.trim());
      return clean === '' ? undefined : clean;
    } catch (error) {
      if (error instanceof MailboxError && error.code === 'expunged') return undefined;
      throw error;
    }
  }

  #uidlOf(message: DropMessage): string {
    if (message.uidl !== undefined) return message.uidl;
    const handle = this.#mailbox.message(message.uid);
    const override = handle?.pop3Uidl;
    // DOVECOT: an empty P field stands for the file's name.
    if (override !== undefined) return override === '' ? (handle?.storageName ?? '') : override;
    return this.#options.uidlFormat({
      uid: message.uid,
      uidValidity: this.#mailbox.uidValidity,
      guid: handle?.guid ?? '',
      storageName: handle?.storageName ?? '',
    });
  }
}

/** Messages with a POP3 order first, in that order, then the others by UID (Dovecot's `O` field). */
async function listMessages(
  mailbox: Mailbox,
  { clock, deletedFlag }: MaildropOptions,
): Promise<DropMessage[]> {
  const hidden = deletedFlag?.toLowerCase();
  const messages: DropMessage[] = [];
  const ordered: { readonly order: number; readonly message: DropMessage }[] = [];
  for (const [i, { uid, flags }] of mailbox.records.entries()) {
    if (i % SLICE === SLICE - 1) await clock.turn();
    if (hidden !== undefined && flags.some((flag) => flag.toLowerCase() === hidden)) continue;
    const message = { uid, deleted: false, seen: flags.includes('\\Seen'), size: undefined };
    const order = mailbox.message(uid)?.pop3Order;
    if (order === undefined) messages.push(message);
    else ordered.push({ order, message });
  }
  if (ordered.length === 0) return messages;
  ordered.sort((a, b) => a.order - b.order);
  return [...ordered.map(({ message }) => message), ...messages];
}
