// One user's mail in one process: the store, the sessions on it, the deliveries into it, and when to leave.

import type { Socket } from 'node:net';
import { type QuotaSettings, type UserVariables, expandUserPath } from '@postcote/config';
import {
  DEFAULT_USER_SETTINGS,
  type ImapSessionState,
  ImapUserSession,
  type ImapUserSettings,
  shownName,
} from '@postcote/imap';
import { MailboxError } from '@postcote/mailbox';
import { type MaildirStore, type MaildirStoreOptions, openMaildirStore } from '@postcote/maildir/edge';
import { PopUserSession } from '@postcote/pop3';
import {
  type Log,
  type LoginVerdict,
  type ProtocolSession,
  type SessionHost,
  formatFrame,
} from '@postcote/wire';
import { type DrivenSocket, driveSocket, lendInput, systemClock } from '@postcote/wire/edge';
import type { DeliveryReady } from '../delivery/protocol.ts';
import { DeliveryReceiver, type DeliveryWriter } from '../delivery/receive.ts';
import type { IndexAction } from '../control/index-inquiry.ts';
import type { Account, SleepingSession, SupervisorToWorker } from '../ipc.ts';
import type { DeliveryTask } from '../local/delivery-task.ts';
import { type LocalDeliveryPorts, beginLocalDelivery } from '../local/local-delivery.ts';
import { answerInquiry } from './index-inquiry.ts';
import { readImapHandOff, readPopHandOff } from './hand-off.ts';
import { putToSleep } from './put-to-sleep.ts';
import type { WorkerSettings } from './settings.ts';

export interface UserWorkerOptions {
  readonly account: Account;
  readonly settings: WorkerSettings;
  /** For the index, where the settings name no other place. */
  readonly indexFolder: string | undefined;
  readonly log: Log;
  /** Nothing was served for a while since the `connections`th connection came. */
  readonly onIdle: (connections: number) => void;
  /** Keeps a sleeping session until it has something to do; false or an error when nobody can. */
  readonly onAsleep: (session: SleepingSession, socket: Socket) => void;
}

type Connection = Extract<SupervisorToWorker, { type: 'connection' }>;
type SessionConnection = Extract<Connection, { kind: 'imap' | 'pop3' }>;
type WakeConnection = Extract<Connection, { kind: 'wake' }>;

interface Served {
  readonly kind: 'imap' | 'pop3';
  readonly remoteAddress: string;
  /** Absent while it is being made. */
  driven?: DrivenSocket;
}

/** A worker without work stays this long. */
const IDLE_LEAVE = 60_000;
/** Milliseconds between looks at whether all sessions rest. */
const MIN_SLEEP_WAIT = 250;
const MAX_DELIVERY_STORES = 50;

export class UserWorker {
  readonly #options: UserWorkerOptions;
  readonly #sessions = new Map<ProtocolSession, Served>();
  readonly #deliveries = new Set<Socket>();
  readonly #inquiries = new Set<Socket>();
  #store: MaildirStore | undefined;
  /** Maildirs that mail goes to, beside the one that is read, by their paths. */
  readonly #deliveryStores = new Map<string, MaildirStore>();
  readonly #local: LocalDeliveryPorts;
  #pop3Locked = false;
  #connections = 0;
  #ending = false;
  #idle: NodeJS.Timeout | undefined;
  /** When a client or a delivery last said something. */
  #lastInput = performance.now();
  #sleep: NodeJS.Timeout | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(options: UserWorkerOptions) {
    this.#options = options;
    this.#local = {
      account: options.account,
      settings: () => options.settings.local,
      log: options.log,
      openMaildir: (path) => this.#storeAt(path).beginDelivery(),
      expandPath: (template) => this.#expand(template),
      fullTempfail: options.settings.mail.quota?.fullTempfail === true,
    };
    this.#restIfEmpty();
  }

  accept(connection: Connection, socket: Socket): void {
    this.#connections += 1;
    clearTimeout(this.#idle);
    socket.on('error', () => socket.destroy());
    this.#lastInput = performance.now();
    if (connection.kind === 'deliver') this.#acceptDelivery(connection.task, socket);
    else if (connection.kind === 'index') this.#answerInquiry(connection.action, socket);
    else if (connection.kind === 'wake') this.#wake(connection, socket);
    else this.#acceptSession(connection, socket);
    this.#sleepWhenQuiet();
  }

  /** A connection was announced and did not arrive; the count must still agree with the supervisor's. */
  lostConnection(): void {
    this.#connections += 1;
    this.#restIfEmpty();
  }

  /** Sessions say goodbye, those that come later too; mail still comes in. */
  endSessions(): void {
    this.#ending = true;
    for (const session of this.#sessions.keys()) session.shutDown();
  }

  shutDown(done: () => void): void {
    this.#whenEmpty = done;
    clearTimeout(this.#idle);
    this.endSessions();
    for (const socket of this.#deliveries) socket.end();
    for (const socket of this.#inquiries) socket.destroy();
    this.#restIfEmpty();
  }

  #acceptSession(connection: SessionConnection, socket: Socket): void {
    const { account, settings } = this.#options;
    const limit = settings[connection.kind].maxUserIpConnections;
    if (limit > 0 && this.#countFrom(connection) >= limit) {
      // DOVECOT: the same words, for the same reader.
      refuseSession(
        socket,
        `Maximum number of connections from user+IP exceeded (mail_max_userip_connections=${limit})`,
      );
      this.#restIfEmpty();
      return;
    }
    const makeSession = this.#sessionMaker(connection);
    if (makeSession === undefined) {
      this.#options.log('error', 'postcote', `worker of ${account.name}: malformed hand-off from the front`);
      refuseSession(socket, 'malformed hand-off');
      this.#restIfEmpty();
      return;
    }
    let store: MaildirStore;
    try {
      store = this.#openStore();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log('error', 'dovecot', `${connection.kind}(${account.name}): ${reason}`);
      refuseSession(socket, reason);
      this.#restIfEmpty();
      return;
    }
    socket.write(
      formatFrame({ kind: 'granted', user: account.name, pid: process.pid } satisfies GrantedFrame),
    );
    this.#drive(socket, connection, (host) => makeSession(host, store));
  }

  #drive(
    socket: Socket,
    { kind, remoteAddress }: Pick<Served, 'kind' | 'remoteAddress'>,
    makeSession: (host: SessionHost) => ProtocolSession,
  ): DrivenSocket {
    const served: Served = { kind, remoteAddress };
    const driven = driveSocket(socket, {
      onFault: (error) =>
        this.#options.log(
          'error',
          'dovecot',
          `${kind}(${this.#options.account.name}): Error: ${error instanceof Error ? error.stack : String(error)}`,
        ),
      createSession: (host) => {
        const made = makeSession(host);
        this.#sessions.set(made, served);
        return this.#watched(made);
      },
    });
    served.driven = driven;
    if (this.#ending) driven.session.shutDown();
    return driven;
  }

  /** A session that slept goes on. */
  #wake({ session, said }: WakeConnection, socket: Socket): void {
    const { account, log } = this.#options;
    const { state, remoteAddress } = session;
    const asleep = state as ImapSessionState;
    try {
      const store = this.#openStore();
      const options = {
        clock: systemClock,
        log,
        user: account.name,
        pid: process.pid,
        store,
        handOff: asleep.handOff,
        settings: this.#imapSettings(),
      };
      const driven = this.#drive(socket, { kind: 'imap', remoteAddress }, (host) =>
        ImapUserSession.resume({ ...options, host }, asleep),
      );
      const input = Buffer.from(said, 'base64');
      if (input.length > 0) driven.session.receive(input);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log('error', 'dovecot', `imap(${account.name}): ${reason}`);
      socket.end('* BYE Internal error occurred.\r\n');
      this.#restIfEmpty();
    }
  }

  #imapSettings(): ImapUserSettings {
    const { maxUserIpConnections: _, hibernateTimeout: __, ...imap } = this.#options.settings.imap;
    return { ...DEFAULT_USER_SETTINGS, ...imap };
  }

  #sleepWhenQuiet(): void {
    const { hibernateTimeout } = this.#options.settings.imap;
    if (hibernateTimeout <= 0 || this.#sleep !== undefined) return;
    const wait = Math.max(this.#lastInput + hibernateTimeout - performance.now(), MIN_SLEEP_WAIT);
    this.#sleep = setTimeout(() => {
      this.#sleep = undefined;
      void this.#putAllToSleep();
    }, wait);
    this.#sleep.unref();
  }

  /** All sessions or none: one that stays would keep this process anyway. */
  async #putAllToSleep(): Promise<void> {
    const { hibernateTimeout, idleNotifyInterval } = this.#options.settings.imap;
    if (this.#sessions.size === 0 || this.#ending) return;
    const quiet = performance.now() - this.#lastInput >= hibernateTimeout;
    const sessions = [...this.#sessions];
    if (!quiet || this.#deliveries.size > 0 || !sessions.every(([session]) => canSleep(session))) {
      this.#sleepWhenQuiet();
      return;
    }
    for (const [session, { driven, remoteAddress }] of sessions) {
      if (!(session instanceof ImapUserSession) || driven === undefined || !this.#sessions.has(session))
        continue;
      const asleep = await putToSleep({ session, driven, remoteAddress, keepalive: idleNotifyInterval });
      if (asleep === undefined) continue;
      this.#sessions.delete(session);
      this.#options.onAsleep(asleep.session, asleep.socket);
    }
    if (this.#sessions.size === 0 && this.#deliveries.size === 0) this.#options.onIdle(this.#connections);
    else this.#sleepWhenQuiet();
    this.#restIfEmpty();
  }

  /** Undefined when the front's word on the session makes no sense. */
  #sessionMaker(
    connection: SessionConnection,
  ): ((host: SessionHost, store: MaildirStore) => ProtocolSession) | undefined {
    const { account, settings, log } = this.#options;
    const common = { clock: systemClock, log, user: account.name, pid: process.pid };
    if (connection.kind === 'imap') {
      const handOff = readImapHandOff(connection.handOff);
      if (handOff === undefined) return undefined;
      const imap = this.#imapSettings();
      return (host, store) => new ImapUserSession({ ...common, host, store, handOff, settings: imap });
    }
    const handOff = readPopHandOff(connection.handOff);
    if (handOff === undefined) return undefined;
    const lock = settings.pop3.lockSession ? { lock: () => this.#lockPop3() } : {};
    return (host, store) =>
      new PopUserSession({ ...common, host, store, handOff, settings: settings.pop3, ...lock });
  }

  /** DOVECOT: pop3_lock_session: one POP3 session at a time. */
  #lockPop3(): (() => void) | undefined {
    if (this.#pop3Locked) return undefined;
    this.#pop3Locked = true;
    return () => {
      this.#pop3Locked = false;
    };
  }

  /** The session, heard when it ends. */
  #watched(session: ProtocolSession): ProtocolSession {
    return {
      start: () => session.start(),
      receive: (chunk) => {
        this.#lastInput = performance.now();
        session.receive(chunk);
      },
      secured: (tls) => session.secured(tls),
      timedOut: () => session.timedOut(),
      shutDown: () => session.shutDown(),
      ended: (reason) => {
        session.ended(reason);
        this.#sessions.delete(session);
        this.#restIfEmpty();
      },
    };
  }

  #countFrom(connection: SessionConnection): number {
    let count = 0;
    for (const other of this.#sessions.values())
      if (other.kind === connection.kind && other.remoteAddress === connection.remoteAddress) count += 1;
    return count;
  }

  #acceptDelivery(task: DeliveryTask, socket: Socket): void {
    this.#deliveries.add(socket);
    const receiver = new DeliveryReceiver({
      begin: (header) =>
        header.probe === undefined
          ? beginLocalDelivery(task, header, this.#local)
          : this.#probe(task, header.probe),
      explain: (error) => {
        if (!(error instanceof MailboxError)) return 'unavailable';
        if (error.code === 'noSpace' || error.code === 'overQuota' || error.code === 'noPermission')
          return error.code;
        return 'unavailable';
      },
      answer: (frame) => {
        if (!socket.destroyed) socket.write(frame);
      },
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      violation: (reason) => {
        this.#options.log('error', 'postcote', `worker of ${this.#options.account.name}: ${reason}`);
        socket.destroy();
      },
    });
    const receive = (chunk: Buffer): void => {
      this.#lastInput = performance.now();
      receiver.receive(chunk);
    };
    lendInput(socket, receive);
    socket.on('data', receive);
    socket.on('close', () => {
      receiver.ended();
      this.#deliveries.delete(socket);
      this.#sleepWhenQuiet();
      this.#restIfEmpty();
    });
    socket.write(formatFrame({ ready: true } satisfies DeliveryReady));
  }

  /** Whether the mailbox has room; the same answer as a delivery's, without a message. */
  async #probe(task: DeliveryTask, octets: number): Promise<DeliveryWriter> {
    const { mailbox } = this.#options.settings.local;
    const isOwn =
      task.kind === 'user' &&
      mailbox.kind === 'maildir' &&
      samePath(this.#expand(mailbox.path), this.#expand(this.#options.settings.mail.root));
    if (isOwn) await this.#openStore().checkRoom(octets);
    return { write: () => undefined, abort: async () => {}, commit: async () => ({ kind: 'stored' }) };
  }

  #answerInquiry(action: IndexAction, socket: Socket): void {
    this.#inquiries.add(socket);
    socket.on('close', () => {
      this.#inquiries.delete(socket);
      this.#restIfEmpty();
    });
    // Nothing more is said there; reading on hears that the asker left.
    socket.resume();
    void answerInquiry(() => this.#openStore(), action, socket);
  }

  #openStore(): MaildirStore {
    const { mail } = this.#options.settings;
    this.#store ??= openMaildirStore({
      root: this.#expand(mail.root),
      uid: this.#options.account.uid,
      layout: mail.layout,
      specialUse: new Map(mail.specialUse),
      automatic: mail.automatic,
      log: this.#options.log,
      ...this.#index(),
      ...(mail.quota === undefined ? {} : { quota: { ...mail.quota, ...this.#quotaNames(mail.quota) } }),
      ...(mail.lockTimeout === 0 ? {} : { lockTimeoutMs: mail.lockTimeout }),
    });
    return this.#store;
  }

  /** DOVECOT: rules call mailboxes as clients do. */
  #quotaNames({ imap }: QuotaSettings): { shown: boolean; nameInRules: (name: string) => string } {
    const { namespace } = this.#options.settings.imap;
    return { shown: imap, nameInRules: (name) => shownName(name, namespace) ?? name };
  }

  /** DOVECOT: INDEX=MEMORY keeps nothing; a path gets a folder of ours, beside those that Dovecot names after mailboxes. */
  #index(): Pick<MaildirStoreOptions, 'index' | 'texts'> {
    const { settings, indexFolder } = this.#options;
    const { index, texts } = settings.mail;
    const kept = texts.maxSize > 0 ? { texts } : {};
    if (index.toUpperCase() === 'MEMORY') return {};
    if (index !== '') return { index: `${this.#expand(index)}/.postcote-index`, ...kept };
    return indexFolder === undefined ? {} : { index: indexFolder, ...kept };
  }

  /** What was learned of the mail is kept for the worker after this one. */
  save(): void {
    this.#store?.save();
  }

  /** The store itself where that is the folder meant, so that open sessions hear of the mail at once. */
  #storeAt(path: string): MaildirStore {
    const { account, settings, log } = this.#options;
    if (account.commandsOnly !== true && samePath(path, this.#expand(settings.mail.root)))
      return this.#openStore();
    let store = this.#deliveryStores.get(path);
    if (store === undefined) {
      if (this.#deliveryStores.size >= MAX_DELIVERY_STORES) this.#deliveryStores.clear();
      store = openMaildirStore({ root: path, uid: account.uid, log });
      this.#deliveryStores.set(path, store);
    }
    return store;
  }

  #expand(template: string): string {
    const { name, home } = this.#options.account;
    const variables: UserVariables = { user: name, home };
    const path = expandUserPath(template, variables);
    if (path === undefined)
      throw new MailboxError('unavailable', `mail path ${template} has a variable that is not known`);
    return path;
  }

  #restIfEmpty(): void {
    if (this.#sessions.size > 0 || this.#deliveries.size > 0 || this.#inquiries.size > 0) return;
    if (this.#whenEmpty !== undefined) {
      this.#whenEmpty();
      return;
    }
    clearTimeout(this.#idle);
    const connections = this.#connections;
    this.#idle = setTimeout(() => {
      // What is left of indexing is done first: nobody waits for it, and the next worker would begin with it.
      if (this.#store?.indexing !== true) this.#options.onIdle(connections);
      // The supervisor may have sent a connection meanwhile; then this worker stays and rests again later.
      this.#restIfEmpty();
    }, IDLE_LEAVE);
    this.#idle.unref();
  }
}

/** The first frame of a granted connection, as `askLoginAndHandOff` of the auth package reads it. */
type GrantedFrame = LoginVerdict<{ readonly pid: number }>;

function refuseSession(socket: Socket, message: string): void {
  socket.end(formatFrame({ kind: 'unavailable', message } satisfies LoginVerdict));
  socket.resume();
}

const samePath = (a: string, b: string): boolean => a.replace(/\/+$/, '') === b.replace(/\/+$/, '');

const canSleep = (session: ProtocolSession): boolean =>
  session instanceof ImapUserSession && session.canSuspend;
