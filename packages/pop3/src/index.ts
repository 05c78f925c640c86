// Public entry of the package.
export * from './ports.ts';
