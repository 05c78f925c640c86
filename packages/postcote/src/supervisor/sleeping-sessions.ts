// Keeps the connections of IMAP sessions whose worker has left, one user's together: hundreds of idle phones cost
// their connections and nothing else. A user's sessions wake together: when a client says something, when a watched
// directory changes, or when a worker is started for that user for any other reason.
//
// What a worker says here it says with its user's rights only, and it may have been taken over: everything is bounded,
// nothing it names is read, and what goes to the log is checked. Octets of the client are carried, not looked at.

import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Log } from '@postcote/wire';
import { releaseSocket } from '@postcote/wire/edge';
import type { Account, SleepingSession } from '../ipc.ts';
import { DirectoryWatch } from './directory-watch.ts';

export interface SleepingSessionsOptions {
  /** This user's sessions have a reason to wake. The callee takes them; whoever cannot leaves them, and is asked again. */
  readonly onWake: (account: Account) => void;
  readonly log: Log;
  /** Milliseconds between looks at watched directories. DOVECOT: maildir's own poll is 30 s. */
  readonly pollInterval?: number;
}

export interface WokenSession {
  readonly session: SleepingSession;
  readonly socket: Socket;
  /** All that the client has said since it fell asleep, as base64. */
  readonly said: string;
}

const POLL_INTERVAL = 30_000;
/** Milliseconds until a wake that did not succeed is tried again. */
const RETRY = 1_000;
/** Directories of one session; a Maildir has two. */
const MAX_WATCHED = 8;
const MAX_PATH = 4096;
const MAX_SIGNATURE = 128;
/** What a client may say before its session is awake again. */
const MAX_SAID = 64 * 1024;
const LOGGABLE = /^<\d+><[\w.:+/=<>-]{1,128}>: [\x20-\x7e]{1,600}$/;

interface Sleeper {
  readonly session: SleepingSession;
  readonly socket: Socket;
  said: Buffer;
  readonly onClose: () => void;
  readonly stopKeepalive: () => void;
}

interface User {
  readonly account: Account;
  readonly sleepers: Set<Sleeper>;
  readonly watch: DirectoryWatch;
  retry: NodeJS.Timeout | undefined;
}

export class SleepingSessions {
  readonly #options: SleepingSessionsOptions;
  readonly #users = new Map<string, User>();

  constructor(options: SleepingSessionsOptions) {
    this.#options = options;
  }

  /** Connections kept, of all users. */
  get size(): number {
    let size = 0;
    for (const { sleepers } of this.#users.values()) size += sleepers.size;
    return size;
  }

  has(account: Account): boolean {
    return this.#users.has(account.name);
  }

  /** Takes a session from its worker. A session that makes no sense is closed. */
  keep(account: Account, session: SleepingSession, socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (!isSensible(session)) {
      this.#options.log(
        'error',
        'postcote',
        `supervisor: malformed sleeping session from ${account.name}'s worker`,
      );
      socket.destroy();
      return;
    }
    const user = this.#userOf(account);
    const sleeper: Sleeper = {
      session,
      socket,
      said: Buffer.from(session.said, 'base64'),
      onClose: () => this.#left(user, sleeper),
      stopKeepalive: session.idling ? keepAlive(socket, session.keepalive) : () => {},
    };
    user.sleepers.add(sleeper);
    for (const [path, signature] of session.watched) user.watch.add(path, signature);
    socket.on('data', (chunk: Buffer) => {
      sleeper.said = Buffer.concat([sleeper.said, chunk]);
      if (sleeper.said.length > MAX_SAID) socket.pause();
      this.#options.onWake(account);
      this.#tryAgainLater(user);
    });
    socket.once('close', sleeper.onClose);
    socket.resume();
    if (sleeper.said.length > 0) setImmediate(() => this.#wake(user));
  }

  /** This user's sessions, which are the caller's from here on. */
  take(account: Account): WokenSession[] {
    const user = this.#users.get(account.name);
    if (user === undefined) return [];
    this.#users.delete(account.name);
    user.watch.stop();
    clearTimeout(user.retry);
    const woken: WokenSession[] = [];
    for (const { session, socket, said, onClose, stopKeepalive } of user.sleepers) {
      stopKeepalive();
      socket.off('close', onClose);
      if (socket.destroyed) {
        // It left in this very turn, and nobody will hear of it any more.
        this.#logEnd(account, session);
        continue;
      }
      const more = releaseSocket(socket);
      woken.push({ session, socket, said: Buffer.concat([said, more]).toString('base64') });
    }
    user.sleepers.clear();
    return woken;
  }

  /** Says goodbye to all. */
  end(): void {
    for (const user of this.#users.values()) {
      user.watch.stop();
      clearTimeout(user.retry);
      for (const { socket, stopKeepalive } of user.sleepers) {
        stopKeepalive();
        socket.end('* BYE Server shutting down.\r\n');
      }
    }
  }

  #userOf(account: Account): User {
    const known = this.#users.get(account.name);
    if (known !== undefined) return known;
    const user: User = {
      account,
      sleepers: new Set(),
      watch: new DirectoryWatch({
        pollInterval: this.#options.pollInterval ?? POLL_INTERVAL,
        onChange: () => this.#wake(user),
      }),
      retry: undefined,
    };
    this.#users.set(account.name, user);
    return user;
  }

  #wake(user: User): void {
    if (this.#users.get(user.account.name) !== user) return;
    this.#options.onWake(user.account);
    this.#tryAgainLater(user);
  }

  /** While there is no worker to be had, the sessions stay here and ask again. */
  #tryAgainLater(user: User): void {
    if (this.#users.get(user.account.name) !== user) return;
    user.retry ??= setTimeout(() => {
      user.retry = undefined;
      this.#wake(user);
    }, RETRY);
  }

  #logEnd({ name }: Account, { closedLine }: SleepingSession): void {
    this.#options.log('info', 'dovecot', `imap(${name})${closedLine}`);
  }

  #left(user: User, sleeper: Sleeper): void {
    sleeper.stopKeepalive();
    user.sleepers.delete(sleeper);
    this.#logEnd(user.account, sleeper.session);
    if (user.sleepers.size > 0 || this.#users.get(user.account.name) !== user) return;
    this.#users.delete(user.account.name);
    user.watch.stop();
    clearTimeout(user.retry);
  }
}

/** DOVECOT: the words of imap_idle_notify_interval. */
function keepAlive(socket: Socket, interval: number): () => void {
  if (interval <= 0) return () => {};
  const timer = setInterval(() => {
    // A peer that takes nothing gets no more; its connection's end will tell.
    if (socket.writableLength === 0) socket.write('* OK Still here\r\n');
  }, interval);
  return () => clearInterval(timer);
}

function isSensible(session: SleepingSession): boolean {
  const { said, idling, watched, keepalive, closedLine, remoteAddress } = session;
  return (
    typeof said === 'string' &&
    said.length <= MAX_SAID * 2 &&
    typeof idling === 'boolean' &&
    Array.isArray(watched) &&
    watched.length <= MAX_WATCHED &&
    watched.every(isWatched) &&
    Number.isFinite(keepalive) &&
    (keepalive === 0 || keepalive >= 1000) &&
    typeof remoteAddress === 'string' &&
    typeof closedLine === 'string' &&
    LOGGABLE.test(closedLine)
  );
}

function isWatched(entry: unknown): boolean {
  if (!Array.isArray(entry)) return false;
  const [path, signature] = entry as readonly unknown[];
  return (
    typeof path === 'string' &&
    path.startsWith('/') &&
    path.length <= MAX_PATH &&
    !path.includes('\0') &&
    typeof signature === 'string' &&
    signature.length <= MAX_SIGNATURE
  );
}
