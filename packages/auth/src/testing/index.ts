// Fakes for what the authenticator asks: passwords and accounts from a list.

import type { Authenticator, PasswordCheck, PasswordQuestion } from '../authenticator.ts';
import type { UserDirectory, UserRecord } from '../user-directory.ts';

export interface FakeAccount extends Partial<UserRecord> {
  readonly password: string;
}

/** An authenticator and directory over fixed accounts. `checked` holds the users that were asked about. */
export class FakeAccounts implements Authenticator, UserDirectory {
  readonly driver = 'pam';
  readonly checked: string[] = [];
  /** What `check` answers instead, and how long it takes. */
  answer: PasswordCheck | undefined;
  delayMs = 0;
  readonly #accounts: ReadonlyMap<string, FakeAccount>;

  constructor(accounts: Readonly<Record<string, FakeAccount>>) {
    this.#accounts = new Map(Object.entries(accounts));
  }

  async check(question: PasswordQuestion): Promise<PasswordCheck> {
    this.checked.push(question.user);
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    if (this.answer !== undefined) return this.answer;
    const account = this.#accounts.get(question.user);
    if (account === undefined) return { kind: 'refused', reason: 'unknown user' };
    return account.password === question.password
      ? { kind: 'ok' }
      : { kind: 'refused', reason: 'pam_authenticate() failed: Authentication failure (Password mismatch?)' };
  }

  async lookup(name: string): Promise<UserRecord | undefined> {
    const account = this.#accounts.get(name);
    if (account === undefined) return undefined;
    const { password: _password, ...record } = account;
    return { name, uid: 1000, gid: 1000, home: `/home/${name}`, shell: '/bin/sh', ...record };
  }
}
