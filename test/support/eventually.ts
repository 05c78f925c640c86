// Waits for an effect that comes by itself: a delivery, a flag, a line in a log.

import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats `check` until it throws no more; throws its last error when time is up. */
export async function eventually<T>(check: () => T | Promise<T>, timeoutMs = 15_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(30);
    }
  }
}
