// The user table of the privileged side: who may have mail, and under whose identity the processes run.

import { readFileSync } from 'node:fs';
import { type MailPolicy, type UserDirectory, mayHaveMail } from '@postcote/auth';
import { PasswdDirectory, UsersFile, parseUsersFile } from '@postcote/auth/edge';
import type { Account } from '../ipc.ts';
import { RefusedConfiguration } from '../plan.ts';

export interface Identity {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export type FoundAccount =
  | { readonly kind: 'found'; readonly account: Account }
  /** `reason`: why mail for this name waits, in words an administrator can act on. */
  | { readonly kind: 'none'; readonly reason: string };

export interface Accounts {
  /** False when everything runs as whoever started it: development as an ordinary user. */
  readonly changeIdentity: boolean;
  /** The account, when it may have mail. Throws when that cannot be known now. */
  find(user: string): Promise<FoundAccount>;
  /** Development: the names of the users file, for a front that may not read passwords. */
  readonly names: readonly string[] | undefined;
  /** For the process that faces the network. Throws `RefusedConfiguration` when there is no fit account. */
  frontIdentity(mailOwner: string): Promise<Identity>;
}

export interface AccountsOptions {
  readonly usersFile: string | undefined;
  readonly policy: () => MailPolicy;
  /** Whether every listener is bound to loopback. */
  readonly loopbackOnly: boolean;
}

export function openAccounts({ usersFile, policy, loopbackOnly }: AccountsOptions): Accounts {
  const isRoot = process.getuid?.() === 0;
  if (usersFile === undefined && !isRoot) {
    throw new RefusedConfiguration([
      'serving system accounts needs root (passwords, mailboxes of several users); ' +
        'for trying things out as an ordinary user there is ./postcote demo',
    ]);
  }
  const system = new PasswdDirectory();
  const directory: UserDirectory =
    usersFile === undefined ? system : new UsersFile({ path: usersFile, loopbackOnly });
  return {
    changeIdentity: isRoot,
    names: usersFile === undefined ? undefined : readNames(usersFile),
    async find(user) {
      const record = await directory.lookup(user);
      if (record === undefined) return { kind: 'none', reason: `unknown user: "${user}"` };
      const verdict = mayHaveMail(record, policy());
      if (verdict.kind !== 'allowed')
        return { kind: 'none', reason: `${user}: ${verdict.reason}; name a person for it in aliases` };
      const { name, uid, gid, home, shell } = record;
      return { kind: 'found', account: { name, uid, gid, home, shell } };
    },
    frontIdentity: (mailOwner) =>
      chooseFrontIdentity(system, usersFile === undefined ? ['postcote', mailOwner] : ['postcote', 'nobody']),
  };
}

function readNames(usersFile: string): string[] {
  const { users } = parseUsersFile(readFileSync(usersFile, 'utf8'), { uid: 0, gid: 0 });
  return [...users.keys()];
}

async function chooseFrontIdentity(directory: UserDirectory, names: readonly string[]): Promise<Identity> {
  for (const name of names) {
    const record = await directory.lookup(name);
    if (record !== undefined && record.uid !== 0 && record.gid !== 0)
      return { name: record.name, uid: record.uid, gid: record.gid };
  }
  throw new RefusedConfiguration([
    `no unprivileged account to face the network with (looked for ${names.join(', ')}); ` +
      'make one: useradd --system --no-create-home --shell /usr/sbin/nologin postcote',
  ]);
}
