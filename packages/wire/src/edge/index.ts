export * from './drive-socket.ts';
export * from './clock.ts';
export { observeInput } from './input-meter.ts';
export { lendInput } from './lent-input.ts';
export { releaseSocket } from './release-socket.ts';
