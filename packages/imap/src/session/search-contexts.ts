// Searches whose results the client follows (RFC 5267 CONTEXT=SEARCH): what comes into the result of each and what
// leaves it is told between commands, only of messages that changed.

import { findRecord, lowerBound } from '@postcote/mailbox';
import type { GatheringWriter } from '@postcote/wire';
import type { Numbering } from '../codec/command.ts';
import { formatString } from '../codec/response.ts';
import type { SearchKey } from '../codec/search-key.ts';
import { formatNumbers } from '../codec/sequence-set.ts';
import type { SessionCore } from './core.ts';
import { programFor } from './finding.ts';
import type { Selected, SyncNews } from './selected.ts';

export interface SearchContext {
  readonly tag: string;
  readonly numbering: Numbering;
  readonly key: SearchKey;
  /** UIDs of the messages that match, as the client was told. */
  readonly members: Set<number>;
}

/** Followed in one mailbox at a time; each costs a look at every message that changes. */
const MAX_CONTEXTS = 16;

export class SearchContexts {
  readonly #contexts = new Map<string, SearchContext>();

  get size(): number {
    return this.#contexts.size;
  }

  has(tag: string): boolean {
    return this.#contexts.has(tag);
  }

  /** False when there are too many (the client is told NOUPDATE). */
  add(context: SearchContext): boolean {
    if (this.#contexts.size >= MAX_CONTEXTS) return false;
    this.#contexts.set(context.tag, context);
    return true;
  }

  /** False when one of the tags is not known. */
  cancel(tags: readonly string[]): boolean {
    let known = true;
    for (const tag of tags) if (!this.#contexts.delete(tag)) known = false;
    return known;
  }

  /** Before the EXPUNGE responses: sequence numbers are still the old ones. */
  forget(out: GatheringWriter, vanished: readonly number[], uids: Uint32Array): void {
    for (const context of this.#contexts.values()) {
      const gone = vanished.filter((uid) => context.members.delete(uid));
      if (gone.length > 0) out.text(formatUpdate(context, { word: 'REMOVEFROM', members: gone }, uids));
    }
  }

  async follow(core: SessionCore, selected: Selected, news: SyncNews): Promise<void> {
    const { uids } = selected;
    const looked = [...news.changed, ...uids.subarray(news.appeared)];
    for (const context of this.#contexts.values()) {
      const program = programFor(core, selected, context.key);
      const added: number[] = [];
      const removed: number[] = [];
      for (const uid of looked) {
        if (core.shouldBreathe) await core.breathe();
        const record = findRecord(selected.mailbox.records, uid);
        const seq = lowerBound(uids, uid) + 1;
        if (record === undefined || uids[seq - 1] !== uid) continue;
        const open = (): ReturnType<typeof selected.mailbox.message> => selected.mailbox.message(uid);
        const matched = await program.matches({ seq, record, recent: selected.isRecent(uid), open });
        if (matched === context.members.has(uid)) continue;
        if (matched) added.push(uid);
        else removed.push(uid);
        if (matched) context.members.add(uid);
        else context.members.delete(uid);
      }
      if (removed.length > 0)
        core.out.text(formatUpdate(context, { word: 'REMOVEFROM', members: removed }, uids));
      if (added.length > 0) core.out.text(formatUpdate(context, { word: 'ADDTO', members: added }, uids));
    }
  }
}

/** RFC 5267 §4.3: position 0 says that the client sees to the order itself. */
function formatUpdate(
  { tag, numbering }: SearchContext,
  change: { readonly word: 'ADDTO' | 'REMOVEFROM'; readonly members: readonly number[] },
  uids: Uint32Array,
): string {
  const sorted = [...change.members].sort((a, b) => a - b);
  const numbers = numbering === 'uid' ? sorted : sorted.map((uid) => lowerBound(uids, uid) + 1);
  const uidWord = numbering === 'uid' ? ' UID' : '';
  return `* ESEARCH (TAG ${formatString(tag)})${uidWord} ${change.word} (0 ${formatNumbers(numbers)})\r\n`;
}
