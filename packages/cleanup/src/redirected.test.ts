import { expect, it } from 'vitest';
import { redirectedFrom } from './redirected.ts';

it.each<[addresses: string[], first: string | undefined]>([
  [[], undefined],
  [['bob@x', 'alice@x'], 'alice@x'],
  [['alice@y', 'bob@x'], 'bob@x'],
  [['bob', 'zoe@zz'], 'zoe@zz'],
  [['Bob@X', 'alice@x', 'ALICE@x'], 'alice@x'],
])('of %j: %s', (addresses, first) => {
  expect(redirectedFrom(addresses.map((address) => ({ address })))?.address).toBe(first);
});
