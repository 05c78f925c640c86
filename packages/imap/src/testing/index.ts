// For tests of this package and of those that wire it up.

export * from './fake-host.ts';
export * from './manual-clock.ts';
export * from './user-client.ts';
export * from './whole-session.ts';
