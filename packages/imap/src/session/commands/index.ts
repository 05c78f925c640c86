// The table of commands after login. A row says what the command is; the gate reads the row.

import type { Command, CommandKind } from '../../codec/command.ts';
import type { CommandRow, Outcome, SessionCore } from '../core.ts';
import { FETCH } from './fetch.ts';
import { LIST, LSUB } from './list.ts';
import { CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE } from './mailboxes.ts';
import { COPY, EXPUNGE, STORE } from './messages.ts';
import { GETMETADATA, SETMETADATA } from './metadata.ts';
import { NOTIFY } from './notify.ts';
import { GETQUOTA, GETQUOTAROOT, SETQUOTA } from './quota.ts';
import { CANCELUPDATE, SEARCH } from './search.ts';
import { CHECK, CLOSE, SELECT, UNSELECT } from './select.ts';
import { THREAD } from './thread.ts';
import { STATUS } from './status.ts';
import { CAPABILITY, COMPRESS, ENABLE, ID, IDLE, LOGOUT, NAMESPACE, NOOP } from './session.ts';

/** A row as the session sees it: any command of its kinds. */
export interface AnyRow extends Omit<CommandRow, 'run' | 'kinds'> {
  run(core: SessionCore, command: Command): Promise<Outcome> | Outcome;
}

function row<Kind extends CommandKind>(typed: CommandRow<Kind>): AnyRow {
  const kinds: ReadonlySet<string> = new Set(typed.kinds);
  const isOurs = (command: Command): command is Extract<Command, { readonly kind: Kind }> =>
    kinds.has(command.kind);
  return {
    needsMailbox: typed.needsMailbox,
    sync: typed.sync,
    refresh: typed.refresh,
    run(core, command) {
      if (!isOurs(command)) throw new TypeError(`row does not run ${command.kind}`);
      return typed.run(core, command);
    },
  };
}

/** RFC 3501 §5.5: UIDs do not shift, so UID commands may tell expunges. */
const uidForm = (typed: AnyRow): AnyRow => ({ ...typed, sync: typed.sync === 'none' ? 'none' : 'all' });

export const COMMANDS: ReadonlyMap<string, AnyRow> = new Map([
  ['CAPABILITY', row(CAPABILITY)],
  ['NOOP', row(NOOP)],
  ['LOGOUT', row(LOGOUT)],
  ['ID', row(ID)],
  ['ENABLE', row(ENABLE)],
  ['NAMESPACE', row(NAMESPACE)],
  ['COMPRESS', row(COMPRESS)],
  ['IDLE', row(IDLE)],
  ['SELECT', row(SELECT)],
  ['EXAMINE', row(SELECT)],
  ['CREATE', row(CREATE)],
  ['GETMETADATA', row(GETMETADATA)],
  ['SETMETADATA', row(SETMETADATA)],
  ['GETQUOTA', row(GETQUOTA)],
  ['GETQUOTAROOT', row(GETQUOTAROOT)],
  ['SETQUOTA', row(SETQUOTA)],
  ['DELETE', row(DELETE)],
  ['RENAME', row(RENAME)],
  ['SUBSCRIBE', row(SUBSCRIBE)],
  ['UNSUBSCRIBE', row(UNSUBSCRIBE)],
  ['LIST', row(LIST)],
  ['LSUB', row(LSUB)],
  ['STATUS', row(STATUS)],
  ['CHECK', row(CHECK)],
  ['CLOSE', row(CLOSE)],
  ['UNSELECT', row(UNSELECT)],
  ['EXPUNGE', row(EXPUNGE)],
  ['UID EXPUNGE', row(EXPUNGE)],
  ['FETCH', row(FETCH)],
  ['UID FETCH', uidForm(row(FETCH))],
  ['STORE', row(STORE)],
  ['UID STORE', uidForm(row(STORE))],
  ['SEARCH', row(SEARCH)],
  ['UID SEARCH', uidForm(row(SEARCH))],
  ['SORT', row(SEARCH)],
  ['UID SORT', uidForm(row(SEARCH))],
  ['THREAD', row(THREAD)],
  ['UID THREAD', uidForm(row(THREAD))],
  ['CANCELUPDATE', row(CANCELUPDATE)],
  ['NOTIFY', row(NOTIFY)],
  ['COPY', row(COPY)],
  ['UID COPY', row(COPY)],
  ['MOVE', row(COPY)],
  ['UID MOVE', row(COPY)],
]);
