// Asks PAM whether a password is right and the account in order. Runs only in the authenticator process.
//
// Each call holds a thread of libuv's pool for as long as the modules take (yescrypt: about 60 ms; a directory
// on the network: seconds), so few run at a time, and one thread is left to files and names. A call cannot be
// cancelled: after the time limit the question is answered `unavailable`, and its slot comes back when the
// module returns.

import type { Authenticator, PasswordCheck, PasswordQuestion } from '../authenticator.ts';
import { MAX_PASSWORD, MAX_USER } from '../sasl.ts';
import { isAskableName } from '../user-directory.ts';
import { loadPamBinding, type PamBinding } from './pam-binding.ts';
import { findPamService, hasPamService, PAM_DIRECTORIES } from './pam-service.ts';
import { PrioritySlots } from './priority-slots.ts';

export interface PamAuthenticatorOptions {
  /** Default: the first of `PAM_SERVICES` that exists. */
  readonly service?: string;
  readonly directories?: readonly string[];
  /** Calls at a time; keep it below UV_THREADPOOL_SIZE (4). */
  readonly concurrency?: number;
  readonly timeLimitMs?: number;
  /**
   * Called when no call has come back within its time limit and none can be made any more (a directory that hangs):
   * only a new process helps.
   */
  readonly onExhausted?: () => void;
  readonly binding?: PamBinding;
  /** Where the native module is (see `loadPamBinding`). */
  readonly modulePath?: string;
}

export class PamServiceError extends Error {
  override readonly name = 'PamServiceError';
}

const DEFAULT_CONCURRENCY = 3;
const DEFAULT_TIME_LIMIT_MS = 15_000;
const MAX_WAITING = { known: 256, stranger: 64 };

// What <security/_pam_types.h> calls an answer about the account; every other code means that none was found.
const PAM_AUTH_ERR = 7;
const REFUSALS: ReadonlySet<number> = new Set([
  6, // PAM_PERM_DENIED
  PAM_AUTH_ERR,
  8, // PAM_CRED_INSUFFICIENT
  10, // PAM_USER_UNKNOWN
  11, // PAM_MAXTRIES
  12, // PAM_NEW_AUTHTOK_REQD: the password must be changed first
  13, // PAM_ACCT_EXPIRED
  16, // PAM_CRED_EXPIRED
  27, // PAM_AUTHTOK_EXPIRED
]);
const PAM_USER_UNKNOWN = 10;

export class PamAuthenticator implements Authenticator {
  readonly driver = 'pam';
  readonly service: string;
  readonly #directories: readonly string[];
  readonly #binding: PamBinding;
  readonly #timeLimitMs: number;
  readonly #slots: PrioritySlots;
  readonly #concurrency: number;
  readonly #onExhausted: () => void;
  /** Calls that still run although they were answered `unavailable`. */
  #overdue = 0;

  /** Throws `PamServiceError` without a service file and `PamBindingError` without the compiled module. */
  constructor(options: PamAuthenticatorOptions = {}) {
    this.#directories = options.directories ?? PAM_DIRECTORIES;
    const service = options.service ?? findPamService(undefined, this.#directories);
    if (service === undefined || !hasPamService(service, this.#directories)) {
      const wanted = options.service === undefined ? 'no PAM service' : `PAM service ${options.service}`;
      throw new PamServiceError(`${wanted} has a file in ${this.#directories.join(' or ')}`);
    }
    this.service = service;
    this.#binding = options.binding ?? loadPamBinding(options.modulePath);
    this.#timeLimitMs = options.timeLimitMs ?? DEFAULT_TIME_LIMIT_MS;
    this.#concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
    this.#slots = new PrioritySlots(this.#concurrency, MAX_WAITING);
    this.#onExhausted = options.onExhausted ?? (() => {});
  }

  async check(question: PasswordQuestion): Promise<PasswordCheck> {
    const { user, password } = question;
    // The native side checks all this again; a name that no account can have is not worth its time.
    if (!isAskableName(user) || tooLong(user, MAX_USER)) return { kind: 'refused', reason: 'unknown user' };
    if (password === '' || password.includes('\0') || tooLong(password, MAX_PASSWORD)) {
      return { kind: 'refused', reason: 'unusable password' };
    }
    const began = performance.now();
    const slot = await this.#slots.take(question.known ? 'known' : 'stranger', this.#timeLimitMs);
    if (!slot) return { kind: 'unavailable', reason: 'too many logins at a time' };
    // The file may have gone since start: without it libpam would ask `other`.
    if (!hasPamService(this.service, this.#directories)) {
      this.#slots.release();
      return { kind: 'unavailable', reason: `PAM service ${this.service} has no file any more` };
    }
    return await this.#call(question, this.#timeLimitMs - (performance.now() - began));
  }

  #call(question: PasswordQuestion, timeLimitMs: number): Promise<PasswordCheck> {
    return new Promise((resolve) => {
      let isOverdue = false;
      const timer = setTimeout(
        () => {
          isOverdue = true;
          resolve({ kind: 'unavailable', reason: 'PAM gave no answer in time' });
          if (++this.#overdue === this.#concurrency) this.#onExhausted();
        },
        Math.max(1, timeLimitMs),
      );
      const settle = (check: PasswordCheck): void => {
        clearTimeout(timer);
        if (isOverdue) this.#overdue--;
        this.#slots.release();
        resolve(check);
      };
      try {
        this.#binding.authenticate(
          question.user,
          question.password,
          (message, code, phase) => settle(readResult(message, code, phase)),
          // DOVECOT: the terminal is `dovecot`; pam_access rules and log filters know it by that name.
          { serviceName: this.service, remoteHost: question.remoteAddress, tty: 'dovecot' },
        );
      } catch (error) {
        settle({ kind: 'unavailable', reason: error instanceof Error ? error.message : 'PAM call failed' });
      }
    });
  }
}

/** DOVECOT: reasons are worded as its pam driver logs them, for filters that look for them. */
function readResult(
  message: string | undefined,
  code: number | undefined,
  phase: string | undefined,
): PasswordCheck {
  if (message === undefined) return { kind: 'ok' };
  const call =
    phase === 'account' ? 'pam_acct_mgmt' : phase === 'authenticate' ? 'pam_authenticate' : 'pam_start';
  const hint = code === PAM_AUTH_ERR && phase === 'authenticate' ? ' (Password mismatch?)' : '';
  const answered =
    code !== undefined && REFUSALS.has(code) && (phase === 'authenticate' || phase === 'account');
  if (!answered) return { kind: 'unavailable', reason: `${call}() failed: ${message}` };
  if (code === PAM_USER_UNKNOWN && phase === 'authenticate')
    return { kind: 'refused', reason: 'unknown user' };
  return { kind: 'refused', reason: `${call}() failed: ${message}${hint}` };
}

const tooLong = (text: string, octets: number): boolean => Buffer.byteLength(text, 'utf8') > octets;
