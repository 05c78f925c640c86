// GETMETADATA and SETMETADATA (RFC 5464).
//
//   getmetadata = "GETMETADATA" [SP "(" *option ")"] SP mailbox SP entries
//   setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP (nstring / literal8) *(SP entry SP …) ")"

import { type Arg, ArgCursor, argBytes, argText } from '../arg.ts';
import { badArguments, type CommandOf, type Parsed, parsed } from '../command.ts';
import { parseMailboxName } from './mailbox-name.ts';

const MAX_ENTRY = 1024;
const MAX_ENTRIES = 200;

export function parseGetMetadata(args: readonly Arg[]): Parsed<CommandOf<'getMetadata'>> {
  const cursor = new ArgCursor(args);
  let depth: CommandOf<'getMetadata'>['depth'] = 0;
  let maxSize: number | undefined;
  const options = new ArgCursor(cursor.list() ?? []);
  while (!options.atEnd) {
    const word = options.word();
    const value = argText(options.take())?.toLowerCase() ?? '';
    if (word === 'DEPTH') {
      if (value !== '0' && value !== '1' && value !== 'infinity')
        return badArguments('Invalid value for DEPTH option');
      depth = value === 'infinity' ? value : value === '1' ? 1 : 0;
    } else if (word === 'MAXSIZE') {
      if (!/^\d{1,10}$/.test(value)) return badArguments('Invalid value for MAXSIZE option');
      maxSize = Number(value);
    } else {
      return badArguments('Unknown option');
    }
  }
  const mailbox = parseTarget(cursor);
  if (!mailbox.ok) return mailbox;
  const entries: string[] = [];
  for (const arg of cursor.list() ?? [cursor.take()]) {
    const entry = parseEntry(arg);
    if (!entry.ok) return entry;
    entries.push(entry.value);
  }
  if (entries.length === 0 || entries.length > MAX_ENTRIES || !cursor.atEnd) return badArguments();
  const limit = maxSize === undefined ? {} : { maxSize };
  return parsed({ kind: 'getMetadata', mailbox: mailbox.value, entries, depth, ...limit });
}

export function parseSetMetadata(args: readonly Arg[]): Parsed<CommandOf<'setMetadata'>> {
  const cursor = new ArgCursor(args);
  const mailbox = parseTarget(cursor);
  if (!mailbox.ok) return mailbox;
  const list = new ArgCursor(cursor.list() ?? []);
  const values = new Map<string, Buffer | null>();
  while (!list.atEnd) {
    const entry = parseEntry(list.take());
    if (!entry.ok) return entry;
    const value = list.take();
    if (value === undefined) return badArguments('Entry value missing');
    const bytes = argBytes(value);
    if (bytes === undefined) return badArguments("Entry value can't be a list");
    values.set(entry.value, value.kind === 'atom' && /^nil$/i.test(value.text) ? null : bytes);
  }
  if (values.size === 0 || values.size > MAX_ENTRIES) return badArguments('Metadata list is empty');
  return parsed({ kind: 'setMetadata', mailbox: mailbox.value, values });
}

/** The empty name stands for the account. */
function parseTarget(cursor: ArgCursor): Parsed<string> {
  const next = argBytes(cursor.peek());
  if (next?.length !== 0) return parseMailboxName(cursor);
  cursor.take();
  return parsed('');
}

/** RFC 5464 §3.2: begins with /private or /shared; no wildcards, no empty parts, ASCII. */
function parseEntry(arg: Arg | undefined): Parsed<string> {
  const name = argText(arg)?.toLowerCase();
  if (name === undefined) return badArguments();
  const problem = entryProblem(name);
  return problem === undefined ? parsed(name) : badArguments(problem);
}

function entryProblem(name: string): string | undefined {
  if (!/^\/(?:private|shared)(?:\/|$)/.test(name)) return 'Entry name must begin with /private or /shared';
  if (name.includes('*')) return "Entry name can't contain '*'";
  if (name.includes('%')) return "Entry name can't contain '%'";
  if (name.includes('//')) return "Entry name can't contain consecutive '/'";
  if (name.endsWith('/')) return "Entry name can't end with '/'";
  if (!/^[\x21-\x7e]+$/.test(name) || name.length > MAX_ENTRY) return 'Invalid entry name';
  return undefined;
}
