export { BodySpool, type BodySpoolOptions } from './body-spool.ts';
export { socketOpener } from './socket-channel.ts';
