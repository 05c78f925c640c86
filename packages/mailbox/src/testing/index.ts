// For tests only: the contract suite (vitest) that every mail store passes, and the in-memory store.

export { describeMailStore, type OutsideProgram, type StoreHarness } from './contract.ts';
export { openMemoryStore } from '../memory-store.ts';
export type { MemoryStore, MemoryStoreOptions, OutsideChanges, SeedMessage } from '../memory-store.ts';
