// FETCH and UID FETCH (RFC 3501 §6.4.5, RFC 4466 modifiers).
//
//   fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
//           [SP "(" fetch-modifier *(SP fetch-modifier) ")"]

import { type Arg, ArgCursor, argText } from '../arg.ts';
import { badArguments, type CommandOf, type Numbering, type Parsed, parsed } from '../command.ts';
import { parseModseq } from '../modseq.ts';
import { type FetchItem, formatSection, type Partial, WHOLE } from '../fetch-item.ts';
import { parseFieldNames, parseSection } from './section.ts';
import { parseSet } from './set.ts';

const SIMPLE: ReadonlyMap<string, FetchItem> = new Map<string, FetchItem>([
  ['FLAGS', { kind: 'flags' }],
  ['UID', { kind: 'uid' }],
  ['INTERNALDATE', { kind: 'internalDate' }],
  ['RFC822.SIZE', { kind: 'size' }],
  ['MODSEQ', { kind: 'modseq' }],
  ['SAVEDATE', { kind: 'saveDate' }],
  ['EMAILID', { kind: 'emailId' }],
  ['THREADID', { kind: 'threadId' }],
  ['ENVELOPE', { kind: 'envelope' }],
  ['BODY', { kind: 'body' }],
  ['BODYSTRUCTURE', { kind: 'bodyStructure' }],
  ['RFC822', { kind: 'section', peek: false, label: 'RFC822', section: WHOLE }],
  [
    'RFC822.HEADER',
    {
      kind: 'section',
      peek: true,
      label: 'RFC822.HEADER',
      section: { part: [], what: 'header', fields: [] },
    },
  ],
  [
    'RFC822.TEXT',
    { kind: 'section', peek: false, label: 'RFC822.TEXT', section: { part: [], what: 'text', fields: [] } },
  ],
]);

const MACROS: ReadonlyMap<string, readonly string[]> = new Map([
  ['FAST', ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE']],
  ['ALL', ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE']],
  ['FULL', ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY']],
]);

export function parseFetch(args: readonly Arg[], numbering: Numbering): Parsed<CommandOf<'fetch'>> {
  const cursor = new ArgCursor(args);
  const set = parseSet(cursor, numbering);
  if (!set.ok) return set;
  const items = parseItems(cursor);
  if (!items.ok) return items;
  const modifiers = cursor.atEnd ? parsed({}) : parseModifiers(cursor, numbering);
  if (!modifiers.ok) return modifiers;
  return parsed({ kind: 'fetch', numbering, set: set.value, items: items.value, ...modifiers.value });
}

/** RFC 7162 §3.1.4.1, §3.2.6. */
function parseModifiers(
  cursor: ArgCursor,
  numbering: Numbering,
): Parsed<Pick<CommandOf<'fetch'>, 'changedSince' | 'vanished'>> {
  const list = cursor.list();
  if (list === undefined || !cursor.atEnd) return badArguments();
  const words = new ArgCursor(list);
  let changedSince: number | undefined;
  let vanished = false;
  while (!words.atEnd) {
    const word = words.word();
    if (word === 'CHANGEDSINCE') {
      changedSince = parseModseq(argText(words.take()) ?? '', 0);
      if (changedSince === undefined) return badArguments('Invalid CHANGEDSINCE modseq');
    } else if (word === 'VANISHED' && numbering === 'uid') {
      vanished = true;
    } else {
      return badArguments('Unknown FETCH modifier');
    }
  }
  if (vanished && changedSince === undefined) return badArguments('VANISHED used without CHANGEDSINCE');
  return parsed({
    ...(changedSince === undefined ? {} : { changedSince }),
    ...(vanished ? { vanished: true } : {}),
  });
}

function parseItems(cursor: ArgCursor): Parsed<readonly FetchItem[]> {
  const list = cursor.list();
  if (list !== undefined) {
    return parseItemList(list);
  }
  const next = cursor.peek();
  if (next?.kind !== 'atom') return badArguments();
  const macro = MACROS.get(next.text.toUpperCase());
  if (macro !== undefined) {
    cursor.take();
    return parsed(macro.flatMap((name) => SIMPLE.get(name) ?? []));
  }
  const item = parseItem(cursor);
  return item.ok ? parsed([item.value]) : item;
}

/** The items between parentheses. */
export function parseItemList(list: readonly Arg[]): Parsed<readonly FetchItem[]> {
  return list.length === 0 ? badArguments('FETCH list is empty') : parseAll(new ArgCursor(list));
}

function parseAll(cursor: ArgCursor): Parsed<readonly FetchItem[]> {
  const items = new Map<string, FetchItem>();
  while (!cursor.atEnd) {
    const item = parseItem(cursor);
    if (!item.ok) return item;
    const { value } = item;
    const key = keyOf(value);
    // Asked twice, answered once; without PEEK wins, for it has an effect.
    const known = items.get(key);
    if (known === undefined || ('peek' in known && known.peek)) items.set(key, value);
  }
  return parsed([...items.values()]);
}

function keyOf(item: FetchItem): string {
  if (!('label' in item)) return item.kind;
  const length = 'partial' in item ? item.partial?.length : undefined;
  return `${item.kind} ${item.label} ${length ?? ''}`;
}

const PREVIEW_MODIFIERS: ReadonlySet<string> = new Set(['LAZY', 'FUZZY', 'LAZY=FUZZY']);

/**
 * RFC 8970 §3.1: `"PREVIEW" [SP "(" *preview-mod ")"]`. LAZY asks for nothing that is not at hand; here it always is.
 * DOVECOT: the algorithm's name, and SNIPPET, as in the drafts.
 */
function parsePreview(cursor: ArgCursor, label: 'PREVIEW' | 'SNIPPET'): Parsed<FetchItem> {
  let fuzzy = label === 'SNIPPET';
  for (const arg of cursor.list() ?? []) {
    const word = arg.kind === 'atom' ? arg.text.toUpperCase() : '';
    if (!PREVIEW_MODIFIERS.has(word))
      return badArguments(`'${word.slice(0, 64)}' is not a supported ${label} modifier`);
    if (word.includes('FUZZY')) fuzzy = true;
  }
  return parsed({ kind: 'preview', label, fuzzy });
}

/** RFC 3516 §4: `"BINARY" [".PEEK"] "[" [section-part] "]" [partial]`, `"BINARY.SIZE" "[" [section-part] "]"`. */
function parseBinary(upper: string): Parsed<FetchItem> {
  const match = /^BINARY(\.PEEK|\.SIZE)?\[([^\]]*)\](.*)$/.exec(upper);
  if (match === null) return badArguments("Invalid BINARY[..] parameter: Missing '['");
  const [, form, words = '', tail = ''] = match;
  const section = parseSection(words, undefined);
  if (section === undefined || section.what !== 'all') return badArguments('Invalid BINARY[..] section');
  const { part } = section;
  const path = part.join('.');
  const partial = tail === '' ? undefined : parsePartial(tail);
  if (tail !== '' && (partial === undefined || form === '.SIZE'))
    return badArguments('Invalid BINARY[..] parameter: Invalid partial');
  if (form === '.SIZE') return parsed({ kind: 'binarySize', label: `BINARY.SIZE[${path}]`, part });
  const label = `BINARY[${path}]${partial === undefined ? '' : `<${partial.start}>`}`;
  const peek = form === '.PEEK';
  return parsed({ kind: 'binary', peek, label, part, ...(partial === undefined ? {} : { partial }) });
}

function parseItem(cursor: ArgCursor): Parsed<FetchItem> {
  const text = cursor.atom();
  if (text === undefined) return badArguments('FETCH list contains non-atoms.');
  const upper = text.toUpperCase();
  const simple = SIMPLE.get(upper);
  if (simple !== undefined) return parsed(simple);
  if (upper === 'PREVIEW' || upper === 'SNIPPET') return parsePreview(cursor, upper);
  if (upper.startsWith('BINARY')) return parseBinary(upper);
  const open = /^BODY(\.PEEK)?\[/.exec(upper);
  if (open === null) return badArguments(`Unknown parameter: ${upper}`);
  return parseBodySection(cursor, { rest: upper.slice(open[0].length), peek: open[1] !== undefined });
}

interface BodyStart {
  /** What follows `BODY[`, in upper case. */
  readonly rest: string;
  readonly peek: boolean;
}

function parseBodySection(cursor: ArgCursor, { rest, peek }: BodyStart): Parsed<FetchItem> {
  let words = rest;
  let tail: string;
  let fields: readonly string[] | undefined;
  const close = rest.indexOf(']');
  if (close === -1) {
    // BODY[HEADER.FIELDS (a b)]<0.9>: an atom, a list, an atom.
    const list = cursor.list();
    const end = list === undefined ? undefined : cursor.atom();
    if (list === undefined || end === undefined || !end.startsWith(']')) {
      return badArguments("Invalid BODY[..] parameter: Missing ']'");
    }
    fields = parseFieldNames(list);
    if (fields === undefined) return badArguments('Invalid BODY[..] section');
    tail = end.slice(1);
  } else {
    words = rest.slice(0, close);
    tail = rest.slice(close + 1);
  }
  const section = parseSection(words, fields);
  if (section === undefined) return badArguments('Invalid BODY[..] section');
  const partial = tail === '' ? undefined : parsePartial(tail);
  if (tail !== '' && partial === undefined)
    return badArguments('Invalid BODY[..] parameter: Invalid partial');
  const label = `BODY[${formatSection(section)}]${partial === undefined ? '' : `<${partial.start}>`}`;
  return parsed({ kind: 'section', peek, label, section, ...(partial === undefined ? {} : { partial }) });
}

/** `"<" number ["." number] ">"`. */
function parsePartial(text: string): Partial | undefined {
  const match = /^<(\d{1,10})(?:\.(\d{1,10}))?>$/.exec(text);
  if (match === null) return undefined;
  const start = Number(match[1]);
  return match[2] === undefined ? { start } : { start, length: Number(match[2]) };
}
