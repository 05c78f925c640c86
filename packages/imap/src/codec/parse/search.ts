// SEARCH, SORT and THREAD with their UID forms (RFC 3501 §6.4.4, RFC 5256, RFC 5267; RFC 4731 RETURN).
//
//   search = "SEARCH" [SP "RETURN" SP "(" … ")"] [SP "CHARSET" SP astring] 1*(SP search-key)
//   sort   = "SORT" [SP "RETURN" SP "(" … ")"] SP "(" sort-criteria ")" SP charset 1*(SP search-key)
//   thread = "THREAD" SP algorithm SP charset 1*(SP search-key)

import { isKnownCharset } from '@postcote/mime';
import { type Arg, ArgCursor } from '../arg.ts';
import {
  badArguments,
  type CommandOf,
  type Numbering,
  type Parsed,
  type ParseFailure,
  parsed,
} from '../command.ts';
import type {
  PartialRange,
  SearchReturns,
  SearchReturnWord,
  SortCriterion,
  SortField,
  ThreadAlgorithm,
} from '../search-key.ts';
import { parseSearchKeys } from './search-keys.ts';

export function parseSearch(args: readonly Arg[], numbering: Numbering): Parsed<CommandOf<'search'>> {
  const cursor = new ArgCursor(args);
  const returns = parseReturns(cursor);
  if (!returns.ok) return returns;
  let charset = 'UTF-8';
  if (nextWord(cursor) === 'CHARSET') {
    cursor.take();
    const named = parseCharset(cursor);
    if (!named.ok) return named;
    charset = named.value;
  }
  const key = parseSearchKeys(cursor, charset);
  return key.ok ? parsed({ kind: 'search', numbering, key: key.value, returns: returns.value }) : key;
}

export function parseSort(args: readonly Arg[], numbering: Numbering): Parsed<CommandOf<'sort'>> {
  const cursor = new ArgCursor(args);
  const returns = parseReturns(cursor);
  if (!returns.ok) return returns;
  const criteria = parseCriteria(cursor.list());
  if (!criteria.ok) return criteria;
  const charset = parseCharset(cursor);
  if (!charset.ok) return charset;
  const key = parseSearchKeys(cursor, charset.value);
  if (!key.ok) return key;
  return parsed({
    kind: 'sort',
    numbering,
    key: key.value,
    returns: returns.value,
    criteria: criteria.value,
  });
}

const ALGORITHMS: ReadonlySet<string> = new Set<ThreadAlgorithm>(['ORDEREDSUBJECT', 'REFERENCES', 'REFS']);

export function parseThread(args: readonly Arg[], numbering: Numbering): Parsed<CommandOf<'thread'>> {
  const cursor = new ArgCursor(args);
  const algorithm = cursor.word();
  if (algorithm === undefined) return badArguments('Invalid thread algorithm argument');
  if (!ALGORITHMS.has(algorithm)) return badArguments('Unknown thread algorithm');
  const charset = parseCharset(cursor);
  if (!charset.ok) return charset;
  const key = parseSearchKeys(cursor, charset.value);
  if (!key.ok) return key;
  return parsed({
    kind: 'thread',
    numbering,
    key: key.value,
    algorithm: algorithm as ThreadAlgorithm,
  });
}

/** RFC 5267 §4.3.5: the tags of searches whose updates are no longer wanted. */
export function parseCancelUpdate(args: readonly Arg[]): Parsed<CommandOf<'cancelUpdate'>> {
  const tags: string[] = [];
  for (const arg of args) {
    if (arg.kind !== 'string') return badArguments('Invalid parameters');
    tags.push(arg.bytes.toString('latin1'));
  }
  return tags.length === 0 ? badArguments('Invalid parameters') : parsed({ kind: 'cancelUpdate', tags });
}

function nextWord(cursor: ArgCursor): string | undefined {
  const next = cursor.peek();
  return next?.kind === 'atom' ? next.text.toUpperCase() : undefined;
}

function parseCharset(cursor: ArgCursor): Parsed<string> {
  const name = cursor.astring()?.toString('latin1');
  if (name === undefined) return badArguments('Invalid charset argument');
  return isKnownCharset(name) ? parsed(name) : UNKNOWN_CHARSET;
}

const UNKNOWN_CHARSET: ParseFailure = {
  ok: false,
  kind: 'no',
  code: 'BADCHARSET',
  text: 'Unknown charset',
};

const RETURN_WORDS: ReadonlySet<string> = new Set<SearchReturnWord>([
  'MIN',
  'MAX',
  'ALL',
  'COUNT',
  'SAVE',
  'UPDATE',
  'CONTEXT',
]);

function parseReturns(cursor: ArgCursor): Parsed<SearchReturns | undefined> {
  if (nextWord(cursor) !== 'RETURN') return parsed(undefined);
  cursor.take();
  const list = cursor.list();
  if (list === undefined) return badArguments('Unknown SEARCH return option');
  const options = new ArgCursor(list);
  const words = new Set<SearchReturnWord>();
  let partial: PartialRange | undefined;
  while (!options.atEnd) {
    const word = options.word() ?? '';
    if (word === 'PARTIAL') {
      if (partial !== undefined) return badArguments('PARTIAL can be used only once');
      partial = parsePartialRange(options.atom() ?? '');
      if (partial === undefined) return badArguments('PARTIAL range broken');
      words.add('PARTIAL');
    } else if (RETURN_WORDS.has(word)) {
      words.add(word as SearchReturnWord);
    } else {
      return badArguments('Unknown SEARCH return option');
    }
  }
  if (partial !== undefined && words.has('ALL')) return badArguments('PARTIAL conflicts with ALL');
  // RFC 4731 §3.1: an empty list asks for ALL.
  if (words.size === 0) words.add('ALL');
  return parsed(partial === undefined ? { words } : { words, partial });
}

/** RFC 5267 §4.4 `partial-range`, RFC 9394 with positions from the end. */
export function parsePartialRange(text: string): PartialRange | undefined {
  const match = /^(-?)([1-9]\d{0,9}):(-?)([1-9]\d{0,9})$/.exec(text);
  if (match === null || match[1] !== match[3]) return undefined;
  const [a, b] = [Number(match[2]), Number(match[4])];
  if (a > 0xffffffff || b > 0xffffffff) return undefined;
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  return match[1] === '' ? { from: low, to: high } : { from: -low, to: -high };
}

const SORT_FIELDS: ReadonlySet<string> = new Set<SortField>([
  'ARRIVAL',
  'CC',
  'DATE',
  'FROM',
  'SIZE',
  'SUBJECT',
  'TO',
  'DISPLAYFROM',
  'DISPLAYTO',
]);

function parseCriteria(list: readonly Arg[] | undefined): Parsed<readonly SortCriterion[]> {
  if (list === undefined) return badArguments('Invalid sort argument');
  if (list.length === 0) return badArguments('Empty sort program');
  const criteria = new Map<SortField, SortCriterion>();
  let reverse = false;
  for (const arg of list) {
    const word = arg.kind === 'atom' ? arg.text.toUpperCase() : undefined;
    if (word === undefined) return badArguments('Invalid sort argument');
    if (word === 'REVERSE') {
      reverse = !reverse;
      continue;
    }
    if (!SORT_FIELDS.has(word)) return badArguments(`Unknown sort argument: ${word.slice(0, 64)}`);
    const field = word as SortField;
    // A field compared before is equal when it comes up again.
    if (!criteria.has(field)) criteria.set(field, { field, reverse });
    reverse = false;
  }
  return reverse || criteria.size === 0
    ? badArguments('Sort list ends with REVERSE')
    : parsed([...criteria.values()]);
}
