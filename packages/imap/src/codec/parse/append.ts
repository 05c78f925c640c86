// APPEND with MULTIAPPEND (RFC 3502), CATENATE (RFC 4469) and UTF8 (RFC 6855), and REPLACE (RFC 8508).
//
//   append   = "APPEND" SP mailbox 1*([SP flag-list] [SP date-time] SP content)
//   content  = literal / literal8 / "CATENATE" SP "(" cat-part *(SP cat-part) ")" / "UTF8" SP "(" literal8 ")"
//   cat-part = "URL" SP astring / "TEXT" SP literal
//
// Literals are streamed, so the command comes in stretches: what stands before each literal, and what stands behind the
// last. Each stretch becomes steps.

import { type Arg, ArgCursor, argText } from '../arg.ts';
import { type AppendHead, type AppendStep, badArguments, type Parsed, parsed } from '../command.ts';
import { parseDateTime } from '../dates.ts';
import { parseFlags } from '../flags.ts';
import { parseMailboxName } from './mailbox-name.ts';
import { parseSet } from './set.ts';

export interface AppendStretch {
  readonly verb: string;
  readonly args: readonly Arg[];
  /** The items so far of the list in which the literal stands. */
  readonly list?: readonly Arg[];
  /** A literal follows; else the command ends here. */
  readonly literal: boolean;
}

/** `open`: the form of the message whose literal came before; undefined at the command's beginning. */
export function parseAppendStretch(
  stretch: AppendStretch,
  open: AppendHead['form'] | undefined,
): Parsed<readonly AppendStep[]> {
  const cursor = new ArgCursor(stretch.args);
  const steps: AppendStep[] = [];
  const { list } = stretch;
  if (open === 'plain') {
    steps.push({ kind: 'close' });
  } else if (open !== undefined) {
    if (cursor.atEnd && list !== undefined) return parseInnerList(steps, list, open);
    const rest = cursor.list();
    if (rest === undefined || (open === 'utf8' && rest.length > 0)) return badArguments();
    const items = parseItems(rest, false);
    if (!items.ok) return items;
    steps.push(...items.value, { kind: 'close' });
  } else {
    const target = parseTarget(cursor, stretch.verb);
    if (!target.ok) return target;
    steps.push(target.value);
  }
  let messages = open === undefined ? 0 : 1;
  while (!cursor.atEnd) {
    const head = parseHead(cursor);
    if (!head.ok) return head;
    const { value } = head;
    if (value.form === 'plain') {
      if (!cursor.atEnd || !stretch.literal || list !== undefined)
        return badArguments(messages === 0 ? 'Missing message size' : undefined);
      steps.push({ kind: 'open', head: value }, { kind: 'literal' });
      return parsed(steps);
    }
    steps.push({ kind: 'open', head: value });
    if (cursor.atEnd) return list === undefined ? badArguments() : parseInnerList(steps, list, value.form);
    const whole = cursor.list();
    if (whole === undefined || value.form === 'utf8') return badArguments();
    if (whole.length === 0) return badArguments('Empty CATENATE list');
    const items = parseItems(whole, false);
    if (!items.ok) return items;
    steps.push(...items.value, { kind: 'close' });
    messages += 1;
  }
  if (list !== undefined) return badArguments();
  if (!stretch.literal) return messages === 0 ? badArguments('Missing message size') : parsed(steps);
  steps.push({ kind: 'open', head: { flags: [], form: 'plain' } }, { kind: 'literal' });
  return parsed(steps);
}

function parseTarget(cursor: ArgCursor, verb: string): Parsed<AppendStep> {
  if (verb === 'APPEND') {
    const mailbox = parseMailboxName(cursor);
    return mailbox.ok ? parsed({ kind: 'target', mailbox: mailbox.value }) : mailbox;
  }
  const numbering = verb === 'REPLACE' ? 'sequence' : 'uid';
  const set = parseSet(cursor, numbering);
  if (!set.ok) return set;
  const mailbox = parseMailboxName(cursor);
  if (!mailbox.ok) return mailbox;
  return parsed({ kind: 'target', mailbox: mailbox.value, replaces: { set: set.value, numbering } });
}

function parseHead(cursor: ArgCursor): Parsed<AppendHead> {
  const flags = parseFlags(cursor.list() ?? []);
  if (!flags.ok) return badArguments(flags.text);
  let internalDate: Date | undefined;
  if (cursor.peek()?.kind === 'string') {
    internalDate = parseDateTime(argText(cursor.take()) ?? '');
    if (internalDate === undefined) return badArguments('Invalid internal date');
  }
  const common = { flags: flags.flags, ...(internalDate === undefined ? {} : { internalDate }) };
  if (cursor.atEnd) return parsed({ ...common, form: 'plain' });
  const word = cursor.word();
  if (word === 'CATENATE') return parsed({ ...common, form: 'catenate' });
  return word === 'UTF8' ? parsed({ ...common, form: 'utf8' }) : badArguments();
}

/** A list that a literal interrupts. */
function parseInnerList(
  steps: readonly AppendStep[],
  list: readonly Arg[],
  form: AppendHead['form'],
): Parsed<readonly AppendStep[]> {
  if (form === 'utf8') return list.length === 0 ? parsed([...steps, { kind: 'literal' }]) : badArguments();
  const items = parseItems(list, true);
  return items.ok ? parsed([...steps, ...items.value]) : items;
}

function parseItems(list: readonly Arg[], literal: boolean): Parsed<readonly AppendStep[]> {
  const cursor = new ArgCursor(list);
  const steps: AppendStep[] = [];
  while (!cursor.atEnd) {
    const word = cursor.word();
    if (word === 'URL') {
      const text = argText(cursor.take());
      if (text === undefined) return badArguments();
      steps.push({ kind: 'url', text });
    } else if (word === 'TEXT' && cursor.atEnd && literal) {
      steps.push({ kind: 'literal' });
      return parsed(steps);
    } else {
      return badArguments();
    }
  }
  return literal ? badArguments() : parsed(steps);
}
