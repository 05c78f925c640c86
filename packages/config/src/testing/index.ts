export * from './memory-system.ts';
