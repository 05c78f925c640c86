export * from './session.ts';
export * from './log.ts';
export * from './line-framer.ts';
export * from './frame.ts';
export * from './login.ts';
export * from './message-source.ts';
export * from './dot-reader.ts';
export * from './dot-writer.ts';
