// NOTIFY in force (RFC 5465): mailboxes beside the selected one are watched, and what happens to them is told as STATUS and
// LIST. Nothing is told from events alone: a hint leads to a look, and the look is compared with the last one.

import { type Mailbox, type MailboxEntry, MailboxError, type MailboxStatus } from '@postcote/mailbox';
import type { StatusItem } from '../codec/command.ts';
import type { NotifyEvent, NotifyFilter, NotifyGroup } from '../codec/notify.ts';
import type { SessionCore } from './core.ts';
import { statusResponse } from './commands/status.ts';

/** Watched by one client; the messages of a mailbox that is watched are in memory. */
const MAX_MAILBOXES = 100;
const MAX_MESSAGES = 200_000;
/** How often names and subscriptions are looked at, which nobody gives hints of. */
const NAMES_MS = 10_000;

interface Watched {
  readonly mailbox: Mailbox;
  readonly events: ReadonlySet<NotifyEvent>;
  readonly unwatch: () => void;
  last: MailboxStatus;
  dirty: boolean;
}

export class Notifying {
  readonly groups: readonly NotifyGroup[];
  readonly #core: SessionCore;
  readonly #hint: () => void;
  readonly #watched = new Map<string, Watched>();
  #entries = new Map<string, MailboxEntry>();
  #namesDirty = false;
  #cancelTimer: () => void = () => {};
  #stopped = false;

  constructor(core: SessionCore, groups: readonly NotifyGroup[], hint: () => void) {
    this.#core = core;
    this.groups = groups;
    this.#hint = hint;
  }

  /** Of the mailbox that is selected; undefined where nothing is to be told before a command ends. */
  get selected(): NotifyGroup | undefined {
    return this.groups.find(({ filter }) => filter.kind === 'selected' || filter.kind === 'selectedDelayed');
  }

  /** Begins to watch. `overflow`: it would be too much, and nothing is watched. */
  async start(status: boolean): Promise<'watching' | 'overflow'> {
    const { store } = this.#core;
    const entries = await store.list();
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
    let messages = 0;
    for (const entry of entries) {
      const events = this.#eventsOf(entry);
      if (!entry.selectable || !entry.exists || ![...events].some((event) => OF_MESSAGES.has(event)))
        continue;
      await this.#watch(entry.name, events);
      messages += this.#watched.get(entry.name)?.mailbox.records.length ?? 0;
      if (this.#watched.size > MAX_MAILBOXES || messages > MAX_MESSAGES) {
        await this.stop();
        return 'overflow';
      }
      const isSelected = this.#core.selected?.mailbox.name === entry.name;
      if (status && !isSelected) this.#core.out.text(await this.#statusOf(entry.name, events));
    }
    if (this.groups.some(({ events }) => events.has('MailboxName') || events.has('SubscriptionChange')))
      this.#lookAtNamesLater();
    return 'watching';
  }

  async #watch(name: string, events: ReadonlySet<NotifyEvent>): Promise<void> {
    const { store } = this.#core;
    try {
      const mailbox = await store.open(name);
      const last = await store.status(name);
      const unwatch = mailbox.watch(() => {
        const watched = this.#watched.get(name);
        if (watched !== undefined) watched.dirty = true;
        if (!this.#stopped) this.#hint();
      });
      this.#watched.set(name, { mailbox, events, unwatch, last, dirty: false });
    } catch (error) {
      // Deleted meanwhile, or not to be opened: there is nothing to tell of it.
      if (!(error instanceof MailboxError)) throw error;
    }
  }

  /** RFC 5465 §6: the first group that fits counts. */
  #eventsOf(entry: MailboxEntry): ReadonlySet<NotifyEvent> {
    return this.groups.find(({ filter }) => fits(filter, entry))?.events ?? NO_EVENTS;
  }

  #statusOf(name: string, events: ReadonlySet<NotifyEvent>): Promise<string> {
    const items: StatusItem[] = [];
    // DOVECOT: these items for these events.
    if (events.has('MessageNew') || events.has('MessageExpunge')) items.push('MESSAGES');
    if (events.has('MessageNew')) items.push('UIDNEXT');
    if (events.has('MessageNew') || events.has('FlagChange')) items.push('UIDVALIDITY');
    if (events.has('FlagChange')) items.push('UNSEEN', 'HIGHESTMODSEQ');
    return statusResponse(this.#core, name, items);
  }

  /** Tells what has changed. Between commands, one call at a time. */
  async tell(): Promise<void> {
    for (const [name, watched] of this.#watched) {
      if (!watched.dirty || this.#stopped) continue;
      watched.dirty = false;
      try {
        await watched.mailbox.refresh();
        const now = await this.#core.store.status(name);
        const before = watched.last;
        watched.last = now;
        // The selected mailbox speaks for itself.
        if (this.#core.selected?.mailbox.name === name || !concerns(watched.events, before, now)) continue;
        this.#core.out.text(await this.#statusOf(name, watched.events));
      } catch (error) {
        if (!(error instanceof MailboxError)) throw error;
        this.#namesDirty = true;
        await this.#forget(name);
      }
    }
    if (this.#namesDirty && !this.#stopped) await this.#tellNames();
  }

  async #tellNames(): Promise<void> {
    this.#namesDirty = false;
    const { store, out } = this.#core;
    const entries = new Map((await store.list()).map((entry) => [entry.name, entry]));
    const before = this.#entries;
    this.#entries = entries;
    for (const [name, entry] of entries) {
      const events = this.#eventsOf(entry);
      const old = before.get(name);
      const isNew = old?.exists !== true && entry.exists;
      const isGone = old?.exists === true && !entry.exists;
      const tells =
        (events.has('MailboxName') && (isNew || isGone)) ||
        (events.has('SubscriptionChange') &&
          old?.subscribed !== entry.subscribed &&
          (old ?? entry.subscribed) !== false);
      if (tells) out.text(this.#listResponse(entry));
      const isWatchable = isNew && entry.selectable && this.#watched.size < MAX_MAILBOXES;
      if (isWatchable && [...events].some((event) => OF_MESSAGES.has(event))) await this.#watch(name, events);
    }
    for (const [name, entry] of before) {
      if (entries.has(name)) continue;
      await this.#forget(name);
      if (this.#eventsOf(entry).has('MailboxName'))
        out.text(this.#listResponse({ ...entry, exists: false, subscribed: false }));
    }
  }

  #listResponse(entry: MailboxEntry): string {
    const words: string[] = [];
    if (entry.subscribed) words.push('\\Subscribed');
    if (!entry.exists) words.push('\\NonExistent');
    else if (!entry.selectable) words.push('\\Noselect');
    return `* LIST (${words.join(' ')}) ${this.#core.separator} ${this.#core.formatName(entry.name)}\r\n`;
  }

  #lookAtNamesLater(): void {
    this.#cancelTimer = this.#core.clock.after(NAMES_MS, () => {
      if (this.#stopped) return;
      this.#namesDirty = true;
      this.#hint();
      this.#lookAtNamesLater();
    });
  }

  async #forget(name: string): Promise<void> {
    const watched = this.#watched.get(name);
    this.#watched.delete(name);
    watched?.unwatch();
    await watched?.mailbox.close();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    for (const name of Array.from(this.#watched.keys())) await this.#forget(name);
  }
}

const NO_EVENTS: ReadonlySet<NotifyEvent> = new Set();
const OF_MESSAGES: ReadonlySet<NotifyEvent> = new Set<NotifyEvent>([
  'MessageNew',
  'MessageExpunge',
  'FlagChange',
]);

function fits(filter: NotifyFilter, { name, subscribed }: MailboxEntry): boolean {
  switch (filter.kind) {
    case 'inboxes':
      // Where mail is delivered to.
      return name === 'INBOX';
    case 'personal':
      return true;
    case 'subscribed':
      return subscribed;
    case 'subtree':
      return filter.names.some((top) => name === top || name.startsWith(`${top}/`));
    case 'mailboxes':
      return filter.names.includes(name);
    default:
      return false;
  }
}

function concerns(events: ReadonlySet<NotifyEvent>, before: MailboxStatus, now: MailboxStatus): boolean {
  if (before.uidValidity !== now.uidValidity) return true;
  if (events.has('MessageNew') && now.uidNext > before.uidNext) return true;
  const gone = before.messages + (now.uidNext - before.uidNext) > now.messages;
  if (events.has('MessageExpunge') && (now.messages < before.messages || gone)) return true;
  return events.has('FlagChange') && now.highestModseq > before.highestModseq;
}
