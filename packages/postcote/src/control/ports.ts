// What the control server needs of the queue: the queue package's `Queue` has it.

import type { Queue } from '@postcote/queue/edge';

export type QueueContentSource = Pick<
  Queue,
  | 'list'
  | 'holdAll'
  | 'releaseAll'
  | 'removeAll'
  | 'requeue'
  | 'show'
  | 'flush'
  | 'flushMessage'
  | 'flushAll'
  | 'counts'
>;
