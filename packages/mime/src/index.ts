export * from './structure.ts';
