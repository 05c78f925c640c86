// The folder of queue and sockets, made and checked before anything in it is touched: root follows nobody's links
// there, and two servers never share it.

import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { RefusedConfiguration } from '../plan.ts';
import { ADMIN_SOCKET, MAILDROP, PUBLIC_SOCKET } from '../control/places.ts';
import type { Identity } from './accounts.ts';

export interface DataFolder {
  readonly run: string;
  readonly queue: string;
  readonly authSocket: string;
  readonly deliverSocket: string;
  readonly adminSocket: string;
  readonly publicSocket: string;
  readonly maildrop: string;
}

/**
 * For everybody to put mail into, for nobody to list, and for the owner of a file alone to take it out again; a file
 * made there gets the front's group, which lets the front read it and shows that it was made there.
 */
const MAILDROP_MODE = 0o3733;

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
  const maildrop = join(path, MAILDROP);
  if (complaints.length === 0) complaints.push(...openMaildrop(maildrop, front));
  if (complaints.length === 0 && front !== undefined) complaints.push(...strangersIn(queue, front));
  if (complaints.length > 0) throw new RefusedConfiguration(complaints);
  const folder = {
    run,
    queue,
    maildrop,
    authSocket: join(run, 'auth.sock'),
    deliverSocket: join(run, 'deliver.sock'),
    adminSocket: join(path, ADMIN_SOCKET),
    publicSocket: join(path, PUBLIC_SOCKET),
  };
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

/** Made where it is missing, and checked: its owner, its group and its mode are what makes it safe. */
function openMaildrop(path: string, front: Identity | undefined): string[] {
  const uid = front?.uid ?? process.getuid?.() ?? 0;
  const gid = front?.gid ?? process.getgid?.() ?? 0;
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    mkdirSync(path, { mode: 0o700 });
    // In this order: only the owner of a folder may change its mode.
    chmodSync(path, MAILDROP_MODE);
    chownSync(path, uid, gid);
  }
  const stat = lstatSync(path);
  const fits =
    stat.isDirectory() && stat.uid === uid && stat.gid === gid && (stat.mode & 0o7777) === MAILDROP_MODE;
  if (fits) return [];
  const mode = MAILDROP_MODE.toString(8);
  return [
    `${path}: must be a folder of uid ${uid} and gid ${gid} with mode ${mode} ` +
      `(chown ${uid}:${gid} ${path}; chmod ${mode} ${path})`,
  ];
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
