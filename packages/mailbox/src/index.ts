export * from './port.ts';
export * from './flags.ts';
export * from './names.ts';
export * from './view.ts';
export { openMemoryStore } from './memory-store.ts';
export type { MemoryStore, MemoryStoreOptions, OutsideChanges, SeedMessage } from './memory-store.ts';
export * from './annotations.ts';
