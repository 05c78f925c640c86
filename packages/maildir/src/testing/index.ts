export { makeTemporaryRoot, type TemporaryRoot } from './temporary-root.ts';
