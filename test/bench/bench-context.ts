// What the parts of the benchmark share. A workload that fails is noted, and the others go on.

import type { Account } from '../support/play-transcript.ts';
import type { TestBed } from '../support/world.ts';
import type { Samples } from './metrics.ts';
import type { BenchSide } from './sides.ts';

export interface BenchContext {
  readonly sides: readonly BenchSide[];
  readonly bed: TestBed;
  readonly samples: Samples;
  readonly rounds: number;
  readonly progress: (text: string) => void;
}

/** Runs it on each side in turn, round after round; every run gets accounts of its own, without mail. */
export async function eachRound(
  context: BenchContext,
  task: { readonly name: string; readonly accounts: number; readonly rounds?: number },
  run: (side: BenchSide, accounts: readonly Account[]) => Promise<void>,
): Promise<void> {
  const { sides, bed, samples, progress } = context;
  const rounds = task.rounds ?? context.rounds;
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      const begun = performance.now();
      const accounts = bed.users.create(task.accounts);
      try {
        await run(side, accounts);
        const seconds = (performance.now() - begun) / 1000;
        progress(`${task.name} ${round + 1}/${rounds}: ${side.name}, ${seconds.toFixed(1)} s`);
      } catch (error) {
        samples.fail(`${task.name}, ${side.name}: ${error instanceof Error ? error.message : String(error)}`);
        progress(`${task.name} ${round + 1}/${rounds}: ${side.name} FAILED: ${String(error)}`);
      }
    }
  }
}

export async function timed(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}

/** How many a second, when it takes so long for all. */
export async function rate(count: number, run: () => Promise<unknown>): Promise<number> {
  return (count / (await timed(run))) * 1000;
}
