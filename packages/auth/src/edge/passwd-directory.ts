// The machine's accounts: /etc/passwd read directly, and whatever else nsswitch.conf(5) names (LDAP, sssd, …)
// through getent(1), which loads those modules outside our process.
//
// A name that no account could have is answered without asking anybody. Answers from getent are kept for a
// short while and in bounded number; a getent that fails or hangs is a temporary failure, never "no such user".

import { execFile } from 'node:child_process';
import { BoundedMap } from '../bounded-map.ts';
import {
  isAskableName,
  parseNsswitchPasswd,
  parsePasswd,
  parsePasswdLine,
  type UserDirectory,
  UserDirectoryError,
  type UserRecord,
} from '../user-directory.ts';
import { CachedFile } from './cached-file.ts';

export interface PasswdDirectoryOptions {
  readonly passwdFile?: string;
  readonly nsswitchFile?: string;
  /** The program asked for names that /etc/passwd does not have. */
  readonly getent?: string;
  readonly getentTimeLimitMs?: number;
  /**
   * Accounts seen in the passwd file this long ago count without another look. Names that were in no source count
   * as absent only where that very name was asked for: nobody waits for a new account to be seen.
   */
  readonly trustForMs?: number;
}

/** Sources that /etc/passwd covers, or that hold no one who may have mail (nss-systemd's dynamic users). */
const COVERED = new Set(['files', 'systemd', 'altfiles']);
const FOUND_FOR_MS = 60_000;
const ABSENT_FOR_MS = 10_000;
const CACHED_NAMES = 1000;
const MAX_GETENT = 4;
const MAX_GETENT_WAITING = 64;
/** getent's exit status for a key that was not found. */
const NOT_FOUND = 2;

interface Remembered {
  readonly user: UserRecord | undefined;
  readonly until: number;
}

export class PasswdDirectory implements UserDirectory {
  readonly #passwd: CachedFile<ReadonlyMap<string, UserRecord>>;
  readonly #nsswitch: CachedFile<readonly string[]>;
  readonly #getent: string;
  readonly #timeLimitMs: number;
  readonly #trustForMs: number;
  readonly #absentUntil = new BoundedMap<number>(CACHED_NAMES);
  readonly #remembered = new BoundedMap<Remembered>(CACHED_NAMES);
  readonly #asking = new Map<string, Promise<UserRecord | undefined>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: PasswdDirectoryOptions = {}) {
    this.#passwd = new CachedFile(options.passwdFile ?? '/etc/passwd', parsePasswd);
    this.#nsswitch = new CachedFile(options.nsswitchFile ?? '/etc/nsswitch.conf', parseNsswitchPasswd);
    this.#getent = options.getent ?? '/usr/bin/getent';
    this.#timeLimitMs = options.getentTimeLimitMs ?? 5000;
    this.#trustForMs = options.trustForMs ?? 0;
  }

  async lookup(name: string): Promise<UserRecord | undefined> {
    if (!isAskableName(name)) return undefined;
    let local = this.#passwd.seenWithin(this.#trustForMs)?.get(name);
    if (local !== undefined) return local;
    const asked = performance.now();
    if (asked < (this.#absentUntil.get(name) ?? 0)) return undefined;
    try {
      local = (await this.#passwd.read()).get(name);
    } catch (error) {
      throw new UserDirectoryError(`cannot read ${this.#passwd.path}: ${textOf(error)}`, { cause: error });
    }
    if (local !== undefined) return local;
    if (await this.#hasOtherSources()) return await this.#askOthers(name);
    if (this.#trustForMs > 0) this.#absentUntil.set(name, asked + this.#trustForMs);
    return undefined;
  }

  async #hasOtherSources(): Promise<boolean> {
    try {
      return (await this.#nsswitch.read()).some((source) => !COVERED.has(source));
    } catch {
      // nsswitch.conf(5): without the file, glibc looks at the files alone.
      return false;
    }
  }

  async #askOthers(name: string): Promise<UserRecord | undefined> {
    const remembered = this.#remembered.get(name);
    if (remembered !== undefined && remembered.until > performance.now()) return remembered.user;
    let asking = this.#asking.get(name);
    if (asking === undefined) {
      asking = this.#runInTurn(name).finally(() => this.#asking.delete(name));
      this.#asking.set(name, asking);
    }
    return await asking;
  }

  async #runInTurn(name: string): Promise<UserRecord | undefined> {
    if (this.#running >= MAX_GETENT) {
      if (this.#waiting.length >= MAX_GETENT_WAITING) throw new UserDirectoryError('too many user look-ups');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      const user = await this.#runGetent(name);
      const keep = user === undefined ? ABSENT_FOR_MS : FOUND_FOR_MS;
      this.#remembered.set(name, { user, until: performance.now() + keep });
      return user;
    } finally {
      // The turn is handed on, or given back.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #runGetent(name: string): Promise<UserRecord | undefined> {
    return new Promise((resolve, reject) => {
      execFile(
        this.#getent,
        ['passwd', '--', name],
        {
          timeout: this.#timeLimitMs,
          killSignal: 'SIGKILL',
          maxBuffer: 16 * 1024,
          env: { PATH: '/usr/bin:/bin' },
        },
        (error, stdout) => {
          if (error === null) {
            const user = parsePasswdLine(stdout.split('\n')[0] ?? '');
            // Directories without case answer with the account's own spelling; anything else is no answer.
            if (user?.name.toLowerCase() === name.toLowerCase()) resolve(user);
            else reject(new UserDirectoryError(`getent gave an unusable answer for ${name}`));
          } else if (error.code === NOT_FOUND) {
            resolve(undefined);
          } else {
            const why = error.killed === true ? 'no answer in time' : `exit status ${String(error.code)}`;
            reject(new UserDirectoryError(`getent passwd ${name}: ${why}`));
          }
        },
      );
    });
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
