// Decides whether a message matches a search key.
//
// Keys that need only the record, and texts that the store's index knows about, are decided at once; the others open
// the message, cheapest first, and only when the cheap ones left the question open. Depth is bounded by the parser, so
// walking the key may recurse.

import {
  type Mailbox,
  type MessageHandle,
  type MessageRecord,
  MailboxError,
  type TextVerdicts,
} from '@postcote/mailbox';
import { foldForSearch } from '@postcote/mime';
import { dayOf } from '../codec/dates.ts';
import type { SearchKey } from '../codec/search-key.ts';
import { type NumberRange, resolveSequenceSet, type SequenceSet } from '../codec/sequence-set.ts';
import { emailId } from '../fetch/object-id.ts';
import { isAddressField, MessageText, type Needles } from './message-text.ts';

export interface SearchScope {
  /** Messages in the view, and the UID of the last: what `*` stands for. */
  readonly count: number;
  readonly lastUid: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly zone: (date: Date) => number;
  /** What `$` stands for (RFC 5182); nothing when absent. */
  readonly isSaved?: (uid: number) => boolean;
}

export interface SearchedMessage {
  readonly seq: number;
  readonly record: MessageRecord;
  readonly recent: boolean;
  open(): MessageHandle | undefined;
}

type Undecided = undefined;
type TextKey = Extract<SearchKey, { readonly kind: 'header' | 'body' | 'text' }>;

export class SearchProgram {
  readonly #key: SearchKey;
  readonly #scope: SearchScope;
  readonly #needles: Needles;
  readonly #sets = new Map<SequenceSet, readonly NumberRange[]>();
  readonly #verdicts = new Map<SearchKey, TextVerdicts>();

  /** RFC 7162 §3.1.5: the response then tells the highest modification sequence. */
  readonly usesModseq: boolean;

  constructor(key: SearchKey, scope: SearchScope) {
    this.#key = prepare(key);
    this.#scope = scope;
    this.usesModseq = some(this.#key, ({ kind }) => kind === 'modseq');
    this.#needles = { body: needlesOf(this.#key, 'body'), text: needlesOf(this.#key, 'text') };
  }

  /** Asks the mailbox's index about the texts, where it has one. Without, `matches` reads what it must. */
  async consult(mailbox: Mailbox): Promise<void> {
    if (mailbox.searchText === undefined) return;
    for (const key of textKeysOf(this.#key)) {
      if (key.text === '') continue;
      // Addresses are found in other forms than they are written in: of anything but a word the index knows too little.
      if (key.kind === 'header' && isAddressField(key.field) && !/^[\w-]+$/.test(key.text)) continue;
      const verdicts = await mailbox.searchText(key.kind, key.text);
      if (verdicts !== undefined) this.#verdicts.set(key, verdicts);
    }
  }

  matches(message: SearchedMessage): boolean | Promise<boolean> {
    return this.#quick(this.#key, message) ?? this.#slow(message);
  }

  async #slow(message: SearchedMessage): Promise<boolean> {
    const handle = message.open();
    if (handle === undefined) return false;
    try {
      return await this.#full(this.#key, { message, handle, text: new MessageText(handle, this.#needles) });
    } catch (error) {
      // Expunged by somebody while we looked: it does not match anything any more.
      if (error instanceof MailboxError && error.code === 'expunged') return false;
      throw error;
    }
  }

  #quick(key: SearchKey, message: SearchedMessage): boolean | Undecided {
    switch (key.kind) {
      case 'all':
        return true;
      case 'flag':
        return hasFlag(message.record.flags, key.flag) === key.present;
      case 'recent':
        return message.recent === key.present;
      case 'sequence':
        if (key.set.kind === 'saved') return this.#scope.isSaved?.(message.record.uid) ?? false;
        return contains(this.#ranges(key.set, this.#scope.count), message.seq);
      case 'modseq':
        return message.record.modseq >= key.atLeast;
      case 'threadId':
        // No message is known by a thread (RFC 8474 §5.2 allows NIL for all).
        return false;
      case 'uid':
        if (key.set.kind === 'saved') return this.#scope.isSaved?.(message.record.uid) ?? false;
        return contains(this.#ranges(key.set, this.#scope.lastUid), message.record.uid);
      case 'header':
      case 'body':
      case 'text':
        return this.#verdicts.get(key)?.(message.record.uid);
      case 'not': {
        const inner = this.#quick(key.key, message);
        return inner === undefined ? undefined : !inner;
      }
      case 'and':
      case 'or': {
        const decisive = key.kind === 'or';
        let open = false;
        for (const part of key.keys) {
          const value = this.#quick(part, message);
          if (value === decisive) return decisive;
          if (value === undefined) open = true;
        }
        return open ? undefined : !decisive;
      }
      default:
        return undefined;
    }
  }

  async #full(
    key: SearchKey,
    at: { readonly message: SearchedMessage; readonly handle: MessageHandle; readonly text: MessageText },
  ): Promise<boolean> {
    const quick = this.#quick(key, at.message);
    if (quick !== undefined) return quick;
    const { handle, text } = at;
    switch (key.kind) {
      case 'not':
        return !(await this.#full(key.key, at));
      case 'and':
      case 'or': {
        const decisive = key.kind === 'or';
        for (const part of key.keys) if ((await this.#full(part, at)) === decisive) return decisive;
        return !decisive;
      }
      case 'size': {
        const size = await handle.size();
        return key.relation === 'larger' ? size > key.octets : size < key.octets;
      }
      case 'age': {
        const age = this.#scope.now - (await handle.internalDate()).getTime();
        return key.relation === 'younger' ? age <= key.seconds * 1000 : age >= key.seconds * 1000;
      }
      case 'date': {
        const day = await this.#day(key.of, at);
        if (day === undefined) return false;
        if (key.relation === 'before') return day < key.day;
        return key.relation === 'on' ? day === key.day : day >= key.day;
      }
      case 'saveDateSupported':
        return handle.saveDate !== undefined;
      case 'emailId':
        return emailId(handle) === key.id;
      case 'header':
        return text.headerContains(key.field, key.text);
      case 'body':
      case 'text':
        return text.contains(key.kind, key.text);
      default:
        return false;
    }
  }

  async #day(
    of: 'internal' | 'sent' | 'saved',
    { handle, text }: { readonly handle: MessageHandle; readonly text: MessageText },
  ): Promise<number | undefined> {
    if (of === 'sent') return text.sentDay();
    // RFC 8514 §4.2: where save dates are not kept, INTERNALDATE stands in.
    const date =
      of === 'saved' && handle.saveDate !== undefined ? await handle.saveDate() : await handle.internalDate();
    return dayOf(date, this.#scope.zone(date));
  }

  #ranges(set: SequenceSet, largest: number): readonly NumberRange[] {
    const known = this.#sets.get(set);
    if (known !== undefined) return known;
    const ranges = resolveSequenceSet(set, largest);
    this.#sets.set(set, ranges);
    return ranges;
  }
}

/** Keywords compare without case (the Maildir format keeps one spelling). */
function hasFlag(flags: readonly string[], wanted: string): boolean {
  if (flags.includes(wanted)) return true;
  if (wanted.startsWith('\\')) return false;
  const lower = wanted.toLowerCase();
  return flags.some((flag) => flag.toLowerCase() === lower);
}

function contains(ranges: readonly NumberRange[], number: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle] as NumberRange;
    if (number < range.first) high = middle;
    else if (number > range.last) low = middle + 1;
    else return true;
  }
  return false;
}

/** Texts are folded once, and what costs least is asked first. */
function prepare(key: SearchKey): SearchKey {
  switch (key.kind) {
    case 'header':
    case 'body':
    case 'text':
      return { ...key, text: foldForSearch(key.text) };
    case 'not':
      return { kind: 'not', key: prepare(key.key) };
    case 'and':
    case 'or':
      return { kind: key.kind, keys: key.keys.map(prepare).sort((a, b) => cost(a) - cost(b)) };
    default:
      return key;
  }
}

/** Whether any key within `root` is such a one. */
export function some(root: SearchKey, test: (key: SearchKey) => boolean): boolean {
  const rest: SearchKey[] = [root];
  for (let key = rest.pop(); key !== undefined; key = rest.pop()) {
    if (test(key)) return true;
    if (key.kind === 'not') rest.push(key.key);
    else if (key.kind === 'and' || key.kind === 'or') rest.push(...key.keys);
  }
  return false;
}

function needlesOf(root: SearchKey, kind: keyof Needles): string[] {
  return [...new Set(textKeysOf(root).flatMap((key) => (key.kind === kind ? [key.text] : [])))];
}

function textKeysOf(root: SearchKey): TextKey[] {
  const found: TextKey[] = [];
  const rest: SearchKey[] = [root];
  for (let key = rest.pop(); key !== undefined; key = rest.pop()) {
    if (key.kind === 'header' || key.kind === 'body' || key.kind === 'text') found.push(key);
    else if (key.kind === 'not') rest.push(key.key);
    else if (key.kind === 'and' || key.kind === 'or') rest.push(...key.keys);
  }
  return found;
}

function cost(key: SearchKey): number {
  switch (key.kind) {
    case 'size':
    case 'age':
      return 1;
    case 'date':
      return key.of === 'internal' ? 1 : 2;
    case 'header':
      return 2;
    case 'body':
    case 'text':
      return 4;
    case 'not':
      return cost(key.key);
    case 'and':
    case 'or':
      return Math.max(0, ...key.keys.slice(0, 100).map(cost));
    default:
      return 0;
  }
}
