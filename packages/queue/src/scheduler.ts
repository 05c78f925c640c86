// Postfix's queue manager: which messages are active, which job runs when, what becomes of their recipients.
//
// Fresh mail is tried at once from memory. What is deferred waits in the database, ordered by its next attempt,
// and is read in windows by a queue run; at most half of the active queue comes from there, so a backlog never
// keeps fresh mail waiting. A message leaves the active queue when every recipient was tried: removed when all
// are done, else with a time for the next attempt.
//
// When all were tried, who asked for it is told: of what failed for good or waited too long, of delays, of success. A
// failed recipient leaves the queue only after its notification is durable there.

import {
  type ActiveMessage,
  activeMessage,
  limitForwarding,
  newSettlement,
  replaceForwarded,
} from './active-message.ts';
import { Dispatcher } from './dispatcher.ts';
import { groupByDestination, keepFailure, noResult, programOf } from './destinations.ts';
import type { Destination, QueuedRecipient } from './envelope.ts';
import { expandedResult, isExpanded } from './expanded.ts';
import { formatDeliveryLine } from './log-lines.ts';
import {
  type Deliverer,
  type DeliveryJob,
  type DeliveryResult,
  MessageGone,
  type QueueClock,
} from './ports.ts';
import { type Notices, wantsSuccess } from './notifier.ts';
import { isExpired, nextAttempt, warningIsDue } from './schedule.ts';
import type { DuePlace, QueuedMessage, ScheduleStore, Settlement } from './schedule-store.ts';
import { concurrencyOf, processLimitOf, type QueueSettings } from './settings.ts';
import { UnreachableDestinations } from './unreachable.ts';
import type { Log } from '@postcote/wire';

interface Job {
  readonly active: ActiveMessage;
  readonly destination: Destination;
  readonly recipients: readonly QueuedRecipient[];
}

interface QueueRun {
  /** All that is not held, because somebody asked for it. */
  readonly flush: boolean;
  readonly until: number;
  readonly attemptedBefore: number;
  after: DuePlace;
}

export interface SchedulerOptions {
  readonly store: ScheduleStore;
  readonly deliverer: Deliverer;
  readonly clock: QueueClock;
  readonly log: Log;
  /** Settles when the notifications are durable. */
  notify(message: QueuedMessage, notices: Notices): Promise<void>;
  settings(): QueueSettings;
}

const WINDOW = 100;
const START: DuePlace = { nextAttempt: -1, id: -1 };
/** Jobs ended without a delivery in one turn of the event loop. */
const SUSPENDED_PER_TURN = 100;

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #dispatcher: Dispatcher<Job>;
  readonly #active = new Map<number, ActiveMessage>();
  readonly #unreachable = new UnreachableDestinations();
  readonly #insisted = new Set<number>();
  #cached = 0;
  /** Of all active messages. */
  #recipients = 0;
  /** Fresh messages being committed, which will want a place. */
  #promised = 0;
  #run: QueueRun | undefined;
  #runAgain = false;
  #reading = false;
  #started = false;
  #stopped = false;
  #pumpLater = false;
  #cancelTick: (() => void) | undefined;
  /** Messages whose notifications are being written. */
  #notifying = 0;
  #idle: (() => void)[] = [];

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#dispatcher = new Dispatcher<Job>({
      processLimit: (transport) => processLimitOf(options.settings(), transport),
      concurrency: (transport) => concurrencyOf(options.settings(), transport),
    });
  }

  get counts(): { readonly active: number; readonly running: number; readonly cachedOctets: number } {
    return { active: this.#active.size, running: this.#dispatcher.running, cachedOctets: this.#cached };
  }

  isActive(id: number): boolean {
    return this.#active.has(id);
  }

  /** Whether a fresh message may stay in memory; if so it must be followed by `admit` or `forgo`. */
  promise(recipients: number): boolean {
    const { activeLimit, activeRecipientLimit } = this.#options.settings();
    if (this.#active.size + this.#promised >= activeLimit) return false;
    if (this.#recipients > 0 && this.#recipients + recipients > activeRecipientLimit) return false;
    this.#promised++;
    return true;
  }

  /** A promised message was not kept. */
  forgo(): void {
    this.#promised--;
  }

  admit(message: QueuedMessage, octets: Uint8Array | undefined): void {
    this.#promised--;
    this.#activate(message, octets);
    this.#pump();
  }

  /** A message was committed without a place in memory: a queue run has to find it. */
  noteWaiting(): void {
    if (this.#run === undefined) this.#beginRun(false);
    else this.#runAgain = true;
  }

  start(): void {
    this.#started = true;
    this.#beginRun(false);
    this.#tick();
    this.#pump();
  }

  /** Tries everything that is not held now. */
  flush(): void {
    this.#unreachable.clear();
    this.#beginRun(true);
  }

  /** Forgets that nobody answered at these destinations. */
  forget(destinations: readonly Destination[]): void {
    for (const destination of destinations) this.#unreachable.forget(destination);
  }

  /** The next run tries this message whatever its transport. */
  insist(id: number): void {
    this.#insisted.add(id);
  }

  /** Stops what waits; what runs goes on. */
  drop(id: number): void {
    const active = this.#active.get(id);
    if (active !== undefined) active.held = true;
  }

  /** Starts no more deliveries, and settles when those under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTick?.();
    if (this.#dispatcher.running + this.#notifying > 0)
      await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #tick(): void {
    const { clock, settings } = this.#options;
    this.#cancelTick = clock.after(settings().queueRunDelay, () => {
      this.#unreachable.expire(clock.now());
      if (this.#run === undefined) this.#beginRun(false);
      this.#tick();
    });
  }

  #beginRun(everything: boolean): void {
    if (!this.#started || this.#stopped) return;
    const now = this.#options.clock.now();
    this.#run = everything
      ? { flush: true, until: Number.MAX_SAFE_INTEGER, attemptedBefore: now, after: START }
      : { flush: false, until: now, attemptedBefore: Number.MAX_SAFE_INTEGER, after: START };
    this.#runAgain = false;
    void this.#fill();
  }

  /** Reads windows of due messages while there is room for them. */
  async #fill(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#run !== undefined && !this.#stopped && this.#hasRoomForBacklog()) {
        const run = this.#run;
        const window = await this.#options.store.readDue({ ...run, limit: WINDOW });
        if (this.#stopped) return;
        for (const message of window.messages)
          this.#takeUp(message, this.#insisted.delete(message.id) || run.flush);
        this.#pump();
        if (this.#run !== run) continue;
        if (window.next !== undefined) run.after = window.next;
        else if (this.#runAgain) this.#beginRun(false);
        else this.#run = undefined;
      }
    } catch (error) {
      this.#options.log('error', 'postfix/qmgr', `reading the queue failed: ${describe(error)}`);
      this.#run = undefined;
    } finally {
      this.#reading = false;
    }
  }

  #hasRoomForBacklog(): boolean {
    const { activeLimit, activeRecipientLimit } = this.#options.settings();
    if (this.#active.size === 0) return true;
    return this.#active.size < activeLimit / 2 && this.#recipients < activeRecipientLimit / 2;
  }

  #takeUp(message: QueuedMessage, flushed: boolean): void {
    if (this.#active.has(message.id)) return;
    const spooled = message.spool !== null;
    this.#options.store.settle(
      {
        id: message.id,
        done: [],
        added: [],
        deferred: [],
        nextAttempt: null,
        attemptedAt: message.attemptedAt,
        remove: false,
      },
      spooled,
    );
    this.#activate(message, undefined, flushed);
  }

  #activate(message: QueuedMessage, octets: Uint8Array | undefined, flushed = false): void {
    const { log, clock, settings } = this.#options;
    const keep = octets !== undefined && this.#cached + octets.length <= settings().cacheLimit;
    if (keep) this.#cached += octets.length;
    const active = activeMessage(message, { now: clock.now(), octets: keep ? octets : undefined, flushed });
    this.#active.set(message.id, active);
    log(
      'info',
      'postfix/qmgr',
      `${message.queueId}: from=<${message.envelope.sender}>, size=${message.size}, nrcpt=${message.recipients.length} (queue active)`,
    );
    this.#addJobs(active, message.recipients);
    if (active.jobs === 0) this.#messageTried(active);
  }

  #addJobs(active: ActiveMessage, recipients: readonly QueuedRecipient[]): void {
    active.left += recipients.length;
    active.taken += recipients.length;
    this.#recipients += recipients.length;
    const settings = this.#options.settings();
    for (const { destination, recipients: together } of groupByDestination(recipients)) {
      const limit = settings.transportRecipients[destination.transport] ?? settings.destinationRecipients;
      const size = limit > 0 ? limit : together.length;
      for (let start = 0; start < together.length; start += size) {
        active.jobs++;
        const part = together.length <= size ? together : together.slice(start, start + size);
        this.#dispatcher.add(destination, { active, destination, recipients: part });
      }
    }
  }

  #pump(): void {
    if (!this.#started || this.#stopped || this.#pumpLater) return;
    let suspended = 0;
    for (let job = this.#dispatcher.next(); job !== undefined; job = this.#dispatcher.next()) {
      const results = job.active.held ? [] : this.#withoutTrying(job);
      if (results === undefined) {
        void this.#deliver(job);
        continue;
      }
      const program = isExpanded(job.destination) ? 'postfix/cleanup' : 'postfix/error';
      this.#jobDone(job, results, program, this.#options.clock.now());
      if (++suspended < SUSPENDED_PER_TURN) continue;
      this.#pumpLater = true;
      this.#options.clock.after(0, () => {
        this.#pumpLater = false;
        this.#pump();
      });
      return;
    }
  }

  #withoutTrying({ active, destination, recipients }: Job): DeliveryResult[] | undefined {
    const { clock, settings } = this.#options;
    const { deferTransports } = settings();
    if (isExpanded(destination)) return recipients.map(({ index }) => expandedResult(index));
    const same = (dsn: string, text: string): DeliveryResult[] =>
      recipients.map(({ index }) => ({ index, status: 'deferred', dsn, text, relay: 'none' }));
    if (deferTransports.size > 0 && deferTransports.has(destination.transport) && !active.flushed)
      return same('4.3.2', 'deferred transport');
    const found = this.#unreachable.find(destination, clock.now());
    return found && same(found.dsn, `delivery temporarily suspended: ${found.text}`);
  }

  async #deliver(job: Job): Promise<void> {
    const { deliverer, log, clock } = this.#options;
    const started = clock.now();
    const program = programOf(job.destination);
    let results: readonly DeliveryResult[] = [];
    this.#slowDown(job.destination, 'transport');
    try {
      results = await deliverer.deliver(this.#describeJob(job));
      this.#learn(job.destination, results);
    } catch (error) {
      const text = `${job.active.message.queueId}: delivery failed: ${describe(error)}`;
      // Deleted by an administrator in the last moment: nobody's fault, least of all the transport's.
      if (error instanceof MessageGone) log('info', program, text);
      else {
        log('error', program, text);
        this.#noteTransportDown(job.destination, describe(error));
      }
    }
    this.#slowDown(job.destination, 'destination');
    this.#jobDone(job, results, program, started);
    this.#noteIdle();
    this.#pump();
  }

  /** POSTFIX: <transport>_transport_rate_delay, <transport>_destination_rate_delay. */
  #slowDown(destination: Destination, what: 'transport' | 'destination'): void {
    const own = this.#options.settings().transports[destination.transport];
    const delay = (what === 'transport' ? own?.transportRateDelay : own?.rateDelay) ?? 0;
    if (delay <= 0) return;
    this.#dispatcher.pause(destination, what);
    this.#options.clock.after(delay, () => {
      this.#dispatcher.resume(destination, what);
      this.#pump();
    });
  }

  #describeJob({ active, destination, recipients }: Job): DeliveryJob {
    const { message } = active;
    return {
      queueId: message.queueId,
      envelope: message.envelope,
      arrivedAt: message.arrivedAt,
      size: message.size,
      destination,
      recipients,
      open: async () =>
        active.octets === undefined
          ? this.#options.store.openBody(message)
          : { kind: 'octets', size: active.octets.length, octets: active.octets },
      moreWaiting: () => this.#dispatcher.hasWaiting(destination),
    };
  }

  /** Whether the destination as a whole answered decides how much is tried there at once, and whether at all. */
  #learn(destination: Destination, results: readonly DeliveryResult[]): void {
    const down = results.find((result) => result.destinationDown === true && result.status === 'deferred');
    if (!this.#dispatcher.learn(destination, down === undefined) || down === undefined) return;
    const until = this.#options.clock.now() + this.#options.settings().minimalBackoff;
    this.#unreachable.note(destination, { until, dsn: down.dsn, text: down.text });
  }

  /** POSTFIX: a transport that breaks is left alone for transport_retry_time. */
  #noteTransportDown({ transport }: Destination, text: string): void {
    const until = this.#options.clock.now() + this.#options.settings().transportRetry;
    this.#unreachable.noteTransport(transport, {
      until,
      dsn: '4.3.0',
      text: `mail transport unavailable: ${text}`,
    });
  }

  #jobDone(job: Job, results: readonly DeliveryResult[], program: string, started: number): void {
    const { log, clock, store } = this.#options;
    const { active } = job;
    const { message } = active;
    const settlement = newSettlement(active);
    const times = { arrived: message.arrivedAt, active: active.activeAt, started, ended: clock.now() };
    const settings = this.#options.settings();
    const speaksOfDelay =
      isExpired(message, times.ended, settings) || warningIsDue(message, times.ended, settings);
    for (const recipient of job.recipients) {
      if (active.held && results.length === 0) break;
      const given = results.find((one) => one.index === recipient.index) ?? noResult(recipient.index);
      const result = limitForwarding(active, settings.softBounce ? keepFailure(given) : given);
      log('info', program, formatDeliveryLine(message.queueId, recipient, result, times));
      if (result.status === 'sent') {
        settlement.done.push(recipient.index);
        active.left--;
        settlement.added.push(...replaceForwarded(active, recipient, result.forwarded ?? []));
        if (wantsSuccess({ recipient, result })) active.successes.push({ recipient, result });
      } else if (result.status === 'bounced') {
        active.failures.push({ recipient, result });
      } else {
        settlement.deferred.push({ index: recipient.index, dsn: result.dsn, reason: result.text });
        if (speaksOfDelay) active.late.push({ recipient, result });
      }
    }
    this.#dispatcher.finished(job.destination);
    active.jobs--;
    if (settlement.added.length > 0) this.#addJobs(active, settlement.added);
    const quiet = active.failures.length + active.successes.length + active.late.length === 0;
    if (active.jobs === 0 && !active.more && quiet) {
      // The common end of a message: one write says it all.
      this.#conclude(active, settlement);
      return;
    }
    store.settle(settlement, false);
    if (active.jobs === 0) this.#messageTried(active);
  }

  /** All recipients in memory were tried (or there were none): read on, or end the attempt. */
  #messageTried(active: ActiveMessage): void {
    const { message } = active;
    if (active.more) {
      active.more = false;
      this.#readMore(active).catch((error: unknown) => {
        this.#options.log('error', 'postfix/qmgr', `${message.queueId}: reading failed: ${describe(error)}`);
        this.#endAttempt(active);
      });
      return;
    }
    this.#endAttempt(active);
  }

  async #readMore(active: ActiveMessage): Promise<void> {
    const more = await this.#options.store.readMore(active.message.id, active.lastRecipient);
    if (more !== undefined) {
      active.more = more.partial;
      active.lastRecipient = more.recipients.at(-1)?.index ?? active.lastRecipient;
      // Those that came to be meanwhile stand at the end, and were seen to already.
      this.#addJobs(
        active,
        more.recipients.filter(({ index }) => !active.addedAt.has(index)),
      );
    }
    if (active.jobs === 0) this.#endAttempt(active);
    this.#pump();
  }

  #endAttempt(active: ActiveMessage): void {
    const notices = active.held ? NO_NOTICES : this.#noticesOf(active);
    if (notices.failures.length + notices.delays.length + notices.successes.length === 0) {
      this.#conclude(active, newSettlement(active));
      return;
    }
    const { message } = active;
    const settlement = newSettlement(active);
    this.#notifying++;
    this.#options.notify(message, notices).then(
      () => {
        for (const { recipient } of notices.failures) settlement.done.push(recipient.index);
        active.left -= notices.failures.length;
        this.#notifying--;
        this.#conclude(active, settlement);
        this.#noteIdle();
      },
      (error: unknown) => {
        const reason = describe(error);
        this.#options.log('error', 'postfix/bounce', `${message.queueId}: notification failed: ${reason}`);
        for (const { recipient, result } of notices.failures) {
          const { dsn, text } = keepFailure(result);
          settlement.deferred.push({ index: recipient.index, dsn, reason: text });
        }
        this.#notifying--;
        this.#conclude(active, settlement);
        this.#noteIdle();
      },
    );
  }

  #noteIdle(): void {
    if (this.#dispatcher.running + this.#notifying > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #noticesOf(active: ActiveMessage): Notices {
    const { message, failures, successes, late } = active;
    const { clock, settings } = this.#options;
    if (!isExpired(message, clock.now(), settings())) return { failures, delays: late, successes };
    if (late.length > 0) {
      const text = `${message.queueId}: from=<${message.envelope.sender}>, status=expired, returned to sender`;
      this.#options.log('info', 'postfix/qmgr', text);
    }
    return { failures: [...failures, ...late], delays: [], successes };
  }

  #conclude(active: ActiveMessage, settlement: Settlement): void {
    const { log, clock, settings, store } = this.#options;
    const { message } = active;
    this.#active.delete(message.id);
    this.#recipients -= active.taken;
    if (active.octets !== undefined) this.#cached -= active.octets.length;
    if (active.left === 0) {
      settlement.remove = true;
      log('info', 'postfix/qmgr', `${message.queueId}: removed`);
    } else {
      const now = clock.now();
      settlement.nextAttempt = nextAttempt(message.arrivedAt, now, settings());
      settlement.attemptedAt = now;
    }
    store.settle(settlement, message.spool !== null && settlement.remove);
    if (this.#run !== undefined) void this.#fill();
  }
}

const NO_NOTICES: Notices = { failures: [], delays: [], successes: [] };

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
