// Look-ups of restriction words: without a turn of the event loop when the answer is there, and once per transaction.

import type { DnsAnswer } from '../ports.ts';
import type { RestrictionInput } from './types.ts';

/** Applies `next` at once when the value is here already. */
export function whenReady<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

export function once<T>(
  input: RestrictionInput,
  key: string,
  ask: () => Promise<DnsAnswer<T>>,
): DnsAnswer<T> | Promise<DnsAnswer<T>> {
  const known = input.answers.get(key);
  if (known !== undefined) return known as DnsAnswer<T> | Promise<DnsAnswer<T>>;
  const answer = ask().then((value) => {
    input.answers.set(key, value);
    return value;
  });
  input.answers.set(key, answer);
  return answer;
}
