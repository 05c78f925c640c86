// The front as a whole: queue, DNS, address tables, listeners; how it starts, reads its settings again, and stops.

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { formatMailbox, parseMailbox } from '@postcote/aliases';
import { startSasl } from '@postcote/auth';
import { PasswdDirectory, askLogin } from '@postcote/auth/edge';
import type { MatchList } from '@postcote/config';
import { type Queue, openQueue } from '@postcote/queue/edge';
import {
  ClientLimits,
  type EnvelopeMailbox,
  type MessageQueue,
  type RecipientVerdict,
  type ScreenSettings,
  type SmtpSettings,
} from '@postcote/smtp';
import {
  MailSender,
  Screen,
  type ScreenOptions,
  SmtpListenerServer,
  openDns,
  openSecureDns,
} from '@postcote/smtp/edge';
import type { Log } from '@postcote/wire';
import { DeliveryClient } from '../delivery/client.ts';
import type { SupervisorToFront } from '../ipc.ts';
import { ControlServer } from '../control/server.ts';
import { Pickup, type PickupSettings } from '../pickup/pickup.ts';
import { routeAgain, whereTo } from './address-book.ts';
import { CleanupEntrance, type Entrance } from './cleanup-entrance.ts';
import type { EntrancePolicy } from './cleanup-settings.ts';
import { FrontDeliverer } from './deliverer.ts';
import { FastFlush } from './fast-flush.ts';
import { FilterStages } from './filters/stages.ts';
import { overridingRoute, resolveEntered } from './filter-route.ts';
import { type FrontSettings, listenerKey, mechanismsOf, readFrontSettings } from './front-settings.ts';
import { MailboxLoginListeners } from './mailbox-login.ts';
import { NoticeEntrance } from './notice-entrance.ts';
import { queueEntrance } from './queue-entrance.ts';
import { queueSettingsOf } from './queue-settings.ts';
import { openScreenCache } from './screen-cache.ts';
import { ExchangeableTls } from './tls.ts';
import { openVerification } from './verify/open-verification.ts';
import { isVerifySender } from './verify/verify-sender.ts';

type Start = Extract<SupervisorToFront, { type: 'start' }>;

/** Milliseconds that deliveries and sessions get to finish when stopping. */
const DRAIN = 7_000;
/** Milliseconds for clients at their workers to take the goodbye. */
const GOODBYE = 3_000;

/** Whether a recipient exists is asked several times a message; the supervisor looks anew at delivery. */
const ACCOUNTS_TRUSTED_FOR = 1000;

export class Front {
  readonly #start: Start;
  readonly #log: Log;
  #settled: FrontSettings;
  #smtpTls: ExchangeableTls | undefined;
  #mailboxTls: ExchangeableTls | undefined;
  readonly #passwd: PasswdDirectory;
  readonly #queueThread: Worker;
  readonly #delivery: DeliveryClient;
  #queue: Queue | undefined;
  #sender: MailSender | undefined;
  readonly #smtpServers: SmtpListenerServer[] = [];
  readonly #logins: MailboxLoginListeners;
  #control: ControlServer | undefined;
  #pickup: Pickup | undefined;

  /** Settles when every listener answers. Throws what keeps it from that. */
  static async start(start: Start, log: Log, queueThread: Worker): Promise<Front> {
    const front = new Front(start, log, queueThread);
    await front.#open();
    return front;
  }

  private constructor(start: Start, log: Log, queueThread: Worker) {
    this.#queueThread = queueThread;
    this.#start = start;
    this.#log = log;
    this.#passwd = new PasswdDirectory({ trustForMs: ACCOUNTS_TRUSTED_FOR });
    this.#settled = this.#readSettings(start.secretTables);
    if (start.smtpTls !== undefined) this.#smtpTls = new ExchangeableTls(start.smtpTls);
    if (start.mailboxTls !== undefined) this.#mailboxTls = new ExchangeableTls(start.mailboxTls);
    this.#delivery = new DeliveryClient(start.deliverSocket);
    this.#logins = new MailboxLoginListeners({
      authSocket: start.authSocket,
      log,
      settings: () => this.#settled.mailbox,
      tls: () => this.#mailboxTls,
    });
  }

  /** Takes changed settings and certificates for new sessions; what cannot be used leaves the old in force. */
  reload(message: Extract<SupervisorToFront, { type: 'reload' }>): void {
    try {
      const settled = this.#readSettings(message.secretTables);
      this.#settled.configuration.tableFiles.stop();
      this.#settled = settled;
      settled.configuration.tableFiles.start();
      this.#queue?.configure(queueSettingsOf(settled.configuration, this.#log));
    } catch (error) {
      this.#log('error', 'postcote', `front: reload refused, the settings of before stay: ${String(error)}`);
      return;
    }
    this.#smtpTls = this.#exchange(this.#smtpTls, message.smtpTls);
    this.#mailboxTls = this.#exchange(this.#mailboxTls, message.mailboxTls);
  }

  /** Stops accepting, tells the sessions, lets deliveries finish. */
  async stop(): Promise<void> {
    const smtp = this.#smtpServers.map((server) => server.stop(DRAIN));
    this.#logins.stop();
    this.#control?.stop();
    await this.#pickup?.stop();
    await Promise.all([...smtp, this.#logins.emptied(GOODBYE)]);
    await this.#queue?.close({ drain: DRAIN });
    this.#sender?.stop();
    this.#delivery.close();
    this.#settled.configuration.tableFiles.stop();
  }

  #exchange(current: ExchangeableTls | undefined, files: Start['smtpTls']): ExchangeableTls | undefined {
    if (files === undefined) return current;
    try {
      if (current === undefined) return new ExchangeableTls(files);
      current.exchange(files);
    } catch (error) {
      this.#log('error', 'postcote', `front: certificate not taken over: ${(error as Error).message}`);
    }
    return current;
  }

  #readSettings(secretTables: Start['secretTables']): FrontSettings {
    const { paths } = this.#start;
    const source = {
      paths,
      secretTables,
      hasUser: (name: string) => this.#hasUser(name),
      hasRoom: (user: string, octets: number) => this.#delivery.hasRoom(user, octets),
    };
    return readFrontSettings(source, this.#log);
  }

  async #hasUser(name: string): Promise<boolean> {
    const { userNames } = this.#start;
    if (userNames !== undefined) return userNames.includes(name);
    return (await this.#passwd.lookup(name)) !== undefined;
  }

  async #open(): Promise<void> {
    const { listeners, queueDirectory, authSocket } = this.#start;
    const dns = openDns(dnsServers());
    const sender = new MailSender(
      {
        dns,
        secureDns: openSecureDns({
          ...dnsServers(),
          doubt: (text) => this.#log('warn', 'postfix/smtp', text),
        }),
        random: Math.random,
        isOwnAddress: (address) => this.#settled.own.has(address),
      },
      this.#log,
    );
    this.#sender = sender;
    const queue = await openQueue({
      directory: queueDirectory,
      settings: queueSettingsOf(this.#settled.configuration, this.#log),
      log: this.#log,
      resolve: (recipient, envelope) => resolveEntered(this.#settled.routing, recipient, envelope),
      route: (recipient, envelope) =>
        overridingRoute(recipient.address, envelope, this.#settled.routing.filter) ??
        routeAgain(this.#settled.routing, recipient, envelope),
      deliverer: new FrontDeliverer(
        this.#delivery,
        {
          sender,
          service: (transport) => this.#settled.services.get(transport),
          program: (transport) => this.#settled.programs.get(transport),
        },
        () => this.#settled.local,
      ),
      thread: this.#queueThread,
      beginNotice: (envelope) => notices.begin(envelope),
      onFailure: (error) => {
        throw error;
      },
    });
    this.#queue = queue;
    const filters = await FilterStages.open({
      next: queueEntrance(queue),
      log: this.#log,
      folder: join(queueDirectory, 'filter'),
      settings: () => this.#settled.configuration,
      local: () => this.#settled.localFilters,
    });
    const notices = new NoticeEntrance({
      filtered: filters.ofNotices,
      direct: queueEntrance(queue),
      log: this.#log,
      policy: () => this.#settled.notices,
    });
    // Counted by service and address, for all listeners together.
    const limits = new ClientLimits(() => performance.now());
    const verifier = openVerification({
      folder: queueDirectory,
      log: this.#log,
      sender,
      service: (transport) => this.#settled.services.get(transport),
      postfix: () => this.#settled.configuration.postfix,
      routing: () => this.#settled.verifyRouting,
    });
    const screenCache = openScreenCache(queueDirectory, this.#log);
    const sites = new FastFlush(queue, (domain) => this.#mayFlush(domain), this.#log);
    for (const listener of listeners) {
      if (listener.protocol !== 'smtp') {
        await this.#logins.listen(listener);
        continue;
      }
      const key = listenerKey(listener.service, listener.address, listener.port);
      const server = new SmtpListenerServer({
        fd: listener.fd,
        implicitTls: listener.implicitTls,
        ...(this.#settled.screens.has(key) ? { screen: this.#screen(key, { dns, cache: screenCache }) } : {}),
        settings: () => this.#settled.smtp.get(key) as SmtpSettings,
        tls: () => this.#smtpTls?.under((this.#settled.smtp.get(key) as SmtpSettings).tlsRules),
        ports: {
          dns,
          sites,
          verifier,
          login: (request) => askLogin(authSocket, request),
          sasl: {
            // DOVECOT: Postfix offers what its auth socket offers.
            mechanisms: mechanismsOf(this.#settled.configuration.dovecot),
            startSasl,
          },
          addresses: {
            classify: (mailbox) => this.#settled.addresses.classify(mailbox),
            verify: (mailbox) => this.#verifyRecipient(mailbox),
            whereTo: (address, sender) => whereTo(this.#settled.routing, address, sender),
          },
          queue: this.#smtpEntrance(queue, filters.ofSessions, key),
          limits,
          log: this.#log,
        },
      });
      await server.listen();
      this.#smtpServers.push(server);
    }
    this.#settled.configuration.tableFiles.start();
    queue.start();
    await this.#openLocalDoors(queue, filters.ofLocalMail);
  }

  /** What an SMTP session writes to. */
  #smtpEntrance(queue: Queue, next: Entrance, key: string): MessageQueue {
    const cleanup = new CleanupEntrance({
      next,
      log: this.#log,
      policy: () => this.#settled.entrances.get(key) as EntrancePolicy,
    });
    return {
      hasRoomFor: (octets) => queue.hasRoomFor(octets),
      begin: (envelope, context) => cleanup.begin(envelope, { context }),
    };
  }

  /** Where this machine's own programs and commands come in. */
  async #openLocalDoors(queue: Queue, next: Entrance): Promise<void> {
    const { adminFd, publicFd, maildrop } = this.#start.control;
    const pickup = new Pickup({
      path: maildrop,
      entrance: new CleanupEntrance({ next, log: this.#log, policy: () => this.#settled.pickup }),
      log: this.#log,
      settings: () => this.#pickupSettings(),
    });
    const control = new ControlServer({
      queue,
      log: this.#log,
      maildrop: { path: maildrop, group: lstatSync(maildrop).gid },
      authorized: (parameter) => this.#authorized(parameter),
      verify: (address) => this.#verify(address),
    });
    await control.listen(adminFd, 'admin');
    await control.listen(publicFd, 'public');
    pickup.start();
    this.#control = control;
    this.#pickup = pickup;
  }

  #pickupSettings(): PickupSettings {
    const { addresses, configuration } = this.#settled;
    const { postfix } = configuration;
    return {
      myhostname: postfix.string('myhostname'),
      mailName: postfix.string('mail_name'),
      messageSizeLimit: postfix.int('message_size_limit'),
      hopcountLimit: postfix.int('hopcount_limit'),
      authorizedSubmitUsers: this.#authorized('authorized_submit_users'),
      complete: (address) => formatMailbox(addresses.rewrite(parseMailbox(address))),
    };
  }

  #screen(key: string, ports: Pick<ScreenOptions, 'dns' | 'cache'>): Screen {
    const first = this.#settled.screens.get(key) as ScreenSettings;
    // A row that runs postscreen no longer keeps its last settings until the restart.
    return new Screen({ ...ports, log: this.#log, settings: () => this.#settled.screens.get(key) ?? first });
  }

  /** Servers that are asked by a probe of ours may ask back. */
  async #verifyRecipient(mailbox: EnvelopeMailbox): Promise<RecipientVerdict> {
    const { postfix } = this.#settled.configuration;
    const address = `${mailbox.local}@${mailbox.domain ?? postfix.string('myorigin')}`;
    return isVerifySender(postfix, address, Date.now())
      ? { kind: 'known', class: 'local' }
      : await this.#settled.addresses.verify(mailbox);
  }

  #mayFlush(domain: string): boolean | Promise<boolean> {
    const { postfix, tables } = this.#settled.configuration;
    return tables.matchList(postfix, 'fast_flush_domains').matches({ name: domain });
  }

  /** Undefined: everybody, without having to show who they are. */
  #authorized(parameter: string): MatchList | undefined {
    const { postfix, tables } = this.#settled.configuration;
    const words = postfix.list(parameter);
    return words.length === 1 && words[0] === 'static:anyone'
      ? undefined
      : tables.matchList(postfix, parameter);
  }

  async #verify(address: string): Promise<{ readonly kind: string; readonly text: string }> {
    const { addresses } = this.#settled;
    const verdict = await addresses.verify(parseMailbox(address));
    if (verdict.kind === 'known') return { kind: 'known', text: 'deliverable' };
    return { kind: verdict.kind, text: verdict.kind === 'unknown' ? verdict.text : verdict.reason };
  }
}

/** Tests point the server at a DNS of their own. */
function dnsServers(): { readonly servers?: readonly string[] } {
  const list = process.env['POSTCOTE_DNS_SERVERS'];
  return list === undefined || list === '' ? {} : { servers: list.split(/[\s,]+/) };
}
