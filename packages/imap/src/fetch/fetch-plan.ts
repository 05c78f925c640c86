// What a FETCH wants, put into the order of Dovecot's responses: short data first, in the order asked, with the UID
// at the front of UID FETCH; then structures and sections, in the order asked.

import type { Numbering } from '../codec/command.ts';
import type { FetchItem } from '../codec/fetch-item.ts';

export type ShortItem =
  | 'flags'
  | 'uid'
  | 'internalDate'
  | 'size'
  | 'modseq'
  | 'saveDate'
  | 'emailId'
  | 'threadId';
export type LongItem = Exclude<FetchItem, { readonly kind: ShortItem }>;
export type SectionItem = Extract<FetchItem, { readonly kind: 'section' }>;

export interface FetchPlan {
  readonly short: readonly ShortItem[];
  readonly long: readonly LongItem[];
  /** Some section is asked without PEEK: messages become `\Seen`. */
  readonly setsSeen: boolean;
  /** Flags are shown only where they change: nobody asked for them. */
  readonly flagsOnChange: boolean;
  /** The message will be read to its end: what else is asked follows from that reading. */
  readonly readsAll: boolean;
}

export function planFetch(
  items: readonly FetchItem[],
  options: {
    readonly numbering: Numbering;
    readonly readOnly: boolean;
    /** RFC 7162 §3.1.4.1: CHANGEDSINCE asks for them too. */
    readonly withModseq?: boolean;
  },
): FetchPlan {
  const { numbering, withModseq = false } = options;
  const short: ShortItem[] = numbering === 'uid' ? ['uid'] : [];
  const long: LongItem[] = [];
  let setsSeen = false;
  for (const item of items) {
    if (isShort(item)) {
      if (!short.includes(item.kind)) short.push(item.kind);
    } else {
      long.push(item);
      if ((item.kind === 'section' || item.kind === 'binary') && !item.peek) setsSeen = true;
    }
  }
  if (withModseq && !short.includes('modseq')) short.push('modseq');
  setsSeen = setsSeen && !options.readOnly;
  const flagsOnChange = setsSeen && !short.includes('flags');
  if (flagsOnChange) short.push('flags');
  const readsAll = long.some(
    (item) => item.kind === 'section' && item.section.part.length === 0 && READ_WHOLE.has(item.section.what),
  );
  return { short, long, setsSeen, flagsOnChange, readsAll };
}

function isShort(item: FetchItem): item is Extract<FetchItem, { readonly kind: ShortItem }> {
  return SHORT.has(item.kind);
}

const READ_WHOLE: ReadonlySet<string> = new Set<SectionItem['section']['what']>(['all', 'text']);
const SHORT: ReadonlySet<string> = new Set<ShortItem>([
  'flags',
  'uid',
  'internalDate',
  'size',
  'modseq',
  'saveDate',
  'emailId',
  'threadId',
]);
