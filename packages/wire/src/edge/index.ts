export * from './drive-socket.ts';
export * from './clock.ts';
