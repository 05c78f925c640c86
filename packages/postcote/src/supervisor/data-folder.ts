// The folder of queue and sockets, made and checked before anything in it is touched: root follows nobody's links
// there, and two servers never share it.

import { lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { RefusedConfiguration } from '../plan.ts';
import type { Identity } from './accounts.ts';

export interface DataFolder {
  readonly run: string;
  readonly queue: string;
  readonly authSocket: string;
  readonly deliverSocket: string;
}

/**
 * Makes what is missing. Throws `RefusedConfiguration` when others could put links there, when the queue belongs
 * to an account other than the front's, or when a server is at work on it.
 */
export async function openDataFolder(path: string, front: Identity | undefined): Promise<DataFolder> {
  const run = join(path, 'run');
  const queue = join(path, 'queue');
  mkdirSync(run, { recursive: true, mode: 0o755 });
  mkdirSync(queue, { recursive: true, mode: 0o700 });
  const own = process.getuid?.() ?? 0;
  const complaints = [
    ...faultsOf(path, { owners: [own], followed: true }),
    ...faultsOf(run, { owners: [own], followed: false }),
    ...faultsOf(queue, { owners: [own, front?.uid ?? own], followed: false }),
  ];
  if (complaints.length === 0 && front !== undefined) complaints.push(...strangersIn(queue, front));
  if (complaints.length > 0) throw new RefusedConfiguration(complaints);
  const folder = { run, queue, authSocket: join(run, 'auth.sock'), deliverSocket: join(run, 'deliver.sock') };
  if (await isServed(path))
    throw new RefusedConfiguration([`${path}: another postcote is running on this folder; stop it first`]);
  return folder;
}

function faultsOf(
  path: string,
  { owners, followed }: { readonly owners: readonly number[]; readonly followed: boolean },
): string[] {
  const stat = followed ? statSync(path) : lstatSync(path);
  if (!stat.isDirectory()) return [`${path}: is not a folder`];
  if (!owners.includes(stat.uid))
    return [`${path}: belongs to uid ${stat.uid}; it must belong to ${owners.join(' or ')} (chown)`];
  const byGroup = (stat.mode & 0o020) !== 0 && stat.gid !== 0 && stat.gid !== process.getgid?.();
  if (byGroup || (stat.mode & 0o002) !== 0)
    return [`${path}: others may write there; take that away (chmod go-w ${path})`];
  return [];
}

/** The account that faces the network was another one when the queue was filled. */
function strangersIn(queue: string, front: Identity): string[] {
  const foreign = readdirSync(queue).some((name) => {
    const { uid } = lstatSync(join(queue, name));
    return uid !== front.uid && uid !== 0;
  });
  return foreign
    ? [
        `${queue}: was another account's, and ${front.name} faces the network now: ` +
          `chown -R ${front.name}: ${queue}`,
      ]
    : [];
}

/** Whether a server is at work on a data folder. */
export function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(join(path, 'run/deliver.sock'));
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
