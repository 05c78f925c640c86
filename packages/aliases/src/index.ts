// Public entry of the package.
export type { Log } from '@postcote/wire';
