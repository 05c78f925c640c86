export { openMemoryStore } from '../memory-store.ts';
export type { MemoryStore, MemoryStoreOptions, OutsideChanges, SeedMessage } from '../memory-store.ts';
