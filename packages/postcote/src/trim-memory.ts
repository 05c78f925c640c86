// Gives back the memory that starting took: V8 keeps what it once had until it needs room, and a process that then
// idles never does. Once, after the start; not a habit.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const SETTLED_AFTER = 1_500;

/** Collects what the start left behind, as soon as the start is likely over. */
export function trimAfterStart(): void {
  const timer = setTimeout(() => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as (options?: { type: 'major' }) => void;
    setFlagsFromString('--no-expose-gc');
    collect({ type: 'major' });
  }, SETTLED_AFTER);
  timer.unref();
}
