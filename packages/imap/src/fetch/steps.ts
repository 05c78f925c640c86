// Work that waits only where it must. What is at hand goes on in the same turn: most messages are, and a promise for
// each of ten thousand costs more than reading them.

import type { MaybePromise } from '@postcote/mailbox';

/** A generator that yields the promises it has to wait for. */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

export function* settled<T>(value: MaybePromise<T>): Steps<T> {
  if (!(value instanceof Promise)) return value;
  let result: { readonly value: T } | undefined;
  yield value.then((it) => {
    result = { value: it };
  });
  if (result === undefined) throw new Error('went on without waiting');
  return result.value;
}

/** Runs to the end at once if nothing has to be waited for; throws or rejects as the steps do. */
export function runSteps<T>(steps: Steps<T>): MaybePromise<T> {
  const first = steps.next();
  return first.done === true ? first.value : finish(steps, first.value);
}

async function finish<T>(steps: Steps<T>, first: Promise<unknown>): Promise<T> {
  for (let waiting = first; ;) {
    let next: IteratorResult<Promise<unknown>, T>;
    try {
      await waiting;
    } catch (error) {
      next = steps.throw(error);
      if (next.done === true) return next.value;
      waiting = next.value;
      continue;
    }
    next = steps.next();
    if (next.done === true) return next.value;
    waiting = next.value;
  }
}
