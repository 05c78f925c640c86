// STORE, COPY, MOVE, EXPUNGE and their UID forms.

import { type Arg, ArgCursor, argText } from '../arg.ts';
import { badArguments, type CommandOf, type Numbering, type Parsed, parsed } from '../command.ts';
import { parseFlags } from '../flags.ts';
import { parseModseq } from '../modseq.ts';
import { parseMailboxName } from './mailbox-name.ts';
import { parseSet } from './set.ts';

const STORE_MODES: ReadonlyMap<
  string,
  { readonly mode: 'add' | 'remove' | 'replace'; readonly silent: boolean }
> = new Map([
  ['FLAGS', { mode: 'replace', silent: false }],
  ['FLAGS.SILENT', { mode: 'replace', silent: true }],
  ['+FLAGS', { mode: 'add', silent: false }],
  ['+FLAGS.SILENT', { mode: 'add', silent: true }],
  ['-FLAGS', { mode: 'remove', silent: false }],
  ['-FLAGS.SILENT', { mode: 'remove', silent: true }],
]);

export function parseStore(args: readonly Arg[], numbering: Numbering): Parsed<CommandOf<'store'>> {
  const cursor = new ArgCursor(args);
  const set = parseSet(cursor, numbering);
  if (!set.ok) return set;
  const modifiers = cursor.list();
  const unchangedSince = modifiers === undefined ? parsed(undefined) : parseUnchangedSince(modifiers);
  if (!unchangedSince.ok) return unchangedSince;
  const mode = STORE_MODES.get(cursor.word() ?? '');
  if (mode === undefined) return badArguments();
  // RFC 3501: a list, or flags without parentheses.
  const rest = args.slice(modifiers === undefined ? 2 : 3);
  const list = rest[0]?.kind === 'list' && rest.length === 1 ? rest[0].items : rest;
  const flags = parseFlags(list);
  if (!flags.ok) return badArguments(flags.text);
  if (rest.length === 0) return badArguments('Missing flags');
  const condition = unchangedSince.value === undefined ? {} : { unchangedSince: unchangedSince.value };
  return parsed({ kind: 'store', numbering, set: set.value, ...mode, flags: flags.flags, ...condition });
}

/** RFC 7162 §3.1.3: `"(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")"`. */
function parseUnchangedSince(list: readonly Arg[]): Parsed<number> {
  const cursor = new ArgCursor(list);
  if (cursor.word() !== 'UNCHANGEDSINCE') return badArguments('Unknown STORE modifier');
  const modseq = parseModseq(argText(cursor.take()) ?? '', 0);
  if (modseq === undefined || !cursor.atEnd) return badArguments('Invalid modseq');
  return parsed(modseq);
}

export function parseCopy(
  args: readonly Arg[],
  how: { readonly kind: 'copy' | 'move'; readonly numbering: Numbering },
): Parsed<CommandOf<'copy' | 'move'>> {
  const cursor = new ArgCursor(args);
  const set = parseSet(cursor, how.numbering);
  if (!set.ok) return set;
  const mailbox = parseMailboxName(cursor);
  if (!mailbox.ok) return mailbox;
  return parsed({ ...how, set: set.value, mailbox: mailbox.value });
}

/** RFC 4315. */
export function parseUidExpunge(args: readonly Arg[]): Parsed<CommandOf<'expunge'>> {
  if (args.length === 0) return badArguments('Missing arguments');
  const set = parseSet(new ArgCursor(args), 'uid');
  return set.ok ? parsed({ kind: 'expunge', uids: set.value }) : set;
}
