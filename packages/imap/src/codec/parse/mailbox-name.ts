// Mailbox names as arguments: modified UTF-7, INBOX in any case, a trailing separator dropped.

import type { ArgCursor } from '../arg.ts';
import { badArguments, type Parsed, type ParseFailure, parsed } from '../command.ts';
import { isValidMailboxName } from '../utf7.ts';

const INVALID: ParseFailure = { ok: false, kind: 'no', text: 'Mailbox name is not valid mUTF-7' };

export function parseMailboxName(cursor: ArgCursor): Parsed<string> {
  const bytes = cursor.astring();
  if (bytes === undefined) return badArguments();
  const name = bytes.toString('latin1');
  // DOVECOT: refused with NO; clients with broken encoders go on with their other folders.
  return isValidMailboxName(name) ? parsed(normalMailboxName(name)) : INVALID;
}

/** RFC 3501 §5.1: INBOX is case-insensitive, as is the first level of its children. */
export function normalMailboxName(name: string): string {
  const bare = name.length > 1 && name.endsWith('/') ? name.slice(0, -1) : name;
  return /^inbox(?:\/|$)/i.test(bare) ? `INBOX${bare.slice(5)}` : bare;
}
