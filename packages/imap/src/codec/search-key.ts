// Search keys (RFC 3501 §6.4.4, RFC 5032 WITHIN) as values. Texts are decoded already.

import type { Day } from './dates.ts';
import type { SequenceSet } from './sequence-set.ts';

export type SearchKey =
  | { readonly kind: 'all' }
  | { readonly kind: 'flag'; readonly flag: string; readonly present: boolean }
  | { readonly kind: 'recent'; readonly present: boolean }
  | { readonly kind: 'sequence' | 'uid'; readonly set: SequenceSet }
  /** `internal`: INTERNALDATE; `sent`: the Date: header, both without time and zone. */
  | {
      readonly kind: 'date';
      readonly of: 'internal' | 'sent';
      readonly relation: 'before' | 'on' | 'since';
      readonly day: Day;
    }
  /** RFC 5032: INTERNALDATE within, or beyond, so many seconds from now. */
  | { readonly kind: 'age'; readonly relation: 'younger' | 'older'; readonly seconds: number }
  | { readonly kind: 'size'; readonly relation: 'larger' | 'smaller'; readonly octets: number }
  /** An empty text matches every message that has the field. */
  | { readonly kind: 'header'; readonly field: string; readonly text: string }
  | { readonly kind: 'body' | 'text'; readonly text: string }
  | { readonly kind: 'not'; readonly key: SearchKey }
  | { readonly kind: 'and' | 'or'; readonly keys: readonly SearchKey[] };

/** RFC 4731: what `RETURN (…)` asked for. Undefined stands for the plain SEARCH response. */
export type SearchReturn = ReadonlySet<'MIN' | 'MAX' | 'ALL' | 'COUNT'>;
