// The port between mail protocols and mail storage. IMAP and POP3 are written against it, `maildir` implements
// it, `memory-store.ts` implements it for tests, and `contract.ts` is what both must pass.
//
// Model: a store is one user's mail. An opened `Mailbox` is shared by all sessions of that user in the process;
// its `records` are an immutable snapshot, replaced as a whole when something changes. A session keeps its own
// view (the UIDs it has told its client about, and a modseq) and learns by comparing: `refresh`, then diff.
// So a session's state is a plain value, and can be put away and taken up again.

import type { Envelope, MessageStructure } from '@postcote/mime';
import type { MessageWriter } from '@postcote/wire';

export type MaybePromise<T> = T | Promise<T>;

/**
 * A mailbox name as on the IMAP4rev1 wire and on disk: `/`-separated, modified UTF-7 (RFC 3501 §5.1.3).
 * The inbox is always spelled `INBOX`.
 */
export type MailboxName = string;

/** `\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft` in exactly this spelling, or a keyword. */
export type Flag = string;

export const SYSTEM_FLAGS = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft'] as const;

/**
 * Flags of a message, without `\Recent`: system flags in the order of `SYSTEM_FLAGS`, then keywords by name; without
 * duplicates, frozen; equal sets may be one object.
 */
export type FlagSet = readonly Flag[];

export interface MessageRecord {
  readonly uid: number;
  readonly flags: FlagSet;
  /** Grows with every change of the message; never above `Mailbox.highestModseq`. */
  readonly modseq: number;
}

export interface MailboxEntry {
  readonly name: MailboxName;
  /** False: `\Noselect`, a directory that only holds children. */
  readonly selectable: boolean;
  readonly hasChildren: boolean;
  readonly subscribed: boolean;
  /** False for a subscribed name that no longer exists. */
  readonly exists: boolean;
  /** `\Sent`, `\Drafts`, `\Trash`, `\Junk`, `\Archive` (RFC 6154), when the name is configured as one. */
  readonly specialUse?: string;
}

export interface MailboxStatus {
  readonly messages: number;
  readonly recent: number;
  readonly unseen: number;
  readonly deleted: number;
  readonly uidNext: number;
  readonly uidValidity: number;
  readonly highestModseq: number;
}

export type MailboxErrorCode =
  | 'nonexistent'
  | 'alreadyExists'
  /** The name cannot be a mailbox here. */
  | 'badName'
  /** The operation is impossible for this mailbox: deleting INBOX, or one with children and no messages. */
  | 'cannot'
  | 'noPermission'
  /** A keyword more than the format can hold. */
  | 'limit'
  | 'overQuota'
  /** The disk is full. */
  | 'noSpace'
  /** Locked by another program for too long. */
  | 'inUse'
  /** The message was expunged meanwhile. */
  | 'expunged'
  /** Anything else of the storage: an I/O error, damage. `message` is for the log. */
  | 'unavailable';

export interface MailboxErrorOptions extends ErrorOptions {
  /** `message` is the configuration's own words for the client. */
  readonly said?: boolean;
  /** For the log, beside a message that is for the client. */
  readonly detail?: string;
}

/** The one error that ports throw. `message` is for the log; sessions word what clients read from `code`. */
export class MailboxError extends Error {
  override readonly name = 'MailboxError';
  readonly code: MailboxErrorCode;
  readonly said: boolean;
  readonly detail: string | undefined;
  constructor(code: MailboxErrorCode, message: string, options?: MailboxErrorOptions) {
    super(message, options);
    this.code = code;
    this.said = options?.said === true;
    this.detail = options?.detail;
  }
}

export interface ByteRange {
  readonly start: number;
  /** One past the last octet. */
  readonly end: number;
}

/**
 * One message's content. All octets are of the CRLF form: every line ends in CRLF, no final newline is added.
 * Methods throw `MailboxError('expunged')` when the message is gone.
 */
export interface MessageHandle {
  readonly uid: number;
  /** Stable over copies of the mailbox and renames; unique in the mailbox. */
  readonly guid: string;
  /** The name of the message's file without flags, for POP3's `%f`. */
  readonly storageName: string;
  /** Dovecot's `P` and `O` fields: a UIDL that overrides the format, and POP3 order. */
  readonly pop3Uidl?: string | undefined;
  readonly pop3Order?: number | undefined;
  /** May rest on a size that the store was told and found plausible, as in a file's name. */
  size(): MaybePromise<number>;
  /**
   * Counted, never told. To be asked before a length is announced for octets that `stream` gives; absent where
   * `size` is that already.
   */
  exactSize?(): MaybePromise<number>;
  internalDate(): MaybePromise<Date>;
  /** When the message was put into this mailbox, where the store knows it. */
  saveDate?(): MaybePromise<Date>;
  /** The header with its empty line. */
  header(): MaybePromise<Buffer>;
  structure(): MaybePromise<MessageStructure>;
  /** The same as in `structure`; where a store has it at hand, without the rest, this is the cheaper way. */
  envelope?(): MaybePromise<Envelope>;
  /** The octets of `range` (clipped to the message), or all of them. For parts known to be small. */
  read(range?: ByteRange): MaybePromise<Buffer>;
  /** The same, piece by piece, in bounded memory. */
  stream(range?: ByteRange): AsyncIterable<Buffer>;
}

export interface StoreChange {
  readonly mode: 'add' | 'remove' | 'replace';
  readonly flags: readonly Flag[];
}

export interface StoreResult {
  /** UIDs left alone because their modseq is above `unchangedSince` (RFC 7162 §3.1.3). */
  readonly modified: readonly number[];
  /** UIDs that no longer exist. */
  readonly expunged: readonly number[];
}

export interface CopyResult {
  readonly uidValidity: number;
  /** Pairs in the same order: `source[i]` became `target[i]`. Messages gone meanwhile are in neither. */
  readonly source: readonly number[];
  readonly target: readonly number[];
}

export interface AppendOptions {
  readonly flags: readonly Flag[];
  /** Becomes INTERNALDATE; the time of saving when absent. */
  readonly internalDate?: Date;
}

export interface AppendResult {
  readonly uidValidity: number;
  readonly uid: number;
}

/** Where a text is looked for: in header values of the message, in `searchableText` of mime's `body`, or of its `text`. */
export type TextScope = 'header' | 'body' | 'text';

/**
 * What an index knows of one text and each message: true or false is what reading the message would have told, and
 * undefined says that the message has to be read. UIDs that are not in the mailbox get any answer.
 */
export type TextVerdicts = (uid: number) => boolean | undefined;

export interface Mailbox {
  readonly name: MailboxName;
  /** Stays with the mailbox through renames (RFC 8474 MAILBOXID). */
  readonly guid: string;
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly highestModseq: number;
  /** Keywords in use or defined here, in the spelling to show. */
  readonly keywords: readonly Flag[];
  /** Whether a keyword not in `keywords` could be stored (`\*` in PERMANENTFLAGS). */
  readonly acceptsNewKeywords: boolean;
  /** Ascending by UID. A new array (and new records where changed) after each change; never mutated. */
  readonly records: readonly MessageRecord[];

  /** Brings `records` up to what is stored now, including what other programs did. Cheap when nothing changed. */
  refresh(): Promise<void>;
  /**
   * UIDs that nobody has claimed as `\Recent` yet; claiming makes them the caller's (RFC 3501 §2.3.2). In a
   * Maildir this moves new/ to cur/. Read-only sessions look at `unclaimedRecent` instead.
   */
  claimRecent(): Promise<readonly number[]>;
  readonly unclaimedRecent: readonly number[];

  message(uid: number): MessageHandle | undefined;
  store(
    uids: readonly number[],
    change: StoreChange,
    options?: { readonly unchangedSince?: number },
  ): Promise<StoreResult>;
  /** Removes exactly these messages, whatever their flags; the caller selects those with `\Deleted`. */
  expunge(uids: readonly number[]): Promise<void>;
  copy(uids: readonly number[], target: MailboxName): Promise<CopyResult>;
  move(uids: readonly number[], target: MailboxName): Promise<CopyResult>;
  /** UIDs expunged after `modseq`, or undefined when the store does not remember that far (RFC 7162 §3.2.5). */
  expungedSince(modseq: number): readonly number[] | undefined;
  /**
   * Asks the store's index of texts, where there is one, for a text that went through `foldForSearch`. For `header`
   * there is no yes, only no or undefined: the index does not tell fields apart.
   */
  searchText?(scope: TextScope, folded: string): Promise<TextVerdicts | undefined>;
  /**
   * Calls back, soon and coalesced, after something changed: by this process, by another session, by another
   * program. A hint: the listener calls `refresh` and compares. Watching may cost a watch on the folder.
   */
  watch(listener: () => void): () => void;
  /**
   * Directories in which every change of this mailbox shows, for a watch while nobody holds it open. Absent: changes
   * can only be seen by whoever holds it.
   */
  readonly watchPaths?: readonly string[];
  /** Whether modseqs mean the same after the store was closed and opened again. Absent: they do not. */
  readonly keepsModseqs?: boolean;
  /** Gives the mailbox back; the last holder's close frees its memory. */
  close(): Promise<void>;
}

export interface QuotaUse {
  readonly used: number;
  readonly limit: number;
}

/** RFC 9208: what all mailboxes together may take. */
export interface QuotaRoot {
  readonly name: string;
  /** Octets. */
  readonly storage?: QuotaUse;
  readonly messages?: QuotaUse;
}

export interface QuotaReader {
  /** Every mailbox is under all of them. */
  roots(): Promise<readonly QuotaRoot[]>;
}

export interface CreateOptions {
  readonly specialUse?: string;
}

/** Small values by entry name: `/private/comment`, in lower case (RFC 5464). */
export type Annotations = ReadonlyMap<string, Buffer>;

/** One user's mail. */
export interface MailStore {
  /** All mailboxes and all subscribed names, INBOX first, then by name. */
  list(): Promise<readonly MailboxEntry[]>;
  subscribe(name: MailboxName): Promise<void>;
  unsubscribe(name: MailboxName): Promise<void>;
  /** `specialUse`: attributes of RFC 6154 that the new mailbox is to have (CREATE-SPECIAL-USE). */
  create(name: MailboxName, options?: CreateOptions): Promise<void>;
  delete(name: MailboxName): Promise<void>;
  /** Renames with all children. Renaming INBOX is `cannot`. */
  rename(from: MailboxName, to: MailboxName): Promise<void>;
  status(name: MailboxName): Promise<MailboxStatus>;
  /** All annotations of a mailbox, or with '' of the account. They stay with the mailbox through renames. */
  readAnnotations?(name: MailboxName | ''): Promise<Annotations>;
  /** Null removes. `limit` when it is too much, and then nothing is changed. */
  writeAnnotations?(name: MailboxName | '', changes: ReadonlyMap<string, Buffer | null>): Promise<void>;
  /** Absent: there is no limit but the disk's, or clients are not to see it. */
  readonly quota?: QuotaReader | undefined;
  open(name: MailboxName): Promise<Mailbox>;
  /** Writes a message (with CRLF lines) into a mailbox; `nonexistent` before any octet is taken. */
  beginAppend(name: MailboxName, options: AppendOptions): Promise<MessageWriter<AppendResult>>;
  close(): Promise<void>;
}
