// The machine's clock.

import type { QueueClock } from '../ports.ts';

export const systemClock: QueueClock = {
  now: () => Date.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
