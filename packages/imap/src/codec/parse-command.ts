// From a frame of the reader to a typed command, or a refusal. One row per verb.

import type { Arg } from './arg.ts';
import { type Command, type Parsed, parsed } from './command.ts';
import { parseFetch } from './parse/fetch.ts';
import { parseGetMetadata, parseSetMetadata } from './parse/metadata.ts';
import {
  parseCreate,
  parseList,
  parseLsub,
  parseNamed,
  parseRename,
  parseSelect,
  parseStatus,
} from './parse/mailboxes.ts';
import { parseCopy, parseStore, parseUidExpunge } from './parse/messages.ts';
import { parseNotify } from './parse/notify.ts';
import { parseGetQuota, parseGetQuotaRoot, parseSetQuota } from './parse/quota.ts';
import { parseCancelUpdate, parseSearch, parseSort, parseThread } from './parse/search.ts';
import { parseAuthenticate, parseCompress, parseEnable, parseId, parseLogin } from './parse/session.ts';

type Parser = (args: readonly Arg[]) => Parsed<Command>;

/** DOVECOT: arguments of commands that take none are ignored. */
const plain = (
  kind: 'capability' | 'noop' | 'logout' | 'startTls' | 'namespace' | 'idle' | 'check' | 'close' | 'unselect',
): Parser => {
  const command = parsed<Command>({ kind });
  return () => command;
};

const PARSERS: ReadonlyMap<string, Parser> = new Map<string, Parser>([
  ['CAPABILITY', plain('capability')],
  ['NOOP', plain('noop')],
  ['LOGOUT', plain('logout')],
  ['STARTTLS', plain('startTls')],
  ['NAMESPACE', plain('namespace')],
  ['IDLE', plain('idle')],
  ['CHECK', plain('check')],
  ['CLOSE', plain('close')],
  ['UNSELECT', plain('unselect')],
  ['ID', parseId],
  ['ENABLE', parseEnable],
  ['COMPRESS', parseCompress],
  ['LOGIN', parseLogin],
  ['AUTHENTICATE', parseAuthenticate],
  ['SELECT', (args) => parseSelect(args, false)],
  ['EXAMINE', (args) => parseSelect(args, true)],
  ['CREATE', parseCreate],
  ['GETMETADATA', parseGetMetadata],
  ['SETMETADATA', parseSetMetadata],
  ['GETQUOTA', parseGetQuota],
  ['GETQUOTAROOT', parseGetQuotaRoot],
  ['SETQUOTA', parseSetQuota],
  ['DELETE', (args) => parseNamed(args, 'delete')],
  ['SUBSCRIBE', (args) => parseNamed(args, 'subscribe')],
  ['UNSUBSCRIBE', (args) => parseNamed(args, 'unsubscribe')],
  ['RENAME', parseRename],
  ['LIST', parseList],
  ['LSUB', parseLsub],
  ['STATUS', parseStatus],
  ['FETCH', (args) => parseFetch(args, 'sequence')],
  ['UID FETCH', (args) => parseFetch(args, 'uid')],
  ['STORE', (args) => parseStore(args, 'sequence')],
  ['UID STORE', (args) => parseStore(args, 'uid')],
  ['SEARCH', (args) => parseSearch(args, 'sequence')],
  ['UID SEARCH', (args) => parseSearch(args, 'uid')],
  ['SORT', (args) => parseSort(args, 'sequence')],
  ['UID SORT', (args) => parseSort(args, 'uid')],
  ['THREAD', (args) => parseThread(args, 'sequence')],
  ['UID THREAD', (args) => parseThread(args, 'uid')],
  ['CANCELUPDATE', parseCancelUpdate],
  ['NOTIFY', parseNotify],
  ['COPY', (args) => parseCopy(args, { kind: 'copy', numbering: 'sequence' })],
  ['UID COPY', (args) => parseCopy(args, { kind: 'copy', numbering: 'uid' })],
  ['MOVE', (args) => parseCopy(args, { kind: 'move', numbering: 'sequence' })],
  ['UID MOVE', (args) => parseCopy(args, { kind: 'move', numbering: 'uid' })],
  ['EXPUNGE', () => parsed({ kind: 'expunge' })],
  ['UID EXPUNGE', parseUidExpunge],
]);

/** `unknown` when no such verb is known to the codec. */
export function parseCommand(verb: string, args: readonly Arg[]): Parsed<Command> | 'unknown' {
  return PARSERS.get(verb)?.(args) ?? 'unknown';
}
