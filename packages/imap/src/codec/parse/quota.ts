// GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208 §4.1).
//
//   getquota     = "GETQUOTA" SP quota-root-name
//   getquotaroot = "GETQUOTAROOT" SP mailbox
//   setquota     = "SETQUOTA" SP quota-root-name SP "(" *(resource-name SP number) ")"

import { type Arg, ArgCursor } from '../arg.ts';
import { badArguments, type CommandOf, type Parsed, parsed } from '../command.ts';
import { parseMailboxName } from './mailbox-name.ts';

export function parseGetQuota(args: readonly Arg[]): Parsed<CommandOf<'getQuota'>> {
  const cursor = new ArgCursor(args);
  const root = cursor.astring()?.toString('utf8');
  return root === undefined || !cursor.atEnd ? badArguments() : parsed({ kind: 'getQuota', root });
}

export function parseGetQuotaRoot(args: readonly Arg[]): Parsed<CommandOf<'getQuotaRoot'>> {
  const cursor = new ArgCursor(args);
  const mailbox = parseMailboxName(cursor);
  if (!mailbox.ok) return mailbox;
  return cursor.atEnd ? parsed({ kind: 'getQuotaRoot', mailbox: mailbox.value }) : badArguments();
}

/** What is asked for does not matter: it is refused. */
export function parseSetQuota(args: readonly Arg[]): Parsed<CommandOf<'setQuota'>> {
  const cursor = new ArgCursor(args);
  const root = cursor.astring()?.toString('utf8');
  const limits = cursor.list();
  if (root === undefined || limits === undefined || !cursor.atEnd) return badArguments();
  return parsed({ kind: 'setQuota', root });
}
