// The mailbox workers: at most one serves a user, under that user's uid, and it is the single writer of that
// user's mail. Hands connections to them, launches them, ends them when they hang, and lets them leave when idle.
//
// Leaving is a handshake: a worker that has nothing to do says how many connections it was given; only when that
// is all there ever were does it get `leave`, so no connection is ever sent to a process on its way out.

import type { Socket } from 'node:net';
import type { Log } from '@postcote/wire';
import type { Account, SleepingSession, SupervisorToWorker, WorkerToSupervisor } from '../ipc.ts';
import type { Child } from './child.ts';
import type { SleepingSessions } from './sleeping-sessions.ts';

export type WorkerChild = Child<SupervisorToWorker, WorkerToSupervisor>;

export interface WorkerTableOptions {
  readonly launch: (
    onMessage: (message: WorkerToSupervisor, socket?: Socket) => void,
    onExit: (reason: string, failed: boolean) => void,
  ) => WorkerChild;
  /** The `assign` message for an account. */
  readonly assignment: (account: Account) => SupervisorToWorker;
  readonly log: Log;
  /** Where sessions are kept while their worker is gone. */
  readonly sleeping: Pick<SleepingSessions, 'keep' | 'take'>;
  /** POSTFIX: default_process_limit (100). */
  readonly maxWorkers: number;
  /** Milliseconds between pings; a worker that misses three is ended. */
  readonly pingInterval?: number;
}

export class WorkersBusy extends Error {
  override readonly name = 'WorkersBusy';
}

interface Worker {
  readonly child: WorkerChild;
  account: Account | undefined;
  connections: number;
  /** Handed over and not taken yet: a process takes them one by one. */
  readonly unsent: Set<Socket>;
  missedPings: number;
  leaving: boolean;
}

const PING_INTERVAL = 5_000;
const MISSED_PINGS = 4;
const FIRST_PAUSE = 200;
/** Milliseconds from taking the spare worker to starting another. */
const SPARE_PAUSE = 300;
const LONGEST_PAUSE = 30_000;
/** Having run this long without failing again, a user's worker counts as healthy. */
const FORGET_AFTER = 60_000;

export class WorkerTable {
  readonly #options: WorkerTableOptions;
  readonly #byUser = new Map<string, Worker>();
  readonly #leaving = new Set<Worker>();
  /** Users whose workers failed: not before this time again. */
  readonly #backOff = new Map<string, { readonly until: number; readonly pause: number }>();
  readonly #pings: NodeJS.Timeout;
  #spare: Worker | undefined;
  #spareTimer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: WorkerTableOptions) {
    this.#options = options;
    this.#pings = setInterval(() => this.#pingAll(), options.pingInterval ?? PING_INTERVAL);
    this.#keepSpare();
  }

  /** How many workers serve somebody. */
  get size(): number {
    return this.#byUser.size;
  }

  /**
   * Gives a connection to the account's worker, launching one when needed. Throws `WorkersBusy` when there can be
   * none now; the caller keeps the socket then.
   */
  handOver(
    account: Account,
    message: Extract<SupervisorToWorker, { type: 'connection' }>,
    socket: Socket,
  ): void {
    const worker = this.#byUser.get(account.name) ?? this.#assign(account);
    this.#send(worker, message, socket);
  }

  /** Gives this user's sleeping sessions to a worker. Throws `WorkersBusy` when there can be none now. */
  wake(account: Account): void {
    const worker = this.#byUser.get(account.name);
    if (worker === undefined) this.#assign(account);
    else this.#wakeIn(worker, account);
  }

  #wakeIn(worker: Worker, account: Account): void {
    for (const { session, socket, said } of this.#options.sleeping.take(account)) {
      try {
        this.#send(worker, { type: 'connection', kind: 'wake', session, said }, socket);
      } catch {
        // The worker has just ended, and with it what its sessions were: the client connects anew.
        socket.destroy();
      }
    }
  }

  #send(worker: Worker, message: Extract<SupervisorToWorker, { type: 'connection' }>, socket: Socket): void {
    const sent = worker.child.send(message, socket, (error) => {
      worker.unsent.delete(socket);
      if (error !== null) socket.destroy();
    });
    // It has ended, and its exit was not heard yet.
    if (!sent) throw new WorkersBusy(`the mailbox worker of ${worker.account?.name} has just ended`);
    worker.unsent.add(socket);
    worker.connections += 1;
  }

  /** Lets the sessions say goodbye; deliveries go on. */
  endSessions(): void {
    for (const { child } of this.#byUser.values()) child.send({ type: 'endSessions' });
  }

  /** Asks all to finish and waits; whoever is still there after `patience` milliseconds is killed. */
  async stop(patience: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#pings);
    const all = [...this.#byUser.values(), ...this.#leaving];
    this.#spare?.child.kill('SIGKILL');
    for (const { child } of all) child.send({ type: 'shutDown' });
    const kill = setTimeout(() => {
      for (const { child } of all) child.kill('SIGKILL');
    }, patience);
    await Promise.all(all.map(({ child }) => child.ended()));
    clearTimeout(kill);
  }

  #assign(account: Account): Worker {
    const backOff = this.#backOff.get(account.name);
    if (backOff !== undefined && backOff.until > performance.now())
      throw new WorkersBusy(`the mailbox worker of ${account.name} failed a moment ago`);
    if (this.#byUser.size >= this.#options.maxWorkers)
      throw new WorkersBusy(`all ${this.#options.maxWorkers} mailbox workers are in use`);
    const worker = this.#spare ?? this.#launch();
    this.#spare = undefined;
    worker.account = account;
    this.#byUser.set(account.name, worker);
    worker.child.send(this.#options.assignment(account));
    // One process holds all of a user's sessions: what one of them changes, the others tell at once.
    this.#wakeIn(worker, account);
    // Starting a process takes a processor for a while, which the user who just came should have.
    this.#spareTimer ??= setTimeout(() => this.#keepSpare(), SPARE_PAUSE).unref();
    return worker;
  }

  #keepSpare(): void {
    clearTimeout(this.#spareTimer);
    this.#spareTimer = undefined;
    if (this.#spare === undefined && !this.#stopping) this.#spare = this.#launch();
  }

  #launch(): Worker {
    const worker: Worker = {
      child: this.#options.launch(
        (message, socket) => this.#hear(worker, message, socket),
        (reason, failed) => this.#ended(worker, reason, failed),
      ),
      account: undefined,
      connections: 0,
      unsent: new Set(),
      missedPings: 0,
      leaving: false,
    };
    return worker;
  }

  #hear(worker: Worker, message: WorkerToSupervisor, socket: Socket | undefined): void {
    if (message.type === 'asleep') {
      this.#sleep(worker, message.session, socket);
      return;
    }
    // Only with that message comes a connection.
    socket?.destroy();
    switch (message.type) {
      case 'pong':
        worker.missedPings = 0;
        return;
      case 'idle':
        if (worker.account === undefined) return;
        if (message.connections !== worker.connections) {
          this.#wakeIn(worker, worker.account);
          return;
        }
        this.#byUser.delete(worker.account.name);
        this.#backOff.delete(worker.account.name);
        worker.leaving = true;
        this.#leaving.add(worker);
        worker.child.send({ type: 'leave' });
        return;
      case 'started':
        return;
    }
  }

  #sleep(worker: Worker, session: SleepingSession, socket: Socket | undefined): void {
    const { account } = worker;
    if (socket === undefined || account === undefined || this.#stopping) socket?.destroy();
    else this.#options.sleeping.keep(account, session, socket);
  }

  #ended(worker: Worker, reason: string, failed: boolean): void {
    this.#leaving.delete(worker);
    // Their clients are told at once; nobody else would close them.
    for (const socket of worker.unsent) socket.destroy();
    if (this.#spare === worker) this.#spare = undefined;
    const { account } = worker;
    if (account !== undefined && this.#byUser.get(account.name) === worker) this.#byUser.delete(account.name);
    if (this.#stopping || (worker.leaving && !failed)) return;
    if (account === undefined) {
      this.#options.log('error', 'postcote', `supervisor: a spare mailbox worker ended: ${reason}`);
      setTimeout(() => this.#keepSpare(), LONGEST_PAUSE).unref();
      return;
    }
    // The first time costs the user a reconnect and no more; a fault that comes back costs longer pauses.
    const last = this.#backOff.get(account.name)?.pause;
    const pause = last === undefined ? 0 : Math.min(Math.max(last * 2, FIRST_PAUSE), LONGEST_PAUSE);
    this.#backOff.set(account.name, { until: performance.now() + pause, pause });
    this.#options.log(
      'error',
      'postcote',
      `supervisor: the mailbox worker of ${account.name} (pid ${worker.child.pid}) ended: ${reason}; ` +
        `its sessions are closed and mail for it waits, next start in ${pause} ms at the earliest`,
    );
  }

  #pingAll(): void {
    for (const worker of [...this.#byUser.values(), ...this.#leaving]) {
      worker.missedPings += 1;
      if (worker.missedPings > MISSED_PINGS) {
        this.#options.log(
          'error',
          'postcote',
          `supervisor: the mailbox worker of ${worker.account?.name} (pid ${worker.child.pid}) does not answer and is ended`,
        );
        worker.child.kill('SIGKILL');
      } else {
        worker.child.send({ type: 'ping' });
      }
    }
    const now = performance.now();
    for (const [name, { until, pause }] of this.#backOff)
      if (until + Math.max(pause * 10, FORGET_AFTER) < now) this.#backOff.delete(name);
  }
}
