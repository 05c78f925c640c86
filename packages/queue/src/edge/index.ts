// The queue with its files and its thread.
export { openQueue, Queue } from './queue.ts';
export type { QueueListEntry, QueueOptions, QueueWriter } from './queue.ts';
export { systemClock } from './clock.ts';
export { startQueueThread } from './store.ts';
