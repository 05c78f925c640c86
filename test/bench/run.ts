// One run of the benchmark: both sides up, each load on one and then on the other, round after round.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../support/play-transcript.ts';
import { TestBed } from '../support/world.ts';
import type { BenchContext } from './bench-context.ts';
import { measureChanging } from './changing-load.ts';
import { type Backlog, WAITING_DOMAIN, deferredOptions, fillQueue } from './deferred-queue.ts';
import { type MailLoad, allDelivered, runMailLoad } from './mail-load.ts';
import { SLEEPING, measureMemory } from './memory-load.ts';
import { Samples } from './metrics.ts';
import { readPss } from './process-figures.ts';
import { measurePop3, measureReading, measureSearch } from './reading-load.ts';
import { relayOptions, relayZone, runRelayLoad, startSink, RELAY_DOMAINS } from './relay-load.ts';
import { restrictionOptions } from './restriction-load.ts';
import { measureFairness, measureLogins, measurePush, measureTogether } from './sharing-load.ts';
import { type BenchSide, type SideName, type SideOptions, makeSide } from './sides.ts';
import { runTransactions } from './transaction-load.ts';

export interface BenchPlan {
  readonly sides: readonly SideName[];
  readonly rounds: number;
  readonly messages: number;
  readonly mailbox: number;
  readonly starts: number;
  /** Messages that wait in the queue meanwhile. */
  readonly backlog: number;
  /** Of mailboxes that are measured besides; 0: none. */
  readonly large: number;
  /** Connections that idle at a time, ascending. */
  readonly idle: readonly number[];
  /** Parts to run; empty: all. */
  readonly only: ReadonlySet<string>;
}

export const FULL_PLAN = {
  rounds: 3,
  messages: 2000,
  mailbox: 10_000,
  starts: 5,
  backlog: 100_000,
  large: 0,
  idle: [100],
};
export const QUICK_PLAN = {
  rounds: 1,
  messages: 400,
  mailbox: 2000,
  starts: 2,
  backlog: 10_000,
  large: 0,
  idle: [20],
};
/** What `--large` adds. */
export const LARGE = { large: 100_000, idle: [100, 500] };
export const PARTS = [
  'start',
  'memory',
  'mail',
  'transactions',
  'mailbox',
  'search',
  'change',
  'together',
  'fairness',
  'push',
  'pop3',
  'login',
  'relay',
  'restrictions',
  'deferred',
] as const;

const MAILBOXES = 20;
/** The parts that read and change mailboxes; all sides run meanwhile. */
const MAILBOX_PARTS = [
  'mailbox',
  'search',
  'change',
  'together',
  'fairness',
  'push',
  'pop3',
  'login',
] as const;
const SETTLE_MS = 3000;
/** Just under nine MiB, as a mail with a film in it. */
const BIG = 9 * 1024 * 1024;

export type Progress = (text: string) => void;

/** Makes temporary accounts and removes them again, whatever happens. Needs root. */
export async function runBench(plan: BenchPlan, progress: Progress): Promise<Samples> {
  const bed = await TestBed.open('bench');
  const samples = new Samples();
  const sides: BenchSide[] = [];
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    for (const side of sides) await side.stop().catch(() => {});
    await bed.close();
  };
  const close = (): Promise<void> => (closing ??= closeAll());
  // Accounts and servers must not outlive an impatient reader.
  const interrupted = (): void => void close().finally(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    progress('making accounts');
    const accounts = bed.users.create(MAILBOXES);
    for (const name of plan.sides) sides.push(await makeSide(name, bed));
    const wants = (part: (typeof PARTS)[number]): boolean => plan.only.size === 0 || plan.only.has(part);
    // What fails is named at the end, and loses nothing of what was measured.
    const attempt = async (part: (typeof PARTS)[number], run: () => Promise<void>): Promise<void> => {
      if (!wants(part)) return;
      try {
        await run();
      } catch (error) {
        samples.fail(`${part}: ${error instanceof Error ? error.message : String(error)}`);
        progress(`${part} FAILED: ${String(error)}`);
      }
    };
    const context: BenchContext = { sides, bed, samples, progress, rounds: plan.rounds };
    const others = { plan, bed, accounts, samples, progress, sides };
    // Figures of single moments are steady enough in two rounds.
    const few = { ...context, rounds: Math.min(plan.rounds, 2) };
    await attempt('start', () => measureStart(plan, context));
    await attempt('memory', () =>
      withSides(others, SLEEPING, async (sleepers) => {
        // The first start of each makes its folders and is not counted.
        for (const side of sleepers) {
          await side.start();
          await side.stop();
        }
        await measureMemory({ ...few, sides: sleepers }, accounts, plan.idle);
      }),
    );
    if (wants('mail') || wants('transactions') || MAILBOX_PARTS.some(wants))
      for (const side of sides) await side.start();
    await attempt('mail', () => measureMail(plan, { sides, accounts, samples, progress }));
    await attempt('transactions', () => measureTransactions(plan, { sides, accounts, samples, progress }));
    await attempt('mailbox', () => measureReading(context, plan.mailbox));
    if (plan.large > 0)
      await attempt('mailbox', () => measureReading({ ...context, rounds: 1 }, plan.large, 'Large'));
    await attempt('search', () => measureSearch(context, plan.mailbox));
    await attempt('change', () => measureChanging(context));
    await attempt('together', () => measureTogether(few, plan.mailbox / 2));
    await attempt('fairness', () => measureFairness(few, plan.large > 0 ? plan.large : plan.mailbox));
    await attempt('push', () => measurePush(few));
    await attempt('pop3', () => measurePop3(few, plan.mailbox));
    await attempt('login', () => measureLogins(context));
    for (const side of sides) await side.stop();
    await attempt('relay', () => measureRelay(others));
    await attempt('restrictions', () => measureRestrictions(others));
    await attempt('deferred', () => measureDeferred(others));
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await close();
  }
  return samples;
}

interface Context {
  readonly sides: readonly BenchSide[];
  readonly samples: Samples;
  readonly progress: Progress;
}

/** One side at a time: nothing else runs while it starts. */
async function measureStart(plan: BenchPlan, { sides, samples, progress }: Context): Promise<void> {
  // The first start of each makes its folders and is not counted.
  for (const side of sides) {
    await side.start();
    await side.stop();
  }
  for (let i = 0; i < plan.starts; i++) {
    for (const side of sides) {
      const elapsed = await side.start();
      samples.add('start', side.name, elapsed);
      progress(`start ${i + 1}/${plan.starts}: ${side.name} ${Math.round(elapsed)} ms`);
      await sleep(300);
      await side.stop();
    }
  }
}

async function measureMail(
  plan: BenchPlan,
  context: Context & { readonly accounts: readonly Account[] },
): Promise<void> {
  const { sides, samples, progress, accounts } = context;
  const load = (sessions: number, reuse: boolean): MailLoad => ({
    sessions,
    reuse,
    messages: plan.messages,
    length: 2048,
  });
  const one = accounts.slice(0, 1);
  // The first mail after a start, when nobody has a process yet.
  const warmUp = async (side: BenchSide): Promise<number> =>
    (await runMailLoad(side, accounts, { ...load(20, false), messages: 100 })).deliveredPerSecond;
  for (const side of sides) samples.add('deliver20cold', side.name, await warmUp(side));
  const runs: { readonly key: string; readonly to: readonly Account[]; readonly load: MailLoad }[] = [
    { key: 'accept10one', to: one, load: load(10, false) },
    { key: 'accept50one', to: one, load: load(50, false) },
    { key: 'accept10many', to: one, load: load(10, true) },
    { key: 'accept50many', to: one, load: load(50, true) },
    { key: 'deliver20', to: accounts, load: load(20, true) },
  ];
  for (let round = 0; round < plan.rounds; round++) {
    for (const run of runs) {
      for (const side of sides) {
        // Processes that left meanwhile are started again before the clock runs; `deliver20cold` tells what that costs.
        if (run.key === 'deliver20') await warmUp(side);
        const figures = await runMailLoad(side, run.to, run.load);
        if (run.key.startsWith('accept')) samples.add(run.key, side.name, figures.acceptedPerSecond);
        else samples.add('deliver20', side.name, figures.deliveredPerSecond);
        if (run.key === 'accept10many') {
          samples.add('deliver1', side.name, figures.deliveredPerSecond);
          samples.add('cpu', side.name, figures.cpuMsPerMessage);
        }
        progress(
          `mail ${round + 1}/${plan.rounds} ${run.key}: ${side.name} accepts ${Math.round(figures.acceptedPerSecond)}/s, delivers ${Math.round(figures.deliveredPerSecond)}/s, ${figures.cpuMsPerMessage.toFixed(2)} ms of processor each`,
        );
      }
    }
  }
}

async function measureTransactions(
  plan: BenchPlan,
  context: Context & { readonly accounts: readonly Account[] },
): Promise<void> {
  const { sides, samples, progress, accounts } = context;
  const [account] = accounts;
  if (account === undefined) throw new Error('no account');
  const task = { sessions: 10, messages: plan.messages, perConnection: 100, starttls: false, length: 2048 };
  const secured = { ...task, messages: Math.round(plan.messages / 2), perConnection: 1, starttls: true };
  const big = { sessions: 4, messages: 16, length: BIG, reuse: true };
  for (let round = 0; round < plan.rounds; round++) {
    const note = (text: string): void => progress(`transactions ${round + 1}/${plan.rounds} ${text}`);
    for (const side of sides) {
      const figures = await runTransactions(side, account, task);
      samples.add('p50', side.name, figures.p50);
      samples.add('p99', side.name, figures.p99);
      note(`plain: ${side.name} p50 ${figures.p50.toFixed(2)} ms, p99 ${figures.p99.toFixed(1)} ms`);
      await allDelivered(side, [account]);
    }
    for (const side of sides) {
      const { perSecond, cpuMsPerMessage } = await runTransactions(side, account, secured);
      samples.add('starttls', side.name, perSecond);
      samples.add('starttlsCpu', side.name, cpuMsPerMessage);
      note(
        `STARTTLS: ${side.name} ${Math.round(perSecond)}/s, ${cpuMsPerMessage.toFixed(2)} ms of processor`,
      );
      await allDelivered(side, [account]);
    }
    for (const side of sides) {
      const figures = await runMailLoad(side, [account], big);
      samples.add('big', side.name, figures.deliveredPerSecond);
      samples.add('bigCpu', side.name, figures.cpuMsPerMessage);
      note(
        `9 MiB: ${side.name} ${figures.deliveredPerSecond.toFixed(1)}/s, ${figures.cpuMsPerMessage.toFixed(0)} ms of processor`,
      );
    }
  }
}

interface Others extends Context {
  readonly plan: BenchPlan;
  readonly bed: TestBed;
  readonly accounts: readonly Account[];
}

/** Both sides on another configuration, each started once and stopped at the end. */
async function withSides(
  { bed, sides }: Others,
  options: SideOptions,
  run: (sides: readonly BenchSide[]) => Promise<void>,
): Promise<void> {
  const made: BenchSide[] = [];
  try {
    for (const { name } of sides) made.push(await makeSide(name, bed, options));
    await run(made);
  } finally {
    for (const side of made) await side.stop().catch(() => {});
  }
}

async function measureRelay(others: Others): Promise<void> {
  const { plan, samples, progress, bed } = others;
  const sink = await startSink();
  bed.dns.set(relayZone());
  try {
    await withSides(others, relayOptions(sink.port), async (sides) => {
      for (const side of sides) await side.start();
      for (let round = -1; round < plan.rounds; round++) {
        for (const domains of [1, RELAY_DOMAINS]) {
          for (const side of sides) {
            const messages = round < 0 ? 200 : plan.messages;
            const { relayedPerSecond, cpuMsPerMessage } = await runRelayLoad(side, sink, {
              domains,
              messages,
            });
            // The first round wakes the processes.
            if (round < 0) continue;
            samples.add(`relay${domains}`, side.name, relayedPerSecond);
            samples.add(`relay${domains}Cpu`, side.name, cpuMsPerMessage);
            progress(
              `relay ${round + 1}/${plan.rounds} to ${domains}: ${side.name} ${Math.round(relayedPerSecond)}/s, ${cpuMsPerMessage.toFixed(2)} ms of processor`,
            );
          }
        }
      }
    });
  } finally {
    sink.stop();
  }
}

async function measureRestrictions(others: Others): Promise<void> {
  const { plan, samples, progress, accounts } = others;
  const one = accounts.slice(0, 1);
  const load: MailLoad = { sessions: 10, messages: plan.messages, length: 2048, reuse: true };
  await withSides(others, restrictionOptions(), async (sides) => {
    for (const side of sides) await side.start();
    for (let round = -1; round < plan.rounds; round++) {
      for (const side of sides) {
        const figures = await runMailLoad(side, one, round < 0 ? { ...load, messages: 100 } : load);
        if (round < 0) continue;
        samples.add('restrictions', side.name, figures.acceptedPerSecond);
        samples.add('restrictionsCpu', side.name, figures.cpuMsPerMessage);
        progress(
          `restrictions ${round + 1}/${plan.rounds}: ${side.name} accepts ${Math.round(figures.acceptedPerSecond)}/s, ${figures.cpuMsPerMessage.toFixed(2)} ms of processor each`,
        );
      }
    }
  });
}

async function measureDeferred(others: Others): Promise<void> {
  const { plan, progress, bed } = others;
  bed.dns.set({ [WAITING_DOMAIN]: { a: ['127.0.0.1'] } });
  await withSides(others, deferredOptions(), async (sides) => {
    for (const side of sides) {
      await side.start();
      await side.stop();
    }
    const backlogs: readonly (Backlog & { readonly key: string })[] = [
      { key: 'deferredNone', messages: 0, destinations: 1 },
      { key: 'deferredOne', messages: plan.backlog, destinations: 1 },
      // On top of the others.
      { key: 'deferredMany', messages: plan.backlog, destinations: 1000 },
    ];
    for (const backlog of backlogs) {
      for (const side of sides) {
        if (backlog.messages > 0) {
          progress(`deferred: filling the queue of ${side.name} with ${backlog.messages} messages`);
          await fillQueue(side, backlog);
        }
        await measureWithBacklog(others, side, backlog.key);
      }
    }
  });
}

async function measureWithBacklog(others: Others, side: BenchSide, key: string): Promise<void> {
  const { plan, samples, progress, accounts } = others;
  const load: MailLoad = { sessions: 10, messages: plan.messages, length: 2048, reuse: true };
  const started = await side.start();
  const one = accounts.slice(0, 1);
  await runMailLoad(side, one, { ...load, messages: 100 });
  for (let round = 0; round < plan.rounds; round++) {
    const { acceptedPerSecond } = await runMailLoad(side, one, load);
    samples.add(key, side.name, acceptedPerSecond);
  }
  await sleep(SETTLE_MS);
  const memory = readPss(side.pids()) / 1024;
  samples.add(`${key}Memory`, side.name, memory);
  progress(`deferred, ${key}: ${side.name} started in ${Math.round(started)} ms, ${memory.toFixed(0)} MiB`);
  await side.stop();
}
