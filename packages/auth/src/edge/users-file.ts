// Accounts and passwords from one text file, for development mode and demonstrations: Dovecot's passwd-file
// format, `name:{SCHEME}secret:uid:gid:gecos:home:shell:extra`. Homes are the file's own; uid and gid may be
// left out and are then ours.

import type { Authenticator, PasswordCheck, PasswordQuestion } from '../authenticator.ts';
import { type UserDirectory, UserDirectoryError, type UserRecord } from '../user-directory.ts';
import { CachedFile } from './cached-file.ts';
import { parseStoredPassword, type StoredPassword, verifyPassword } from './password-hash.ts';

export interface UsersFileEntry extends UserRecord {
  /** Absent when the line has no usable password: the account exists, nobody can log in. */
  readonly stored?: StoredPassword;
}

export interface UsersFileContent {
  readonly users: ReadonlyMap<string, UsersFileEntry>;
  /** Lines that were passed over, for the log. Never holds a password. */
  readonly problems: readonly { readonly line: number; readonly message: string }[];
}

const NUMBER = /^\d{1,10}$/;

export function parseUsersFile(
  text: string,
  defaults: { readonly uid: number; readonly gid: number },
): UsersFileContent {
  const users = new Map<string, UsersFileEntry>();
  const problems: { line: number; message: string }[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\r$/, '');
    if (line === '' || line.startsWith('#')) continue;
    const complain = (message: string): void => void problems.push({ line: index + 1, message });
    const [name = '', secret = '', uid = '', gid = '', , home = '', shell = ''] = line.split(':');
    if (name === '') complain('no user name');
    else if ((uid !== '' && !NUMBER.test(uid)) || (gid !== '' && !NUMBER.test(gid))) {
      complain(`bad uid or gid of ${name}`);
    } else if (!home.startsWith('/')) complain(`home of ${name} is not an absolute path`);
    else if (users.has(name)) complain(`${name} is there twice; the first line counts`);
    else {
      const stored = parseStoredPassword(secret);
      if (stored === undefined) complain(`password scheme of ${name} is not supported: nobody can log in`);
      users.set(name, {
        name,
        uid: uid === '' ? defaults.uid : Number(uid),
        gid: gid === '' ? defaults.gid : Number(gid),
        home,
        shell,
        ...(stored === undefined ? {} : { stored }),
      });
    }
  }
  return { users, problems };
}

export interface UsersFileOptions {
  readonly path: string;
  /** Whether every listener of the server is bound to loopback: the caller's word. */
  readonly loopbackOnly: boolean;
  /** For tests; the process's own otherwise. */
  readonly uid?: number;
  readonly gid?: number;
}

export class UsersFileError extends Error {
  override readonly name = 'UsersFileError';
}

export class UsersFile implements UserDirectory, Authenticator {
  readonly driver = 'passwd-file';
  readonly #file: CachedFile<UsersFileContent>;

  /** Throws `UsersFileError` under uid 0 unless the listeners are loopback's: a file of ours opens no machine. */
  constructor(options: UsersFileOptions) {
    const uid = options.uid ?? process.getuid?.() ?? 0;
    const gid = options.gid ?? process.getgid?.() ?? 0;
    if (uid === 0 && !options.loopbackOnly) {
      throw new UsersFileError('a users file serves loopback listeners only when run as root');
    }
    this.#file = new CachedFile(options.path, (text) => parseUsersFile(text, { uid, gid }));
  }

  /** What the file says, for a first look and its problems. Throws `UserDirectoryError`. */
  async read(): Promise<UsersFileContent> {
    try {
      return await this.#file.read();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new UserDirectoryError(`cannot read ${this.#file.path}: ${why}`, { cause: error });
    }
  }

  async lookup(name: string): Promise<UserRecord | undefined> {
    const entry = (await this.read()).users.get(name);
    if (entry === undefined) return undefined;
    const { uid, gid, home, shell } = entry;
    return { name: entry.name, uid, gid, home, shell };
  }

  async check(question: PasswordQuestion): Promise<PasswordCheck> {
    try {
      const entry = (await this.read()).users.get(question.user);
      if (entry === undefined) return { kind: 'refused', reason: 'unknown user' };
      if (entry.stored === undefined) return { kind: 'refused', reason: 'no usable password' };
      const right = await verifyPassword(entry.stored, question.password);
      return right ? { kind: 'ok' } : { kind: 'refused', reason: 'Password mismatch' };
    } catch (error) {
      return { kind: 'unavailable', reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
