// One run of the benchmark: both sides up, each load on one and then on the other, round after round.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../support/play-transcript.ts';
import { TestBed } from '../support/world.ts';
import { makeMailbox, openIdle, runMailboxLoad } from './mailbox-load.ts';
import { type MailLoad, runMailLoad } from './mail-load.ts';
import { Samples } from './metrics.ts';
import { readPss } from './process-figures.ts';
import { type BenchSide, type SideName, makeSide } from './sides.ts';

export interface BenchPlan {
  readonly sides: readonly SideName[];
  readonly rounds: number;
  readonly messages: number;
  readonly mailbox: number;
  readonly starts: number;
  /** Parts to run; empty: all. */
  readonly only: ReadonlySet<string>;
}

export const FULL_PLAN = { rounds: 3, messages: 2000, mailbox: 10_000, starts: 5 };
export const QUICK_PLAN = { rounds: 1, messages: 400, mailbox: 2000, starts: 2 };
export const PARTS = ['start', 'memory', 'mail', 'mailbox'] as const;

const MAILBOXES = 20;
const IDLE_CONNECTIONS = 100;
const SETTLE_MS = 3000;

export type Progress = (text: string) => void;

/** Makes temporary accounts and removes them again, whatever happens. Needs root. */
export async function runBench(plan: BenchPlan, progress: Progress): Promise<Samples> {
  const bed = await TestBed.open('bench');
  const samples = new Samples();
  const sides: BenchSide[] = [];
  const close = async (): Promise<void> => {
    for (const side of sides) await side.stop().catch(() => {});
    await bed.close();
  };
  // Accounts and servers must not outlive an impatient reader.
  const interrupted = (): void => void close().finally(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    progress('making accounts');
    const accounts = bed.users.create(MAILBOXES);
    for (const name of plan.sides) sides.push(await makeSide(name, bed));
    const wants = (part: (typeof PARTS)[number]): boolean => plan.only.size === 0 || plan.only.has(part);
    if (wants('start') || wants('memory'))
      await measureStart(plan, { sides, accounts, samples, progress, wants });
    for (const side of sides) await side.start();
    if (wants('mail')) await measureMail(plan, { sides, accounts, samples, progress });
    if (wants('mailbox')) await measureMailbox(plan, { sides, bed, samples, progress });
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

/** One side at a time: nothing else runs while it starts and while its memory is read. */
async function measureStart(
  plan: BenchPlan,
  context: Context & { readonly accounts: readonly Account[]; wants(part: 'start' | 'memory'): boolean },
): Promise<void> {
  const { sides, samples, progress, accounts } = context;
  // The first start of each makes its folders and is not counted.
  for (const side of sides) {
    await side.start();
    await side.stop();
  }
  if (context.wants('start')) {
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
  if (!context.wants('memory')) return;
  for (let round = 0; round < plan.rounds; round++) {
    for (const side of sides) {
      await side.start();
      await sleep(SETTLE_MS);
      const idle = readPss(side.pids()) / 1024;
      samples.add('memoryIdle', side.name, idle);
      const connections = await openIdle(side, accounts, IDLE_CONNECTIONS);
      await sleep(SETTLE_MS);
      const busy = readPss(side.pids()) / 1024;
      samples.add('memory100', side.name, busy);
      connections.close();
      progress(
        `memory ${round + 1}/${plan.rounds}: ${side.name} ${idle.toFixed(0)} MiB, ${busy.toFixed(0)} MiB with ${IDLE_CONNECTIONS} connections`,
      );
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

async function measureMailbox(plan: BenchPlan, context: Context & { readonly bed: TestBed }): Promise<void> {
  const { sides, samples, progress, bed } = context;
  for (let round = 0; round < plan.rounds; round++) {
    for (const side of sides) {
      progress(`mailbox ${round + 1}/${plan.rounds}: writing ${plan.mailbox} messages for ${side.name}`);
      const [account] = bed.users.create(1);
      if (account === undefined) throw new Error('no account');
      makeMailbox(account, plan.mailbox);
      const figures = await runMailboxLoad(side, account, plan.mailbox);
      samples.add('selectCold', side.name, figures.coldSelectMs);
      samples.add('selectWarm', side.name, figures.warmSelectMs);
      samples.add('sync', side.name, figures.syncPerSecond);
      samples.add('pop3', side.name, figures.pop3PerSecond);
      progress(
        `mailbox ${round + 1}/${plan.rounds}: ${side.name} SELECT ${figures.coldSelectMs.toFixed(0)} then ${figures.warmSelectMs.toFixed(1)} ms, sync ${Math.round(figures.syncPerSecond)}/s, POP3 ${Math.round(figures.pop3PerSecond)}/s`,
      );
    }
  }
}
