// Gives up root for good: supplementary groups first, then gid, then uid. Throws rather than going on with any
// privilege left. On Linux the C library carries the change to every thread of the process.

export interface BecomeOptions {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Where to be afterwards; `/` when it cannot be entered, which is reported where the mailbox is opened. */
  readonly home?: string;
  /** `own`: the groups the system gives this name. `none`: no supplementary groups. */
  readonly groups: 'own' | 'none';
}

/** In Node since 0.9.4, on POSIX; the types leave it out. */
const { initgroups } = process as unknown as { initgroups: (user: string, extraGroup: number) => void };

export function becomeUser(options: BecomeOptions): void {
  const { name, uid, gid, home, groups } = options;
  if (uid === 0 || gid === 0) throw new Error(`refusing to run as ${name}: that is root`);
  if (groups === 'own') initgroups(name, gid);
  else process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid || process.getegid?.() !== gid)
    throw new Error(`could not become ${name}`);
  let regained = true;
  try {
    process.setuid?.(0);
  } catch {
    regained = false;
  }
  if (regained) throw new Error('root could be taken back');
  process.umask(0o077);
  try {
    process.chdir(home ?? '/');
  } catch {
    process.chdir('/');
  }
  process.env['HOME'] = home ?? '/';
}
