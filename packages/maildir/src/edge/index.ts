// Maildirs on disk.

export { openMaildirStore, beginDelivery, type MaildirStore, type MaildirStoreOptions } from './store.ts';
export type { Delivered } from './writers.ts';
