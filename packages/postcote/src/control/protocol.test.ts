import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRequest } from './protocol.ts';

describe('readRequest', () => {
  it.each<[unknown]>([
    [{ op: 'list' }],
    [{ op: 'flush', ticket: `t-${'0'.repeat(32)}` }],
    [{ op: 'flushMessage', id: '4A' }],
    [{ op: 'act', action: 'hold', ids: 'ALL', queues: ['deferred'] }],
    [{ op: 'act', action: 'delete', ids: ['4A', '4B'] }],
    [{ op: 'verify', addresses: ['bob'] }],
  ])('reads %j', (value) => {
    expect(readRequest(value)).toEqual(value);
  });

  it.each<[unknown]>([
    [undefined],
    ['list'],
    [{ op: 'remove' }],
    [{ op: 'list', ticket: '../../etc/passwd' }],
    [{ op: 'act', action: 'destroy', ids: 'ALL' }],
    [{ op: 'act', action: 'hold', ids: [''] }],
    [{ op: 'act', action: 'hold', ids: 'SOME' }],
    [{ op: 'show' }],
    [{ op: '__proto__' }],
  ])('refuses %j', (value) => {
    expect(readRequest(value)).toBeUndefined();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.anything(), (value) => void readRequest(value)));
  });
});
