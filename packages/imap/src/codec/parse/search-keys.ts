// The keys of SEARCH, SORT and THREAD (RFC 3501 §6.4.4 and the extensions of `../search-key.ts`).
//
// NOT and OR nest without parentheses, so keys are parsed onto a stack of operators of our own: ten thousand NOTs
// are ten thousand steps, not calls. The depth of the result is bounded.

import { decodeCharset } from '@postcote/mime';
import { ArgCursor, argBytes, argText } from '../arg.ts';
import { badArguments, type Parsed, type ParseFailure, parsed } from '../command.ts';
import { parseDay } from '../dates.ts';
import { keywordText } from '../flags.ts';
import { parseModseq } from '../modseq.ts';
import type { SearchKey } from '../search-key.ts';
import { parseSequenceSet } from '../sequence-set.ts';

/** How deep NOT, OR and parentheses may stand within one another. */
const MAX_DEPTH = 500;

/** All keys up to the end of the arguments; texts are in `charset`, which is known. */
export function parseSearchKeys(cursor: ArgCursor, charset: string): Parsed<SearchKey> {
  if (cursor.atEnd) return badArguments('Missing search parameters');
  return new KeyParser(charset).parse(cursor);
}

/** Keys without arguments. */
const PLAIN: ReadonlyMap<string, SearchKey> = new Map<string, SearchKey>([
  ['ALL', { kind: 'all' }],
  ['ANSWERED', { kind: 'flag', flag: '\\Answered', present: true }],
  ['DELETED', { kind: 'flag', flag: '\\Deleted', present: true }],
  ['DRAFT', { kind: 'flag', flag: '\\Draft', present: true }],
  ['FLAGGED', { kind: 'flag', flag: '\\Flagged', present: true }],
  ['SEEN', { kind: 'flag', flag: '\\Seen', present: true }],
  ['UNANSWERED', { kind: 'flag', flag: '\\Answered', present: false }],
  ['UNDELETED', { kind: 'flag', flag: '\\Deleted', present: false }],
  ['UNDRAFT', { kind: 'flag', flag: '\\Draft', present: false }],
  ['UNFLAGGED', { kind: 'flag', flag: '\\Flagged', present: false }],
  ['UNSEEN', { kind: 'flag', flag: '\\Seen', present: false }],
  ['RECENT', { kind: 'recent', present: true }],
  ['OLD', { kind: 'recent', present: false }],
  ['SAVEDATESUPPORTED', { kind: 'saveDateSupported' }],
  ['$', { kind: 'sequence', set: { kind: 'saved' } }],
  [
    'NEW',
    {
      kind: 'and',
      keys: [
        { kind: 'recent', present: true },
        { kind: 'flag', flag: '\\Seen', present: false },
      ],
    },
  ],
]);

type Result = SearchKey | ParseFailure;
type WithArgument = (cursor: ArgCursor, charset: string) => Result;

function date(of: 'internal' | 'sent' | 'saved', relation: 'before' | 'on' | 'since'): WithArgument {
  return (cursor) => {
    const text = cursor.astring()?.toString('latin1');
    if (text === undefined) return badArguments('Missing argument');
    const day = parseDay(text);
    return day === undefined
      ? badArguments('Invalid search date parameter')
      : { kind: 'date', of, relation, day };
  };
}

function header(field: string): WithArgument {
  return (cursor, charset) => {
    const text = takeText(cursor, charset);
    return text === undefined ? badArguments('Missing argument') : { kind: 'header', field, text };
  };
}

function number(make: (value: number) => SearchKey, what: string): WithArgument {
  return (cursor) => {
    const text = cursor.astring()?.toString('latin1');
    if (text === undefined) return badArguments('Missing argument');
    return /^\d{1,15}$/.test(text) && !(what === 'interval' && Number(text) === 0)
      ? make(Number(text))
      : badArguments(`Invalid search ${what} parameter`);
  };
}

function keyword(present: boolean): WithArgument {
  return (cursor) => {
    const flag = keywordText(cursor.take());
    return flag === undefined
      ? badArguments('Invalid search keyword parameter')
      : { kind: 'flag', flag, present };
  };
}

function content(kind: 'body' | 'text'): WithArgument {
  return (cursor, charset) => {
    const text = takeText(cursor, charset);
    return text === undefined ? badArguments('Missing argument') : { kind, text };
  };
}

/**
 * RFC 7162 §3.1.5: `"MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer`. There is one modification
 * sequence for all flags of a message, so which flag is meant makes no difference.
 */
const modseq: WithArgument = (cursor) => {
  let text = argText(cursor.take());
  if (text !== undefined && !/^\d/.test(text)) {
    const type = cursor.word();
    if (type !== 'ALL' && type !== 'PRIV' && type !== 'SHARED')
      return badArguments('Invalid search modseq parameter');
    text = argText(cursor.take());
  }
  const atLeast = parseModseq(text ?? '', 0);
  return atLeast === undefined
    ? badArguments('Invalid search modseq parameter')
    : { kind: 'modseq', atLeast };
};

function objectId(kind: 'emailId' | 'threadId'): WithArgument {
  return (cursor) => {
    const id = argText(cursor.take());
    return id === undefined ? badArguments('Missing argument') : { kind, id };
  };
}

const WITH_ARGUMENT: ReadonlyMap<string, WithArgument> = new Map<string, WithArgument>([
  ['BCC', header('bcc')],
  ['CC', header('cc')],
  ['FROM', header('from')],
  ['SUBJECT', header('subject')],
  ['TO', header('to')],
  [
    'HEADER',
    (cursor, charset) => {
      const field = argText(cursor.take())?.toLowerCase();
      const text = takeText(cursor, charset);
      return field === undefined || text === undefined
        ? badArguments('Missing argument')
        : { kind: 'header', field, text };
    },
  ],
  ['BODY', content('body')],
  ['TEXT', content('text')],
  ['BEFORE', date('internal', 'before')],
  ['ON', date('internal', 'on')],
  ['SINCE', date('internal', 'since')],
  ['SENTBEFORE', date('sent', 'before')],
  ['SENTON', date('sent', 'on')],
  ['SENTSINCE', date('sent', 'since')],
  ['SAVEDBEFORE', date('saved', 'before')],
  ['SAVEDON', date('saved', 'on')],
  ['SAVEDSINCE', date('saved', 'since')],
  ['MODSEQ', modseq],
  ['EMAILID', objectId('emailId')],
  ['THREADID', objectId('threadId')],
  ['LARGER', number((octets) => ({ kind: 'size', relation: 'larger', octets }), 'size')],
  ['SMALLER', number((octets) => ({ kind: 'size', relation: 'smaller', octets }), 'size')],
  ['YOUNGER', number((seconds) => ({ kind: 'age', relation: 'younger', seconds }), 'interval')],
  ['OLDER', number((seconds) => ({ kind: 'age', relation: 'older', seconds }), 'interval')],
  ['KEYWORD', keyword(true)],
  ['UNKEYWORD', keyword(false)],
  [
    'UID',
    (cursor) => {
      const set = parseSequenceSet(cursor.atom() ?? '');
      return set === undefined ? badArguments('Invalid UID messageset') : { kind: 'uid', set };
    },
  ],
]);

function takeText(cursor: ArgCursor, charset: string): string | undefined {
  const bytes = argBytes(cursor.take());
  return bytes === undefined ? undefined : decodeCharset(bytes, charset);
}

/** An operator waiting for its operands, or a group waiting for its end. */
type Frame =
  | { readonly kind: 'not' }
  | { readonly kind: 'or'; left?: SearchKey }
  | { readonly kind: 'group'; readonly cursor: ArgCursor; readonly keys: SearchKey[] };

class KeyParser {
  readonly #charset: string;
  readonly #stack: Frame[] = [];

  constructor(charset: string) {
    this.#charset = charset;
  }

  parse(top: ArgCursor): Parsed<SearchKey> {
    this.#stack.push({ kind: 'group', cursor: top, keys: [] });
    let cursor = top;
    for (;;) {
      if (this.#stack.length > MAX_DEPTH) return badArguments('Search program is too complex');
      let value: SearchKey | undefined;
      if (cursor.atEnd) {
        const group = this.#stack.pop();
        if (group?.kind !== 'group') return badArguments('Missing argument');
        const [first, ...more] = group.keys;
        if (first === undefined) return badArguments('No search parameters inside list');
        value = more.length === 0 ? first : { kind: 'and', keys: group.keys };
        if (this.#stack.length === 0) return parsed(value);
        cursor = this.#innermost();
      } else {
        const next = this.#one(cursor);
        if (next.kind === 'failed') return next.failure;
        if (next.kind === 'opened') {
          cursor = next.cursor;
          continue;
        }
        value = next.key;
      }
      this.#give(value);
    }
  }

  #innermost(): ArgCursor {
    for (let at = this.#stack.length - 1; at >= 0; at--) {
      const frame = this.#stack[at];
      if (frame?.kind === 'group') return frame.cursor;
    }
    return new ArgCursor([]);
  }

  #one(
    cursor: ArgCursor,
  ):
    | { readonly kind: 'failed'; readonly failure: ParseFailure }
    | { readonly kind: 'opened'; readonly cursor: ArgCursor }
    | { readonly kind: 'key'; readonly key: SearchKey } {
    const arg = cursor.take();
    if (arg?.kind === 'list') {
      const inner = new ArgCursor(arg.items);
      this.#stack.push({ kind: 'group', cursor: inner, keys: [] });
      return { kind: 'opened', cursor: inner };
    }
    const word = argText(arg)?.toUpperCase() ?? '';
    if (word === 'NOT' || word === 'OR') {
      this.#stack.push(word === 'NOT' ? { kind: 'not' } : { kind: 'or' });
      return { kind: 'opened', cursor };
    }
    const result = this.#simple(word, cursor);
    return 'ok' in result ? { kind: 'failed', failure: result } : { kind: 'key', key: result };
  }

  #simple(word: string, cursor: ArgCursor): Result {
    const plain = PLAIN.get(word);
    if (plain !== undefined) return plain;
    const withArgument = WITH_ARGUMENT.get(word);
    if (withArgument !== undefined) return withArgument(cursor, this.#charset);
    if (/^[\d*]/.test(word)) {
      const set = parseSequenceSet(word);
      return set === undefined || set.kind === 'saved'
        ? badArguments('Invalid messageset')
        : { kind: 'sequence', set };
    }
    return badArguments(`Unknown argument ${word.slice(0, 64)}`);
  }

  /** Hands a finished key to whoever waits for it; operators that have theirs are finished in turn. */
  #give(value: SearchKey): void {
    let key = value;
    for (;;) {
      const frame = this.#stack.at(-1);
      if (frame === undefined) return;
      if (frame.kind === 'group') {
        frame.keys.push(key);
        return;
      }
      if (frame.kind === 'or' && frame.left === undefined) {
        frame.left = key;
        return;
      }
      this.#stack.pop();
      key =
        frame.kind === 'not'
          ? { kind: 'not', key }
          : { kind: 'or', keys: [frame.left ?? { kind: 'all' }, key] };
    }
  }
}
