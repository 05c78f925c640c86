// Who has an account, and which accounts may have mail. The adapters (passwd through NSS, a users file) stand
// in edge/; the rules here are pure.

export interface UserRecord {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

export interface UserDirectory {
  /** The account, or undefined when there is none. Throws `UserDirectoryError` when that cannot be known now. */
  lookup(name: string): Promise<UserRecord | undefined>;
}

/** A temporary failure: the answer is neither yes nor no. */
export class UserDirectoryError extends Error {
  override readonly name = 'UserDirectoryError';
}

export interface MailPolicy {
  /** DOVECOT: `first_valid_uid`, 500 by default; `last_valid_uid`, 0 for no bound. */
  readonly firstValidUid: number;
  readonly lastValidUid: number;
  /** DOVECOT: `first_valid_gid` (1) and `last_valid_gid` (0 for no bound). */
  readonly firstValidGid: number;
  readonly lastValidGid: number;
}

export const DEFAULT_MAIL_POLICY: MailPolicy = {
  firstValidUid: 500,
  lastValidUid: 0,
  firstValidGid: 1,
  lastValidGid: 0,
};

/** The overflow accounts of the kernel: `nobody`, and -1 where a syscall means "unchanged". */
const NEVER_VALID = new Set([65534, 65535, 0xfffffffe, 0xffffffff]);

export type PolicyVerdict =
  | { readonly kind: 'allowed' }
  /** `reason` is for the log only; to the client it is a wrong password. */
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Whether mail may be kept for an account: never for uid 0 or gid 0, nor for the system's own users, whatever
 * the settings say (security.md 12).
 */
export function mayHaveMail(user: UserRecord, policy: MailPolicy = DEFAULT_MAIL_POLICY): PolicyVerdict {
  const refuse = (reason: string): PolicyVerdict => ({ kind: 'refused', reason });
  if (!Number.isInteger(user.uid) || user.uid < 0 || NEVER_VALID.has(user.uid)) {
    return refuse(`uid ${user.uid} is no mail user's`);
  }
  if (user.uid === 0) return refuse('root keeps no mail');
  if (!Number.isInteger(user.gid) || user.gid < 0 || user.gid === 0xffffffff) {
    return refuse(`gid ${user.gid} is no mail user's`);
  }
  if (user.gid === 0) return refuse('group root keeps no mail');
  if (user.uid < policy.firstValidUid) {
    return refuse(`uid ${user.uid} is below first_valid_uid (${policy.firstValidUid})`);
  }
  if (policy.lastValidUid !== 0 && user.uid > policy.lastValidUid) {
    return refuse(`uid ${user.uid} is above last_valid_uid (${policy.lastValidUid})`);
  }
  if (user.gid < policy.firstValidGid) {
    return refuse(`gid ${user.gid} is below first_valid_gid (${policy.firstValidGid})`);
  }
  if (policy.lastValidGid !== 0 && user.gid > policy.lastValidGid) {
    return refuse(`gid ${user.gid} is above last_valid_gid (${policy.lastValidGid})`);
  }
  if (!user.home.startsWith('/') || user.home.includes('\0')) return refuse('home is not an absolute path');
  return { kind: 'allowed' };
}

// One line of passwd(5): name:password:uid:gid:gecos:home:shell
const NUMBER = /^\d{1,10}$/;

/** The account a passwd line describes, or undefined when it is no such line (comments, NIS compat entries). */
export function parsePasswdLine(line: string): UserRecord | undefined {
  const [name, , uid, gid, , home, shell, ...rest] = line.split(':');
  if (name === undefined || name === '' || /^[#+-]/.test(name) || rest.length > 0) return undefined;
  if (uid === undefined || gid === undefined || !NUMBER.test(uid) || !NUMBER.test(gid)) return undefined;
  if (home === undefined) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), home, shell: shell ?? '' };
}

/** All accounts of a passwd file; of two with one name the first counts, as it does for getpwnam(3). */
export function parsePasswd(text: string): Map<string, UserRecord> {
  const users = new Map<string, UserRecord>();
  for (const line of text.split('\n')) {
    const user = parsePasswdLine(line);
    if (user !== undefined && !users.has(user.name)) users.set(user.name, user);
  }
  return users;
}

// What getent(1) and the other name services may be asked: no leading `-`, no separators of their protocols,
// nothing a shell, a path or LDAP would read as more than a name.
const ASKABLE = /^[A-Za-z0-9_][A-Za-z0-9_.@+$-]{0,254}$/;

/** Whether a name may be handed to another program or service. Every other name is simply unknown. */
export const isAskableName = (name: string): boolean => ASKABLE.test(name);

/** The sources of nsswitch.conf(5)'s passwd line, without their actions: `files systemd`. */
export function parseNsswitchPasswd(text: string): readonly string[] {
  for (const line of text.split('\n')) {
    const match = /^\s*passwd:(.*)$/.exec(line.replace(/#.*/, ''));
    if (match !== null)
      return (match[1] ?? '')
        .replace(/\[[^\]]*\]/g, ' ')
        .split(/\s+/)
        .filter(Boolean);
  }
  return ['files'];
}
