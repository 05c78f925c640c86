// The queue with its files and its thread.
export { openQueue, Queue } from './queue.ts';
export type { QueueListEntry, QueueOptions, QueuedContent, QueueWriter } from './queue.ts';
export { systemClock } from './clock.ts';
export { startQueueThread } from './store.ts';
