// What command handlers work with: the store, the selected mailbox, the way out, and the counters of the log line.

import type { Mailbox, MailStore } from '@postcote/mailbox';
import type { GatheringWriter, Log } from '@postcote/wire';
import { CAPABILITIES, QUOTA_CAPABILITIES, withSetting } from '../capabilities.ts';
import type { Command, CommandKind } from '../codec/command.ts';
import { formatAstring, formatString, type Status } from '../codec/response.ts';
import { formatUtf8Name } from '../codec/utf8-names.ts';
import type { Clock, ImapHandOff } from '../ports.ts';
import { type Namespaces, PLAIN_NAMESPACE, shownName } from './namespace.ts';
import type { Notifying } from './notifying.ts';
import { Selected } from './selected.ts';

export interface ImapUserSettings {
  /** Milliseconds without a command until the session ends. DOVECOT: 30 minutes. */
  readonly idleTimeout: number;
  /** DOVECOT: imap_idle_notify_interval, milliseconds between `Still here` while idling. 0: never. */
  readonly idleNotifyInterval: number;
  /** DOVECOT: imap_max_line_length. */
  readonly maxLineLength: number;
  /** Bad commands in a row. DOVECOT: the twentieth ends the session. */
  readonly maxBadCommands: number;
  /** Octets of one message a client may append. */
  readonly maxAppend: number;
  /** How mailboxes are called. DOVECOT: prefix and separator of the namespace. */
  readonly namespace: Namespaces;
  /** DOVECOT: imap_capability. */
  readonly capability: string;
  /** DOVECOT: imap_id_send. */
  readonly idSend: string;
  /** DOVECOT: imap_id_log. */
  readonly idLog: string;
  /** DOVECOT: imap_client_workarounds: `delay-newmail`; the others of its words need no switch here. */
  readonly clientWorkarounds: readonly string[];
  /** DOVECOT: imap_logout_format. */
  readonly logoutFormat: string;
  /** Minutes east of UTC at a moment, for INTERNALDATE and the days of SEARCH. */
  readonly zone: (date: Date) => number;
}

/** DOVECOT's default. */
export const DEFAULT_LOGOUT_FORMAT =
  'in=%i out=%o deleted=%{deleted} expunged=%{expunged} trashed=%{trashed} hdr_count=%{fetch_hdr_count} ' +
  'hdr_bytes=%{fetch_hdr_bytes} body_count=%{fetch_body_count} body_bytes=%{fetch_body_bytes}';

export const DEFAULT_USER_SETTINGS: ImapUserSettings = {
  idleTimeout: 30 * 60_000,
  idleNotifyInterval: 2 * 60_000,
  maxLineLength: 64 * 1024,
  maxBadCommands: 20,
  maxAppend: 0xffffffff,
  namespace: PLAIN_NAMESPACE,
  capability: '',
  idSend: 'name *',
  idLog: '',
  clientWorkarounds: [],
  logoutFormat: DEFAULT_LOGOUT_FORMAT,
  zone: (date) => -date.getTimezoneOffset(),
};

/** DOVECOT: the numbers of imap_logout_format. */
export interface SessionCounters {
  input: number;
  deleted: number;
  expunged: number;
  headerCount: number;
  headerOctets: number;
  bodyCount: number;
  bodyOctets: number;
}

export interface SessionCoreOptions {
  readonly store: MailStore;
  readonly out: GatheringWriter;
  readonly settings: ImapUserSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly handOff: ImapHandOff;
  readonly user: string;
}

/** RFC 9585 §4: no more often than this. DOVECOT: ten seconds. */
const PROGRESS_MS = 10_000;

/** How long work may go on before other sessions get their turn. */
const SLICE_MS = 8;

export class SessionCore {
  readonly store: MailStore;
  readonly out: GatheringWriter;
  readonly settings: ImapUserSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly handOff: ImapHandOff;
  readonly user: string;
  readonly enabled: Set<string>;
  readonly counters: SessionCounters = {
    input: 0,
    deleted: 0,
    expunged: 0,
    headerCount: 0,
    headerOctets: 0,
    bodyCount: 0,
    bodyOctets: 0,
  };
  clientId: Readonly<Record<string, string>>;
  /** NOTIFY is in force. */
  notifying: Notifying | undefined;
  /** Something that NOTIFY asked for may have happened; the session looks when it rests. */
  notifyHint: () => void = () => {};
  /** Writes a line about this session. */
  logInfo: (text: string) => void = () => {};
  selected: Selected | undefined;
  /** COMPRESS is in force. */
  compressed = false;
  /** Of the command that runs. */
  tag = '';
  /** The connection is gone or going: long work stops. */
  over = false;
  #sliceEnd = 0;
  #nextProgress = 0;

  constructor(options: SessionCoreOptions) {
    this.store = options.store;
    this.out = options.out;
    this.settings = options.settings;
    this.clock = options.clock;
    this.log = options.log;
    this.handOff = options.handOff;
    this.user = options.user;
    this.enabled = new Set(options.handOff.enabled);
    this.clientId = options.handOff.clientId;
  }

  /** Called between messages of long work: waits for the client, and lets other sessions in. */
  async breathe(): Promise<void> {
    if (this.out.blocked) await this.out.ready();
    if (this.clock.now() < this.#sliceEnd) return;
    this.#tellProgress();
    this.out.flush();
    await this.clock.turn();
    this.#sliceEnd = this.clock.now() + SLICE_MS;
  }

  /** The command that runs has done so much of so much; told when it takes long (RFC 9585). Undefined: no such thing. */
  progress: { done: number; readonly goal: number } | undefined;

  #tellProgress(): void {
    const { progress } = this;
    if (progress === undefined || this.clock.now() < this.#nextProgress) return;
    this.#nextProgress = this.clock.now() + PROGRESS_MS;
    const { done: part, goal } = progress;
    this.out.text(`* OK [INPROGRESS (${formatString(this.tag)} ${part} ${goal})] Still working on it\r\n`);
  }

  /** A command begins: the client has heard of nothing yet. */
  beginCommand(tag: string): void {
    this.tag = tag;
    this.progress = undefined;
    this.#nextProgress = this.clock.now() + PROGRESS_MS;
  }

  /** Whether `breathe` has something to do; spares an await per message. */
  get shouldBreathe(): boolean {
    return this.out.blocked || this.clock.now() >= this.#sliceEnd;
  }

  /**
   * RFC 7162 §3.1: a command that speaks of modification sequences switches CONDSTORE on, and FETCH responses carry
   * them from then on.
   */
  enableCondstore(): void {
    if (this.enabled.has('CONDSTORE')) return;
    this.enabled.add('CONDSTORE');
    // DOVECOT: told at once for the mailbox that is selected.
    const modseq = this.selected?.mailbox.highestModseq;
    if (modseq !== undefined) this.out.text(`* OK [HIGHESTMODSEQ ${modseq}] Highest\r\n`);
  }

  /** RFC 9051: the session speaks IMAP4rev2. */
  get rev2(): boolean {
    return this.enabled.has('IMAP4REV2');
  }

  /** Mailbox names are in UTF-8, in both directions. */
  get utf8Names(): boolean {
    return this.rev2 || this.enabled.has('UTF8=ACCEPT');
  }

  formatName(name: string): string {
    const shown = shownName(name, this.settings.namespace) ?? name;
    return this.utf8Names ? formatUtf8Name(shown) : formatAstring(shown);
  }

  /** A name for the text of an answer. */
  shown(name: string): string {
    return shownName(name, this.settings.namespace) ?? name;
  }

  /** The separator of mailbox names, as a quoted string. */
  get separator(): string {
    return formatString(this.settings.namespace.separator);
  }

  /** What is announced in this session. */
  get capabilities(): string {
    const known = this.store.quota === undefined ? CAPABILITIES : [...CAPABILITIES, ...QUOTA_CAPABILITIES];
    const words = withSetting(known, this.settings.capability);
    // RFC 4978 §3: there is nothing more to be had by it.
    return this.compressed ? words.replace(' COMPRESS=DEFLATE', '') : words;
  }

  beginSlice(): void {
    this.#sliceEnd = this.clock.now() + SLICE_MS;
  }

  async deselect(): Promise<void> {
    const { selected } = this;
    this.selected = undefined;
    await selected?.mailbox.close();
  }

  /** Selects, with the recent messages claimed unless read-only. */
  async select(mailbox: Mailbox, readOnly: boolean): Promise<Selected> {
    const recent = readOnly ? mailbox.unclaimedRecent : await mailbox.claimRecent();
    this.selected = new Selected(mailbox, readOnly, this.rev2 ? [] : recent);
    return this.selected;
  }
}

export interface Outcome {
  readonly status: Status;
  /** What the session does after answering. */
  readonly next?: 'logout' | 'idle' | 'compress';
}

export function done(status: Status): Outcome {
  return { status };
}

/**
 * What a command is. `sync`: whether changes are told before its tagged answer, and whether EXPUNGE may be among
 * them. `refresh`: looks at the storage first, so that what other programs did shows.
 */
export interface CommandRow<Kind extends CommandKind = CommandKind> {
  readonly kinds: readonly Kind[];
  readonly needsMailbox: boolean;
  readonly sync: 'none' | 'holdExpunges' | 'all';
  readonly refresh: boolean;
  run(core: SessionCore, command: Extract<Command, { readonly kind: Kind }>): Promise<Outcome> | Outcome;
}
