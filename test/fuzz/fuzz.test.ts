// The bounded run: every corpus, and a second of what is made of it. The long run is `node test/fuzz/fuzz.ts`.

import { expect, it } from 'vitest';
import { runTarget } from './run-target.ts';
import { TARGETS } from './targets.ts';

it.each(TARGETS)('$name stands whatever comes', (target) => {
  const { runs, failure } = runTarget(target, { seed: 1, runs: 3000, milliseconds: 1000 });
  if (failure !== undefined)
    throw new Error(`${failure.from}: ${JSON.stringify(failure.input.toString('latin1').slice(0, 600))}`, {
      cause: failure.error,
    });
  expect(runs).toBeGreaterThan(5);
});
