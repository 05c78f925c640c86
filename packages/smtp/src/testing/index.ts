export * from './dialog.ts';
export * from './fakes.ts';
