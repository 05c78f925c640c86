// The authenticator's server loop. The front connects, sends one frame with a login request, and gets one
// frame back; or, for IMAP and POP3, the same connection goes on to the user's mailbox worker.
//
// Contract with whoever takes a granted connection: no octet after the request has been read from it, and no
// verdict was written: the taker writes `formatGranted(user)` first (or an `unavailable` verdict, should it
// fail then). The front sends nothing before it has the verdict; whatever comes earlier is a violation and
// closes the connection.
//
// Answers: `refused` for a wrong password, an unknown, expired or unfit account, all alike and no sooner than
// the failure delay after the check began; `unavailable` when nothing could be decided.

import { createHmac, randomBytes } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import {
  FrameError,
  FrameReader,
  formatFrame,
  type Log,
  type LoginRequest,
  type LoginVerdict,
} from '@postcote/wire';
import type { Authenticator } from '../authenticator.ts';
import { type AuthQuestion, parseAuthQuestion } from '../login-request.ts';
import { Throttle } from '../throttle.ts';
import { type PolicyVerdict, mayHaveMail, type UserDirectory, type UserRecord } from '../user-directory.ts';
import {
  applyUserNameRules,
  DEFAULT_USER_NAME_RULES,
  formatUserForLog,
  type UserNameRules,
} from '../user-name.ts';

export interface Grant {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly service: LoginRequest['service'];
  readonly request: Omit<LoginRequest, 'password'>;
  /** As the front gave it; the taker checks it. */
  readonly handOff?: unknown;
}

export interface AuthenticatorServerOptions {
  /** Already listening on the auth socket; created with `pauseOnConnect` or not. */
  readonly server: Server;
  readonly authenticator: Authenticator;
  readonly directory: UserDirectory;
  readonly log: Log;
  /**
   * Passes a granted connection on. Resolves once the connection is somebody else's; rejects while it is still
   * ours (the worker cap, a dead supervisor): the client then hears `unavailable`.
   */
  readonly grant: (grant: Grant, socket: Socket) => Promise<void>;
  readonly throttle?: Throttle;
  readonly userNames?: UserNameRules;
  /** Whether an account may have mail, for IMAP and POP3. Default: `mayHaveMail` with Dovecot's `first_valid_uid`. */
  readonly policy?: (user: UserRecord) => PolicyVerdict;
  readonly frameDeadlineMs?: number;
  readonly maxConnections?: number;
}

export interface RunningAuthenticator {
  /** Stops accepting, lets what is under way end, then resolves. */
  close(): Promise<void>;
  readonly connections: number;
}

const FRAME_DEADLINE_MS = 10_000;
const MAX_CONNECTIONS = 512;
const VERDICT_DEADLINE_MS = 10_000;
const PROGRAM = 'dovecot';

/** The first frame on a granted connection, from whoever took it. */
export const formatGranted = (user: string): Buffer =>
  formatFrame({ kind: 'granted', user } satisfies LoginVerdict);

export function serveAuthenticator(options: AuthenticatorServerOptions): RunningAuthenticator {
  const loop = new Loop(options);
  const accept = (socket: Socket): void => loop.accept(socket);
  options.server.on('connection', accept);
  return {
    get connections() {
      return loop.size;
    },
    async close() {
      options.server.off('connection', accept);
      // Not awaited: it would wait for connections that were handed on and live on in this process.
      if (options.server.listening) options.server.close();
      loop.closeIdle();
      await loop.idle();
    },
  };
}

class Loop {
  readonly #options: AuthenticatorServerOptions;
  readonly #throttle: Throttle;
  readonly #key = randomBytes(32);
  readonly #open = new Map<Socket, 'reading' | 'deciding'>();
  readonly #whenIdle: (() => void)[] = [];

  constructor(options: AuthenticatorServerOptions) {
    this.#options = options;
    this.#throttle = options.throttle ?? new Throttle(() => performance.now());
  }

  get size(): number {
    return this.#open.size;
  }

  idle(): Promise<void> {
    return this.#open.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  closeIdle(): void {
    for (const [socket, state] of this.#open) if (state === 'reading') socket.destroy();
  }

  accept(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#open.size >= (this.#options.maxConnections ?? MAX_CONNECTIONS)) {
      this.#options.log('warn', PROGRAM, 'auth: too many connections, dropping one');
      socket.destroy();
      return;
    }
    this.#open.set(socket, 'reading');
    socket.once('close', () => this.#forget(socket));
    void this.#serve(socket);
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket);
    if (this.#open.size > 0) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #serve(socket: Socket): Promise<void> {
    try {
      const question = await readQuestion(socket, this.#options.frameDeadlineMs ?? FRAME_DEADLINE_MS);
      if (question === undefined) {
        socket.destroy();
        return;
      }
      if (typeof question === 'string') {
        this.#options.log('warn', PROGRAM, `auth: bad request on the auth socket: ${question}`);
        socket.destroy();
        return;
      }
      this.#open.set(socket, 'deciding');
      await this.#answer(question, socket);
    } catch (error) {
      // Nobody expected this. It decides nothing, and its text may hold anything: only its kind is logged.
      const kind = error instanceof Error ? error.name : typeof error;
      this.#options.log('error', PROGRAM, `auth: unexpected ${kind}`);
      reply(socket, { kind: 'unavailable', message: 'internal error' });
    }
  }

  async #answer(question: AuthQuestion, socket: Socket): Promise<void> {
    const decision = await this.#decide(question.request, socket);
    if (decision.kind === 'gone') socket.destroy();
    else if (decision.kind === 'account') await this.#grant(question, decision.account, socket);
    else reply(socket, decision);
  }

  async #decide(request: LoginRequest, socket: Socket): Promise<Decision> {
    const name = applyUserNameRules(request.user, this.#options.userNames ?? DEFAULT_USER_NAME_RULES);
    const user = name.kind === 'name' ? name.name : request.user;
    const attempt = this.#throttle.begin({
      sessionId: request.sessionId,
      user,
      address: request.remoteAddress,
      fingerprint: this.#fingerprint(user, request.password),
    });
    if (attempt.kind === 'turnedAway') {
      this.#say('warn', request, attempt.reason);
      return { kind: 'unavailable', message: attempt.reason };
    }
    if (!(await waitFor(attempt.waitMs, socket))) {
      attempt.abandoned();
      return { kind: 'gone' };
    }
    const began = performance.now();
    let outcome: Outcome;
    try {
      outcome =
        name.kind === 'name'
          ? await this.#check(name.name, request, attempt.known)
          : { kind: 'refused', message: name.reason };
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
    if (outcome.kind === 'account') {
      attempt.succeeded();
      return outcome;
    }
    if (outcome.kind === 'unavailable') {
      attempt.abandoned();
      this.#say('error', request, outcome.message);
      return outcome;
    }
    attempt.failed();
    this.#say('info', request, outcome.message);
    // The same moment for whatever was wrong: an account that does not exist takes PAM less time.
    await waitFor(this.#throttle.failureDelayMs - (performance.now() - began), socket);
    return outcome;
  }

  async #check(user: string, request: LoginRequest, known: boolean): Promise<Outcome> {
    const { authenticator, directory } = this.#options;
    if (request.password === '') return { kind: 'refused', message: 'empty password' };
    const checked = await authenticator.check({
      user,
      password: request.password,
      remoteAddress: request.remoteAddress,
      known,
    });
    if (checked.kind !== 'ok') return { kind: checked.kind, message: checked.reason };
    let account: UserRecord | undefined;
    try {
      account = await directory.lookup(user);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { kind: 'unavailable', message: `user lookup failed: ${why}` };
    }
    if (account === undefined) return { kind: 'refused', message: 'user not found from userdb' };
    const policy = this.#policyFor(request)(account);
    return policy.kind === 'allowed'
      ? { kind: 'account', account }
      : { kind: 'refused', message: policy.reason };
  }

  /** Sending needs no mailbox: a service's account below `first_valid_uid` may submit mail, root may not. */
  #policyFor(request: LoginRequest): (user: UserRecord) => PolicyVerdict {
    if (request.service !== 'smtp') return this.#options.policy ?? ((user) => mayHaveMail(user));
    return (user) =>
      user.uid === 0 ? { kind: 'refused', reason: 'root does not log in' } : { kind: 'allowed' };
  }

  async #grant(question: AuthQuestion, account: UserRecord, socket: Socket): Promise<void> {
    const { password: _password, ...request } = question.request;
    if (request.service === 'smtp') {
      reply(socket, { kind: 'granted', user: account.name });
      return;
    }
    if (socket.destroyed) return;
    if (!release(socket)) {
      this.#options.log('warn', PROGRAM, 'auth: octets after the request on the auth socket');
      socket.destroy();
      return;
    }
    try {
      await this.#options.grant(
        {
          user: account.name,
          uid: account.uid,
          gid: account.gid,
          home: account.home,
          service: request.service,
          request,
          ...(question.handOff === undefined ? {} : { handOff: question.handOff }),
        },
        socket,
      );
      // The connection is another process's now. Node reports no `close` for a socket it has sent away.
      this.#forget(socket);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#say('error', question.request, `no mailbox worker: ${why}`);
      reply(socket, { kind: 'unavailable', message: why });
    }
  }

  /** DOVECOT: `auth-worker(PID): pam(user,address): what was wrong`, which fail2ban's filter reads. */
  #say(level: 'info' | 'warn' | 'error', request: LoginRequest, message: string): void {
    const who = `${this.#options.authenticator.driver}(${formatUserForLog(request.user)},${request.remoteAddress})`;
    this.#options.log(level, PROGRAM, `auth-worker(${process.pid}): ${who}: ${message}`, {
      session: request.sessionId,
      service: request.service,
      method: request.mechanism,
    });
  }

  #fingerprint(user: string, password: string): string {
    const mac = createHmac('sha256', this.#key).update(user).update('\0').update(password);
    // Eighteen bits: enough to know the same mistake again, too few to try passwords against.
    return mac.digest('base64').slice(0, 3);
  }
}

type Outcome =
  | { readonly kind: 'account'; readonly account: UserRecord }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };
type Decision = Outcome | { readonly kind: 'gone' };

/** The question; a text saying what was wrong with it; or undefined when the peer left or dawdled. */
function readQuestion(socket: Socket, deadlineMs: number): Promise<AuthQuestion | string | undefined> {
  const reader = new FrameReader();
  return new Promise((resolve) => {
    const finish = (result: AuthQuestion | string | undefined): void => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
      // Anything more before our verdict is a violation; this also tells that the peer has gone.
      socket.on('data', () => socket.destroy());
      resolve(result);
    };
    const onEnd = (): void => finish(undefined);
    const onData = (chunk: Buffer): void => {
      try {
        reader.push(chunk);
        // The reader has its copy; the password need not lie about in the socket's as well.
        chunk.fill(0);
        const frame = reader.next();
        if (frame === undefined) return;
        if (reader.takeRest().length > 0) finish('octets after the request');
        else finish(parseAuthQuestion(frame.value) ?? 'not a login request');
      } catch (error) {
        finish(error instanceof FrameError ? error.message : 'unreadable frame');
      }
    };
    const timer = setTimeout(() => finish(undefined), deadlineMs);
    socket.on('data', onData);
    socket.once('end', onEnd);
    socket.once('close', onEnd);
    socket.resume();
  });
}

/** Waits; false when the peer went away meanwhile. */
function waitFor(ms: number, socket: Socket): Promise<boolean> {
  if (socket.destroyed || socket.readableEnded) return Promise.resolve(false);
  if (ms <= 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const settle = (present: boolean): void => {
      clearTimeout(timer);
      socket.off('close', gone);
      socket.off('end', gone);
      resolve(present);
    };
    const gone = (): void => settle(false);
    const timer = setTimeout(() => settle(true), ms);
    socket.once('close', gone);
    socket.once('end', gone);
  });
}

/** Makes the socket ready to be passed on; false when the peer spoke out of turn or left. */
function release(socket: Socket): boolean {
  socket.pause();
  socket.removeAllListeners('data');
  return !socket.destroyed && !socket.readableEnded && socket.readableLength === 0;
}

function reply(socket: Socket, verdict: LoginVerdict): void {
  if (socket.destroyed) return;
  socket.removeAllListeners('data');
  socket.on('data', () => {});
  socket.resume();
  socket.end(formatFrame(verdict));
  const timer = setTimeout(() => socket.destroy(), VERDICT_DEADLINE_MS);
  socket.once('close', () => clearTimeout(timer));
}
