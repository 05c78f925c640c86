// The running server as its privileged parent: sockets, processes, the user table, reload and stop.

import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { Log } from '@postcote/wire';
import { formatFrame } from '@postcote/wire';
import type {
  Account,
  AuthenticatorToSupervisor,
  FrontToSupervisor,
  GrantMessage,
  PassedListener,
  SupervisorToAuthenticator,
  SupervisorToFront,
} from '../ipc.ts';
import { INDEX_SOCKET, PID_FILE } from '../control/places.ts';
import type { OpenedLog } from '../log/open-log.ts';
import { RefusedConfiguration, type ServerPlan, formatListeners, planServer } from '../plan.ts';
import type { ServeOptions } from '../commands/serve-options.ts';
import { type BoundSocket, bindTcp, bindUnix } from './bind.ts';
import { Child, FIRST_PASSED_FD } from './child.ts';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { admitDelivery } from './delivery-door.ts';
import { DeliveryTasks } from './delivery-tasks.ts';
import { admitInquiry } from './index-door.ts';
import { IndexFolders } from './index-folders.ts';
import { KeepRunning } from './keep-running.ts';
import { type Accounts, type Identity, openAccounts } from './accounts.ts';
import { openTemporaryFolders } from './reachable.ts';
import { SleepingSessions } from './sleeping-sessions.ts';
import { WorkerTable, WorkersBusy } from './worker-table.ts';

type Front = Child<SupervisorToFront, FrontToSupervisor>;
type AuthenticatorProcess = Child<SupervisorToAuthenticator, AuthenticatorToSupervisor>;

/** Milliseconds for sessions and deliveries to finish when stopping. */
const FRONT_PATIENCE = 15_000;
const WORKER_PATIENCE = 5_000;
const LOOPBACK = /^(127\.|::1$)/;
/** Deliveries sync in parallel, and the file system groups what is synced at once (docs/maildir.md). */
const WORKER_POOL = 8;
/** For processes that make little garbage: V8 would let the young generation grow to three times 16 MiB. */
const LEAN = ['--max-semi-space-size=2'];

type Part = 'front' | 'authenticator';
const PARTS = 2;

const isLoopbackOnly = (plan: ServerPlan): boolean =>
  plan.listeners.every((listener) => LOOPBACK.test(listener.address));

export class Supervisor {
  readonly #options: ServeOptions;
  readonly #log: Log;
  readonly #onOutput: ((chunk: Buffer) => void) | undefined;
  #plan: ServerPlan;
  readonly #accounts: Accounts;
  readonly #sockets: BoundSocket[] = [];
  readonly #listeners: { readonly bound: BoundSocket; readonly listener: Omit<PassedListener, 'fd'> }[] = [];
  readonly #sleeping: SleepingSessions;
  #workers: WorkerTable;
  /** Of the plan in force. */
  #tasks: DeliveryTasks;
  #front: KeepRunning<Front> | undefined;
  #authenticator: KeepRunning<AuthenticatorProcess> | undefined;
  #deliveryDoor: Server | undefined;
  #indexDoor: Server | undefined;
  #stopping = false;
  #announced = false;
  readonly #readyParts = new Set<Part>();
  readonly #onFatal: (message: string) => void;

  /**
   * Throws `RefusedConfiguration` or `BindError`. `onFatal`: a process cannot come up at all; the server should
   * be stopped.
   */
  static async start(
    options: ServeOptions,
    opened: OpenedLog,
    onFatal: (message: string) => void,
  ): Promise<Supervisor> {
    const plan = await planServer(options.paths);
    for (const notice of plan.notices) opened.log('warn', 'postcote', notice);
    const supervisor = new Supervisor(options, { opened, plan, onFatal });
    try {
      await supervisor.#start();
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    return supervisor;
  }

  private constructor(
    options: ServeOptions,
    given: { opened: OpenedLog; plan: ServerPlan; onFatal: (message: string) => void },
  ) {
    const { opened, plan } = given;
    this.#onFatal = given.onFatal;
    this.#options = options;
    this.#log = opened.log;
    this.#plan = plan;
    this.#onOutput = options.logFile === undefined ? undefined : (chunk) => opened.append(chunk);
    this.#accounts = openAccounts({
      usersFile: options.paths.usersFile,
      policy: () => this.#plan.mailPolicy,
      loopbackOnly: isLoopbackOnly(plan),
    });
    this.#tasks = this.#tasksOf(plan);
    this.#sleeping = new SleepingSessions({ log: this.#log, onWake: (account) => this.#wake(account) });
    this.#workers = new WorkerTable({
      sleeping: this.#sleeping,
      launch: (onMessage, onExit) =>
        new Child({
          entry: 'worker',
          onMessage,
          onExit,
          onOutput: this.#onOutput,
          nodeOptions: LEAN,
          poolSize: WORKER_POOL,
          sendsSockets: true,
        }),
      assignment: (account) => ({
        type: 'assign',
        account,
        changeIdentity: this.#accounts.changeIdentity,
        settings: this.#plan.worker,
        ...this.#indexFolderOf(account),
      }),
      log: this.#log,
      maxWorkers: plan.maxWorkers,
    });
  }

  /** Mail is served without an index as well. */
  #indexFolderOf(account: Account): { readonly indexFolder?: string } {
    if (this.#plan.worker.mail.index !== '') return {};
    const folders = new IndexFolders(this.#options.paths.dataDirectory, this.#accounts.changeIdentity);
    const opened = folders.open(account);
    if ('path' in opened) return { indexFolder: opened.path };
    this.#log('warn', 'postcote', `supervisor: no index for ${account.name}: ${opened.problem}`);
    return {};
  }

  /** Reads the configuration again. A bad one changes nothing and is explained in the log. */
  async reload(): Promise<void> {
    try {
      const plan = await planServer(this.#options.paths);
      for (const notice of plan.notices) this.#log('warn', 'postcote', notice);
      const before = JSON.stringify(this.#plan.listeners);
      if (JSON.stringify(plan.listeners) !== before)
        this.#log(
          'warn',
          'postcote',
          'supervisor: changed ports and addresses take effect at the next start',
        );
      this.#plan = plan;
      this.#tasks = this.#tasksOf(plan);
    } catch (error) {
      const lines = error instanceof Error && 'lines' in error ? (error.lines as string[]) : [String(error)];
      for (const line of lines) this.#log('error', 'postcote', line);
      this.#log(
        'error',
        'postcote',
        'supervisor: reload refused: the configuration of before stays in force',
      );
      return;
    }
    this.#front?.current?.send({ type: 'reload', ...this.#secrets() });
    this.#authenticator?.current?.send({ type: 'reload', auth: this.#plan.auth });
    this.#log('info', 'postcote', 'supervisor: configuration read again');
  }

  /** Lets sessions say goodbye and deliveries finish, then ends every process. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const front = this.#front?.current;
    this.#front?.letGo();
    if (front !== undefined) {
      // The front still carries the goodbyes of the sessions at the workers; it ends when they are through.
      front.send({ type: 'shutDown' });
      this.#sleeping.end();
      this.#workers.endSessions();
      const kill = setTimeout(() => front.kill('SIGKILL'), FRONT_PATIENCE);
      await front.ended();
      clearTimeout(kill);
    }
    this.#deliveryDoor?.close();
    this.#indexDoor?.close();
    await this.#workers.stop(WORKER_PATIENCE);
    await this.#authenticator?.stop('SIGKILL', 1_000);
    for (const socket of this.#sockets) socket.close();
  }

  async #start(): Promise<void> {
    const { dataDirectory } = this.#options.paths;
    const identity = await this.#frontIdentity();
    const folder = await openDataFolder(dataDirectory, identity);
    const { queue, authSocket, deliverSocket } = folder;
    if (identity !== undefined) chownSync(queue, identity.uid, identity.gid);
    for (const listener of this.#plan.listeners) {
      const bound = bindTcp(listener.address, listener.port);
      this.#sockets.push(bound);
      this.#listeners.push({ bound, listener });
    }
    const auth = this.#bindForFront(authSocket, identity);
    const deliver = this.#bindForFront(deliverSocket, identity);
    // Root's own commands alone may connect to the one; whoever asks on the other can do little.
    const admin = this.#bindAs(folder.adminSocket, 0o600, undefined);
    const everybody = this.#bindAs(folder.publicSocket, 0o666, undefined);
    const pidFile = join(dataDirectory, PID_FILE);
    rmSync(pidFile, { force: true });
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o644, flag: 'wx' });
    this.#deliveryDoor = createServer((socket) =>
      admitDelivery(socket, {
        findTask: (open) => this.#tasks.find(open),
        workers: () => this.#workers,
        log: this.#log,
      }),
    );
    this.#deliveryDoor.listen({ fd: deliver.fd });
    this.#indexDoor = createServer((socket) =>
      admitInquiry(socket, {
        findAccount: (user) => this.#accounts.find(user),
        workers: () => this.#workers,
        log: this.#log,
      }),
    );
    this.#indexDoor.listen({ fd: this.#bindAs(join(dataDirectory, INDEX_SOCKET), 0o600, undefined).fd });
    this.#authenticator = new KeepRunning(
      (onExit) => this.#startAuthenticator(auth.fd, onExit),
      (reason, pause) =>
        this.#log(
          'error',
          'postcote',
          `supervisor: the authenticator ended (${reason}); starting it again in ${pause} ms`,
        ),
    );
    this.#front = new KeepRunning(
      (onExit) => this.#startFront(identity, { ...folder, control: [admin, everybody] }, onExit),
      (reason, pause) =>
        this.#log(
          'error',
          'postcote',
          `supervisor: the front ended (${reason}); starting it again in ${pause} ms`,
        ),
    );
  }

  #tasksOf({ configuration, worker, mailOwner }: ServerPlan): DeliveryTasks {
    return new DeliveryTasks(configuration, {
      findAccount: (user) => this.#accounts.find(user),
      ownUid: this.#accounts.changeIdentity ? undefined : process.getuid?.(),
      mailbox: worker.local.mailbox,
      mailOwner,
    });
  }

  async #frontIdentity(): Promise<Identity | undefined> {
    if (!this.#accounts.changeIdentity) return undefined;
    const identity = await this.#accounts.frontIdentity(this.#plan.mailOwner);
    const { postfixDirectory, dovecotConf, dataDirectory } = this.#options.paths;
    mkdirSync(dataDirectory, { recursive: true, mode: 0o755 });
    for (const folder of [postfixDirectory, dirname(dovecotConf), dataDirectory]) {
      const barred = openTemporaryFolders(folder, identity);
      if (barred.length > 0)
        throw new RefusedConfiguration([
          `the account ${identity.name}, which faces the network, cannot reach ${folder}: ` +
            `${barred.join(', ')} must be searchable for it (chmod o+x)`,
        ]);
    }
    return identity;
  }

  #bindForFront(path: string, identity: Identity | undefined): BoundSocket {
    return this.#bindAs(path, 0o600, identity);
  }

  #bindAs(path: string, mode: number, identity: Identity | undefined): BoundSocket {
    rmSync(path, { force: true });
    const bound = bindUnix(path);
    chmodSync(path, mode);
    if (identity !== undefined) chownSync(path, identity.uid, identity.gid);
    this.#sockets.push(bound);
    return bound;
  }

  #startAuthenticator(fd: number, onExit: (reason: string) => void): AuthenticatorProcess {
    const child: AuthenticatorProcess = new Child({
      entry: 'authenticator',
      fds: [fd],
      nodeOptions: LEAN,
      onOutput: this.#onOutput,
      onMessage: (message, socket) => {
        if (message.type === 'grant' && socket !== undefined) this.#grant(message, socket);
        if (message.type === 'ready') this.#readyParts.add('authenticator');
        if (message.type === 'failed') this.#hearFailure('authenticator', message.message);
        this.#announce();
      },
      sendsSockets: true,
      seesPasswords: true,
      onExit,
    });
    child.send({
      type: 'start',
      paths: this.#options.paths,
      listenerFd: FIRST_PASSED_FD,
      loopbackOnly: isLoopbackOnly(this.#plan),
      auth: this.#plan.auth,
    });
    return child;
  }

  #startFront(
    identity: Identity | undefined,
    where: DataFolder & { readonly control: readonly [admin: BoundSocket, everybody: BoundSocket] },
    onExit: (reason: string) => void,
  ): Front {
    const child: Front = new Child({
      entry: 'front',
      seesPasswords: true,
      fds: [...this.#listeners.map(({ bound }) => bound.fd), ...where.control.map(({ fd }) => fd)],
      onOutput: this.#onOutput,
      onMessage: (message) => this.#hearFront(message),
      onExit,
    });
    child.send({
      type: 'start',
      paths: this.#options.paths,
      listeners: this.#listeners.map(({ listener }, index) => ({ ...listener, fd: FIRST_PASSED_FD + index })),
      authSocket: where.authSocket,
      deliverSocket: where.deliverSocket,
      queueDirectory: where.queue,
      control: {
        adminFd: FIRST_PASSED_FD + this.#listeners.length,
        publicFd: FIRST_PASSED_FD + this.#listeners.length + 1,
        maildrop: where.maildrop,
      },
      ...(identity === undefined ? {} : { identity }),
      ...(this.#accounts.names === undefined ? {} : { userNames: this.#accounts.names }),
      ...this.#secrets(),
    });
    return child;
  }

  #secrets(): Pick<SupervisorToFront & { type: 'reload' }, 'smtpTls' | 'mailboxTls' | 'secretTables'> {
    const { smtpTls, mailboxTls, secretTables } = this.#plan;
    return {
      secretTables,
      ...(smtpTls === undefined ? {} : { smtpTls }),
      ...(mailboxTls === undefined ? {} : { mailboxTls }),
    };
  }

  #hearFront(message: FrontToSupervisor): void {
    // It may have been taken over and say anything.
    if (message.type === 'failed' && typeof message.message === 'string')
      this.#hearFailure('front', message.message);
    if (message.type === 'ready') this.#readyParts.add('front');
    this.#announce();
  }

  /** A process that never came up will not come up by itself; one that did is started again. */
  #hearFailure(part: Part, message: string): void {
    this.#log('error', 'postcote', `supervisor: the ${part} cannot start: ${message}`);
    if (!this.#readyParts.has(part) && !this.#stopping) this.#onFatal(`${part}: ${message}`);
  }

  #announce(): void {
    if (this.#announced || this.#stopping || this.#readyParts.size < PARTS) return;
    this.#announced = true;
    this.#log('info', 'postcote', `postcote is ready: ${formatListeners(this.#plan.listeners)}`);
  }

  #wake(account: Account): void {
    if (this.#stopping) return;
    try {
      this.#workers.wake(account);
    } catch (error) {
      // They sleep on, and ask again.
      if (!(error instanceof WorkersBusy)) throw error;
    }
  }

  #grant(message: GrantMessage, socket: Socket): void {
    const { account, request, handOff } = message;
    socket.on('error', () => socket.destroy());
    try {
      this.#workers.handOver(
        account,
        {
          type: 'connection',
          kind: request.service === 'pop3' ? 'pop3' : 'imap',
          handOff,
          remoteAddress: request.remoteAddress,
        },
        socket,
      );
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof WorkersBusy)) this.#log('error', 'postcote', `supervisor: ${reason}`);
      socket.end(formatFrame({ kind: 'unavailable', message: reason }));
      socket.resume();
    }
  }
}
