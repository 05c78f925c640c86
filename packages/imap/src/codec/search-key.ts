// Search keys (RFC 3501 §6.4.4, RFC 5032 WITHIN, RFC 7162 MODSEQ, RFC 8474, RFC 8514) as values. Texts are decoded
// already.

import type { Day } from './dates.ts';
import type { SequenceSet } from './sequence-set.ts';

export type SearchKey =
  | { readonly kind: 'all' }
  | { readonly kind: 'flag'; readonly flag: string; readonly present: boolean }
  | { readonly kind: 'recent'; readonly present: boolean }
  | { readonly kind: 'sequence' | 'uid'; readonly set: SequenceSet }
  /** `internal`: INTERNALDATE; `sent`: the Date: header; `saved`: SAVEDATE; all without time and zone. */
  | {
      readonly kind: 'date';
      readonly of: 'internal' | 'sent' | 'saved';
      readonly relation: 'before' | 'on' | 'since';
      readonly day: Day;
    }
  /** RFC 5032: INTERNALDATE within, or beyond, so many seconds from now. */
  | { readonly kind: 'age'; readonly relation: 'younger' | 'older'; readonly seconds: number }
  | { readonly kind: 'size'; readonly relation: 'larger' | 'smaller'; readonly octets: number }
  /** RFC 7162 §3.1.5: changed at that modification or later. */
  | { readonly kind: 'modseq'; readonly atLeast: number }
  /** RFC 8514 §4.3: whether the mailbox keeps save dates. */
  | { readonly kind: 'saveDateSupported' }
  /** RFC 8474 §4. */
  | { readonly kind: 'emailId' | 'threadId'; readonly id: string }
  /** An empty text matches every message that has the field. */
  | { readonly kind: 'header'; readonly field: string; readonly text: string }
  | { readonly kind: 'body' | 'text'; readonly text: string }
  | { readonly kind: 'not'; readonly key: SearchKey }
  | { readonly kind: 'and' | 'or'; readonly keys: readonly SearchKey[] };

/** Positions in a result, 1 being the first and -1 the last (RFC 5267 §4.4, RFC 9394). `from` stands before `to`. */
export interface PartialRange {
  readonly from: number;
  readonly to: number;
}

export type SearchReturnWord = 'MIN' | 'MAX' | 'ALL' | 'COUNT' | 'SAVE' | 'UPDATE' | 'CONTEXT' | 'PARTIAL';

/** RFC 4731, 5182, 5267: what `RETURN (…)` asked for. Undefined stands for the plain SEARCH response. */
export interface SearchReturns {
  readonly words: ReadonlySet<SearchReturnWord>;
  /** With PARTIAL. */
  readonly partial?: PartialRange;
}

/** RFC 5256 §3, RFC 5957. */
export type SortField =
  | 'ARRIVAL'
  | 'CC'
  | 'DATE'
  | 'FROM'
  | 'SIZE'
  | 'SUBJECT'
  | 'TO'
  | 'DISPLAYFROM'
  | 'DISPLAYTO';

export interface SortCriterion {
  readonly field: SortField;
  readonly reverse: boolean;
}

/** RFC 5256 §4; REFS groups by ids alone and orders by what came last. */
export type ThreadAlgorithm = 'ORDEREDSUBJECT' | 'REFERENCES' | 'REFS';
