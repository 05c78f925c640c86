// Gives memory back where V8 would not by itself: after the start, which needs more than serving does, and while
// input pours in, whose read buffers lie outside of what V8 counts.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { observeInput } from '@postcote/wire/edge';

type Collect = (options: { readonly type: 'major' | 'minor' }) => void;

const SETTLED_AFTER = 1_500;
/** Octets received between two collections of the young generation, each a millisecond or less. */
const COLLECT_EVERY = 2 * 1024 * 1024;

/** Collects what the start left behind, once, as soon as the start is likely over. */
export function trimAfterStart(): void {
  const timer = setTimeout(() => findCollector()({ type: 'major' }), SETTLED_AFTER);
  timer.unref();
}

/** Bounds what a flood of input leaves behind. */
export function collectReadBuffers(): void {
  const collect = findCollector();
  let received = 0;
  observeInput((octets) => {
    received += octets;
    if (received < COLLECT_EVERY) return;
    received = 0;
    collect({ type: 'minor' });
  });
}

function findCollector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
