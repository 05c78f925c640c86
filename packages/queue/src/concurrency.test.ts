import { expect, it } from 'vitest';
import { type ConcurrencySettings, ConcurrencyWindow, parseFeedback } from './concurrency.ts';

const one = { value: 1, over: 'one' } as const;
const SETTINGS: ConcurrencySettings = { initial: 5, limit: 20, positive: one, negative: one, cohorts: 1 };
const make = (given: Partial<ConcurrencySettings> = {}) => new ConcurrencyWindow({ ...SETTINGS, ...given });

it('grows with every success, to the limit', () => {
  const window = make({ limit: 7 });
  const sizes = [1, 2, 3].map(() => {
    window.succeeded();
    return window.size;
  });
  expect(sizes).toEqual([6, 7, 7]);
});
it('grows slowly with a feedback over the concurrency', () => {
  const window = make({ positive: { value: 1, over: 'concurrency' } });
  for (let i = 0; i < 4; i++) window.succeeded();
  expect(window.size).toBe(5);
  window.succeeded();
  expect(window.size).toBe(6);
});
it('is dead when a cohort failed, as Postfix counts it', () => {
  const window = make();
  // 1/5 + 1/4 + 1/3 and then 1/2: more than one.
  expect([window.failed(), window.failed(), window.failed(), window.failed()]).toEqual([
    false,
    false,
    false,
    true,
  ]);
  expect(make({ initial: 1 }).failed()).toBe(true);
});
it('forgets failures at a success, and never dies without a limit', () => {
  const window = make({ initial: 2 });
  expect(window.failed()).toBe(false);
  window.succeeded();
  expect(window.failed()).toBe(false);
  const patient = make({ cohorts: 0 });
  for (let i = 0; i < 50; i++) expect(patient.failed()).toBe(false);
  expect(patient.size).toBe(1);
});
it('begins within the limit', () =>
  expect([make({ limit: 2 }).size, make({ limit: 0 }).size]).toEqual([2, 5]));
it.each([
  ['1', { value: 1, over: 'one' }],
  ['0.25', { value: 0.25, over: 'one' }],
  ['1/concurrency', { value: 1, over: 'concurrency' }],
  ['1 / sqrt_concurrency', { value: 1, over: 'root' }],
  ['2', undefined],
  ['-1', undefined],
  ['1/x', undefined],
  ['', undefined],
])('%s', (text, expected) => expect(parseFeedback(text)).toEqual(expected));
