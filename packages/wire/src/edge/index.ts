export * from './drive-socket.ts';
