// The selected mailbox as this client knows it: which messages stand under which numbers, which are recent, which
// flags it has been told. Changes, whoever made them, are told by `sync` between commands.

import {
  diffView,
  findRecord,
  lowerBound,
  type Mailbox,
  type MailboxView,
  type MessageRecord,
  openView,
  type PackedView,
  packView,
  unpackView,
} from '@postcote/mailbox';
import type { GatheringWriter } from '@postcote/wire';
import type { Numbering } from '../codec/command.ts';
import { FLAG_ORDER, formatFlags } from '../codec/flags.ts';
import {
  formatNumbers,
  lowerBound as lowerBoundOf,
  type NumberRange,
  rangesOf,
  resolveSequenceSet,
  type SequenceSet,
} from '../codec/sequence-set.ts';
import { SearchContexts } from './search-contexts.ts';

/** The mailbox is no longer the one that was selected: the session has to end. */
export class MailboxReplaced extends Error {
  override readonly name = 'MailboxReplaced';
}

export interface SyncOptions {
  /** RFC 3501 §7.4.1: no EXPUNGE in answer to FETCH, STORE or SEARCH by sequence number. */
  readonly holdExpunges: boolean;
  /** FETCH responses carry the UID: after UID commands. */
  readonly withUid: boolean;
  /** RFC 7162: FETCH responses carry the modification sequence; VANISHED stands for EXPUNGE. */
  /** Messages that are new to the client are told another time. */
  readonly holdNew?: boolean;
  /** RFC 9051 knows no recent messages. */
  readonly hideRecent?: boolean;
  readonly condstore: boolean;
  readonly qresync: boolean;
}

/** Plain JSON; see `ImapSessionState`. */
export interface SelectedState {
  readonly name: string;
  readonly readOnly: boolean;
  readonly view: PackedView;
  readonly recent: readonly NumberRange[];
  readonly recentShown: number;
  readonly keywords: string;
  /** The result of the last SEARCH RETURN (SAVE), as UIDs. */
  readonly saved?: readonly NumberRange[];
}

/** What a sync told, for those who follow a search (RFC 5267). */
export interface SyncNews {
  /** Messages whose flags changed, whether or not the client was told. */
  readonly changed: readonly number[];
  /** Index of the first message that is new to the client. */
  readonly appeared: number;
}

export class Selected {
  readonly mailbox: Mailbox;
  readonly readOnly: boolean;
  #view: MailboxView;
  readonly #recent: Set<number>;
  #recentShown = 0;
  #keywordsShown: string;
  /** What this session changed and need not be told: UID to the modseq of that change. */
  readonly #silenced = new Map<number, number>();
  /** RFC 5182: `$`, as ascending UIDs. */
  #saved: readonly number[] = [];
  readonly contexts = new SearchContexts();

  constructor(mailbox: Mailbox, readOnly: boolean, recent: readonly number[]) {
    this.mailbox = mailbox;
    this.readOnly = readOnly;
    this.#view = openView(mailbox);
    this.#recent = new Set(recent);
    this.#recentShown = this.recentCount;
    this.#keywordsShown = mailbox.keywords.join(' ');
  }

  static resume(mailbox: Mailbox, state: SelectedState): Selected {
    const selected = new Selected(mailbox, state.readOnly, []);
    selected.#view = unpackView(state.view);
    for (const { first, last } of state.recent) {
      for (let uid = first; uid <= last; uid++) selected.#recent.add(uid);
    }
    selected.#recentShown = state.recentShown;
    selected.#keywordsShown = state.keywords;
    selected.#saved = (state.saved ?? []).flatMap(({ first, last }) =>
      Array.from({ length: last - first + 1 }, (_, at) => first + at),
    );
    return selected;
  }

  pack(): SelectedState {
    return {
      name: this.mailbox.name,
      readOnly: this.readOnly,
      view: packView(this.#view),
      recent: rangesOf([...this.#recent].sort((a, b) => a - b)),
      recentShown: this.#recentShown,
      keywords: this.#keywordsShown,
      ...(this.#saved.length === 0 ? {} : { saved: rangesOf(this.#saved) }),
    };
  }

  /** UIDs by sequence number minus one. */
  get uids(): Uint32Array {
    return this.#view.uids;
  }

  isRecent(uid: number): boolean {
    return this.#recent.has(uid);
  }

  /** Of the messages in the view. Messages expunged leave the set at the sync that tells it. */
  get recentCount(): number {
    return this.#recent.size;
  }

  /** Keeps the result of a search for `$`; ascending UIDs. */
  save(uids: readonly number[]): void {
    this.#saved = uids;
  }

  isSaved(uid: number): boolean {
    return this.#saved[lowerBoundOf(this.#saved, uid)] === uid;
  }

  /** The current record; undefined when it is expunged. `index` is a guess, right unless something is expunged. */
  record(uid: number, index: number): MessageRecord | undefined {
    const { records } = this.mailbox;
    const guess = records[index];
    return guess !== undefined && guess.uid === uid ? guess : findRecord(records, uid);
  }

  /**
   * The messages a set names, as ranges of indices into `uids`; undefined when sequence numbers are named that do
   * not exist. UIDs that do not exist are passed over (RFC 3501 §6.4.8), `n:*` always has the last one.
   */
  resolve(set: SequenceSet, numbering: Numbering): readonly NumberRange[] | undefined {
    const { uids } = this;
    if (set.kind === 'saved') return rangesOf(this.#savedIndices());
    if (numbering === 'uid') {
      const ranges: NumberRange[] = [];
      for (const { first, last } of resolveSequenceSet(set, uids.at(-1) ?? 0)) {
        const from = lowerBound(uids, first);
        const to = (last >= 0xffffffff ? uids.length : lowerBound(uids, last + 1)) - 1;
        if (from <= to) ranges.push({ first: from, last: to });
      }
      return ranges;
    }
    const ranges = resolveSequenceSet(set, uids.length);
    const bottom = ranges[0];
    const top = ranges.at(-1);
    if (bottom === undefined || top === undefined || bottom.first < 1 || top.last > uids.length)
      return undefined;
    return ranges.map(({ first, last }) => ({ first: first - 1, last: last - 1 }));
  }

  *#savedIndices(): Generator<number> {
    for (const uid of this.#saved) {
      const index = lowerBound(this.uids, uid);
      if (this.uids[index] === uid) yield index;
    }
  }

  /** The UIDs of ranges of indices. */
  uidsOf(ranges: readonly NumberRange[]): number[] {
    const uids: number[] = [];
    for (const { first, last } of ranges) {
      for (let index = first; index <= last; index++) uids.push(this.uids[index] as number);
    }
    return uids;
  }

  /** Which of these messages the client knows in their present state; a silent change may be kept from it. */
  known(uids: readonly number[]): readonly number[] {
    return uids.filter(
      (uid) => (findRecord(this.mailbox.records, uid)?.modseq ?? Infinity) <= this.#view.modseq,
    );
  }

  /** The client knows what these messages are like now. */
  silence(uids: readonly number[]): void {
    for (const uid of uids) {
      const record = findRecord(this.mailbox.records, uid);
      if (record !== undefined && record.modseq > this.#view.modseq) this.#silenced.set(uid, record.modseq);
    }
  }

  /** `* FLAGS` and PERMANENTFLAGS. */
  flagResponses(): string {
    const { keywords, acceptsNewKeywords } = this.mailbox;
    const all = [...FLAG_ORDER, ...keywords].join(' ');
    const flags = `* FLAGS (${all})\r\n`;
    if (this.readOnly) return `${flags}* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n`;
    return `${flags}* OK [PERMANENTFLAGS (${all}${acceptsNewKeywords ? ' \\*' : ''})] Flags permitted.\r\n`;
  }

  /** Tells what has changed in the snapshot since the last time. Throws `MailboxReplaced`. */
  async sync(out: GatheringWriter, options: SyncOptions): Promise<SyncNews | undefined> {
    const { mailbox } = this;
    if (
      mailbox.uidValidity === this.#view.uidValidity &&
      mailbox.highestModseq === this.#view.modseq &&
      (options.holdExpunges || !this.#view.holding)
    ) {
      this.#silenced.clear();
      return undefined;
    }
    const lastKnown = this.uids.at(-1) ?? 0;
    const hasNew = (mailbox.records.at(-1)?.uid ?? 0) > lastKnown;
    if (hasNew && options.holdNew !== true && options.hideRecent !== true) await this.#noticeRecent();
    const diff = diffView(this.#view, mailbox, options);
    if (diff.reset) throw new MailboxReplaced('UIDVALIDITY changed');
    if (diff.vanished.length > 0) this.contexts.forget(out, diff.vanished, this.#view.uids);
    this.#view = diff.view;
    const keywords = mailbox.keywords.join(' ');
    if (keywords !== this.#keywordsShown) {
      this.#keywordsShown = keywords;
      out.text(this.flagResponses());
    }
    for (const uid of diff.vanished) this.#recent.delete(uid);
    if (!options.qresync) for (const seq of diff.expunged) out.text(`* ${seq} EXPUNGE\r\n`);
    else if (diff.vanished.length > 0) out.text(`* VANISHED ${formatNumbers(diff.vanished)}\r\n`);
    if (diff.exists !== undefined) out.text(`* ${diff.exists} EXISTS\r\n`);
    const recent = this.recentCount;
    if (options.hideRecent !== true && (recent !== this.#recentShown || diff.exists !== undefined)) {
      this.#recentShown = recent;
      out.text(`* ${recent} RECENT\r\n`);
    }
    for (const { seq, record } of diff.changed) {
      const silenced = this.#silenced.get(record.uid) === record.modseq;
      // RFC 7162 §3.1.3: the sequence is told even where the flags need not be.
      if (silenced && !options.condstore) continue;
      const words: string[] = [];
      if (options.withUid || options.qresync) words.push(`UID ${record.uid}`);
      if (options.condstore) words.push(`MODSEQ (${record.modseq})`);
      if (!silenced) words.push(`FLAGS (${formatFlags(record.flags, this.#recent.has(record.uid))})`);
      out.text(`* ${seq} FETCH (${words.join(' ')})\r\n`);
    }
    this.#silenced.clear();
    return {
      changed: diff.changed.map(({ record }) => record.uid),
      appeared: lowerBound(this.uids, lastKnown + 1),
    };
  }

  async #noticeRecent(): Promise<void> {
    const { mailbox } = this;
    const uids = this.readOnly ? mailbox.unclaimedRecent : await mailbox.claimRecent();
    for (const uid of uids) this.#recent.add(uid);
  }
}
