import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeepRunning, type KeptProcess } from './keep-running.ts';

interface Started extends KeptProcess {
  exit(reason: string): void;
  readonly signals: string[];
}

function makeKeeper(): { keeper: KeepRunning<Started>; started: Started[]; pauses: number[] } {
  const started: Started[] = [];
  const pauses: number[] = [];
  const keeper = new KeepRunning<Started>(
    (onExit) => {
      const child = {
        over: false,
        signals: [] as string[],
        kill(signal: string) {
          this.signals.push(signal);
        },
        ended: () => Promise.resolve(),
        exit(reason: string) {
          this.over = true;
          onExit(reason);
        },
      };
      started.push(child);
      return child;
    },
    (_reason, pause) => pauses.push(pause),
  );
  return { keeper, started, pauses };
}

describe('KeepRunning', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('starts again with growing pauses, and quickly again after a healthy run', () => {
    const { started, pauses } = makeKeeper();
    for (let i = 0; i < 4; i++) {
      started.at(-1)?.exit('exit status 1');
      vi.advanceTimersByTime(60_000 - 1);
    }
    // A run of nearly a minute is not healthy yet; after one of more than a minute it is.
    expect(pauses).toEqual([100, 200, 400, 800]);
    vi.advanceTimersByTime(120_000);
    started.at(-1)?.exit('exit status 1');
    expect(pauses.at(-1)).toBe(100);
  });

  it('does not start again once it stops', async () => {
    const { keeper, started } = makeKeeper();
    await keeper.stop('SIGTERM', 1000);
    started[0]?.exit('killed by SIGTERM');
    vi.advanceTimersByTime(60_000);
    expect(started).toHaveLength(1);
    expect(started[0]?.signals).toEqual(['SIGTERM']);
  });
});
