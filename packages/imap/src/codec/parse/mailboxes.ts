// Commands on mailboxes as a whole: SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS.

import { type Arg, ArgCursor, argText } from '../arg.ts';
import {
  badArguments,
  type Command,
  type CommandOf,
  type ListCommand,
  type Parsed,
  parsed,
  type StatusItem,
} from '../command.ts';
import { parseMailboxName } from './mailbox-name.ts';
import { parseSelectParameters } from './select-parameters.ts';

export function parseSelect(args: readonly Arg[], readOnly: boolean): Parsed<CommandOf<'select'>> {
  const cursor = new ArgCursor(args);
  const mailbox = parseMailboxName(cursor);
  if (!mailbox.ok) return mailbox;
  // DOVECOT: what is no list is ignored.
  const parameters = parseSelectParameters(cursor.list() ?? []);
  if (!parameters.ok) return parameters;
  return parsed({ kind: 'select', mailbox: mailbox.value, readOnly, ...parameters.value });
}

/** RFC 3501 §6.3.3, RFC 6154 §3: `"CREATE" SP mailbox [SP "(" "USE" SP "(" *use-attr ")" ")"]`. */
export function parseCreate(args: readonly Arg[]): Parsed<CommandOf<'create'>> {
  const cursor = new ArgCursor(args);
  const mailbox = parseMailboxName(cursor);
  if (!mailbox.ok) return mailbox;
  const options = new ArgCursor(cursor.list() ?? []);
  const uses: string[] = [];
  while (!options.atEnd) {
    // DOVECOT: what it does not know it passes over.
    if (options.word() !== 'USE') {
      options.take();
      continue;
    }
    for (const arg of options.list() ?? []) {
      const use = USES.get(arg.kind === 'atom' ? arg.text.toLowerCase() : '');
      if (use === undefined)
        return { ok: false, kind: 'no', code: 'USEATTR', text: 'Special-use attribute is not known' };
      if (!uses.includes(use)) uses.push(use);
    }
  }
  return parsed({ kind: 'create', mailbox: mailbox.value, uses });
}

/** RFC 6154 §2, RFC 8457; what is no property of a mailbox by itself (`\\All`, `\\Flagged`) cannot be had by one. */
const USES: ReadonlyMap<string, string> = new Map(
  ['\\Archive', '\\Drafts', '\\Junk', '\\Sent', '\\Trash', '\\Important'].map((use) => [
    use.toLowerCase(),
    use,
  ]),
);

export function parseNamed(
  args: readonly Arg[],
  kind: 'delete' | 'subscribe' | 'unsubscribe',
): Parsed<Command> {
  const mailbox = parseMailboxName(new ArgCursor(args));
  return mailbox.ok ? parsed({ kind, mailbox: mailbox.value }) : mailbox;
}

export function parseRename(args: readonly Arg[]): Parsed<CommandOf<'rename'>> {
  const cursor = new ArgCursor(args);
  const from = parseMailboxName(cursor);
  if (!from.ok) return from;
  const to = parseMailboxName(cursor);
  return to.ok ? parsed({ kind: 'rename', from: from.value, to: to.value }) : to;
}

const STATUS_ITEMS: ReadonlySet<string> = new Set<StatusItem>([
  'MESSAGES',
  'RECENT',
  'UIDNEXT',
  'UIDVALIDITY',
  'UNSEEN',
  'DELETED-STORAGE',
  'HIGHESTMODSEQ',
  'SIZE',
  'DELETED',
  'MAILBOXID',
  'APPENDLIMIT',
]);

export function parseStatus(args: readonly Arg[]): Parsed<CommandOf<'status'>> {
  const cursor = new ArgCursor(args);
  const mailbox = parseMailboxName(cursor);
  if (!mailbox.ok) return mailbox;
  const list = cursor.list();
  if (list === undefined) return badArguments();
  const items = parseStatusItems(list);
  return items.ok ? parsed({ kind: 'status', mailbox: mailbox.value, items: items.value }) : items;
}

function parseStatusItems(list: readonly Arg[]): Parsed<readonly StatusItem[]> {
  if (list.length === 0) return badArguments('Empty status list');
  const items = new Set<StatusItem>();
  for (const arg of list) {
    const word = arg.kind === 'atom' ? arg.text.toUpperCase() : undefined;
    if (word === undefined) return badArguments('Status list contains non-atoms.');
    if (!isOneOf(STATUS_ITEMS, word)) return badArguments(`Invalid status item ${word}`);
    items.add(word as StatusItem);
  }
  return parsed([...items]);
}

function isOneOf(words: ReadonlySet<string>, word: string): boolean {
  return words.has(word);
}

export function parseLsub(args: readonly Arg[]): Parsed<CommandOf<'lsub'>> {
  const cursor = new ArgCursor(args);
  const reference = cursor.astring();
  const pattern = cursor.astring();
  if (reference === undefined || pattern === undefined) return badArguments();
  return parsed({
    kind: 'lsub',
    reference: reference.toString('latin1'),
    pattern: pattern.toString('latin1'),
  });
}

const SELECT_OPTIONS: ReadonlySet<string> = new Set([
  'SUBSCRIBED',
  'REMOTE',
  'RECURSIVEMATCH',
  'SPECIAL-USE',
]);
const RETURN_OPTIONS: ReadonlySet<string> = new Set(['SUBSCRIBED', 'CHILDREN', 'SPECIAL-USE']);
const MAX_PATTERNS = 100;

/** RFC 5258: list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]. */
export function parseList(args: readonly Arg[]): Parsed<ListCommand> {
  const cursor = new ArgCursor(args);
  const options = cursor.list();
  const select = parseWords(options ?? [], SELECT_OPTIONS);
  if (select === undefined) return badArguments('Unknown select options');
  if (select.has('RECURSIVEMATCH') && !select.has('SUBSCRIBED') && !select.has('SPECIAL-USE')) {
    return badArguments('RECURSIVEMATCH must not be the only selection');
  }
  const reference = cursor.astring();
  const patterns = parsePatterns(cursor);
  if (reference === undefined || patterns === undefined) return badArguments();
  const base = {
    kind: 'list',
    reference: reference.toString('latin1'),
    patterns: patterns.values,
    select: select as ListCommand['select'],
    extended: patterns.isList || options !== undefined,
  } as const;
  if (cursor.atEnd) return parsed({ ...base, returns: undefined, status: [] });
  const list = cursor.word() === 'RETURN' ? cursor.list() : undefined;
  if (list === undefined) return badArguments();
  const returned = parseReturns(list);
  return returned.ok ? parsed({ ...base, ...returned.value }) : returned;
}

function parsePatterns(
  cursor: ArgCursor,
): { readonly values: readonly string[]; readonly isList: boolean } | undefined {
  const list = cursor.list();
  const args = list ?? [cursor.take()];
  if (args.length > MAX_PATTERNS) return undefined;
  const values: string[] = [];
  for (const arg of args) {
    const text = argText(arg);
    if (text === undefined) return undefined;
    values.push(text);
  }
  return { values, isList: list !== undefined };
}

function parseReturns(list: readonly Arg[]): Parsed<Pick<ListCommand, 'returns' | 'status'>> {
  const cursor = new ArgCursor(list);
  const returns = new Set<string>();
  let status: readonly StatusItem[] = [];
  while (!cursor.atEnd) {
    const word = cursor.word();
    if (word === 'STATUS') {
      const items = cursor.list();
      if (items === undefined) return badArguments('Unknown return options');
      const result = parseStatusItems(items);
      if (!result.ok) return result;
      status = result.value;
    } else if (word === undefined || !isOneOf(RETURN_OPTIONS, word)) {
      return badArguments('Unknown return options');
    } else {
      returns.add(word);
    }
  }
  return parsed({ returns: returns as ReadonlySet<'SUBSCRIBED' | 'CHILDREN' | 'SPECIAL-USE'>, status });
}

function parseWords(args: readonly Arg[], known: ReadonlySet<string>): ReadonlySet<string> | undefined {
  const words = new Set<string>();
  for (const arg of args) {
    const word = arg.kind === 'atom' ? arg.text.toUpperCase() : '';
    if (!isOneOf(known, word)) return undefined;
    words.add(word);
  }
  return words;
}
