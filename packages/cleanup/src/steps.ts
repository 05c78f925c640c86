// Work that may have to wait for a table, and mostly does not: a generator that yields what it waits for. It runs
// through at once as long as nothing is to be waited for.

import type { MaybePromise } from './settings.ts';

export type Steps<Result> = Generator<Promise<unknown>, Result, unknown>;

/** Rejects (or throws) what the work throws. */
export function runSteps<Result>(steps: Steps<Result>): MaybePromise<Result> {
  const first = steps.next();
  return first.done === true ? first.value : continueSteps(steps, first.value);
}

async function continueSteps<Result>(steps: Steps<Result>, first: Promise<unknown>): Promise<Result> {
  let waiting = first;
  for (;;) {
    const outcome = await waiting.then(
      (value: unknown) => ({ ok: true as const, value }),
      (error: unknown) => ({ ok: false as const, error }),
    );
    const next = outcome.ok ? steps.next(outcome.value) : steps.throw(outcome.error);
    if (next.done === true) return next.value;
    waiting = next.value;
  }
}

/** `const value = yield* settled(mayBePromise)`. */
export function* settled<Value>(value: MaybePromise<Value>): Steps<Value> {
  return value instanceof Promise ? ((yield value) as Value) : value;
}
