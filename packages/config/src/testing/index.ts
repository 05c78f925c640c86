export * from './memory-system.ts';
export * from './guide.ts';
