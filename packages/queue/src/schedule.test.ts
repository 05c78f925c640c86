import { expect, test } from 'vitest';
import { nextAttempt } from './schedule.ts';
import { defaultQueueSettings } from './settings.ts';

// POSTFIX: 300 s, then the age doubles it up to 4000 s.
test.each([
  [0, 300],
  [299, 300],
  [300, 300],
  [600, 600],
  [1200, 1200],
  [4000, 4000],
  [86_400, 4000],
  [-60, 300],
])('a message %i s old waits %i s', (age, wait) => {
  const now = 1_700_000_000_000;
  expect(nextAttempt(now - age * 1000, now, defaultQueueSettings)).toBe(now + wait * 1000);
});
