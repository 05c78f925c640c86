import { describe, expect, it } from 'vitest';
import { isQuotaStatus, QuotaStatus } from './quota-status.ts';

const SETTINGS = {
  ports: [12_340],
  paths: ['/var/spool/postfix/private/quota-status'],
  success: 'DUNNO',
  noUser: 'REJECT Unknown user',
  overQuota: '554 5.2.2 Full',
};

describe('isQuotaStatus', () => {
  it.each([
    ['inet:127.0.0.1:12340', true],
    ['inet:localhost:12340', true],
    ['inet:[::1]:12340', true],
    ['inet:127.0.0.1:10023', false],
    ['inet:192.0.2.1:12340', false],
    ['unix:private/quota-status', true],
    ['unix:/var/spool/postfix/private/quota-status', true],
    ['unix:private/policy', false],
  ])('%s: %s', (server, expected) => {
    expect(isQuotaStatus(server, SETTINGS, '/var/spool/postfix')).toBe(expected);
  });
});

describe('QuotaStatus', () => {
  const asked: unknown[] = [];
  const service = new QuotaStatus(
    SETTINGS,
    {
      userOf: async (address) => {
        if (address === 'broken') throw new Error('a table');
        return address === 'list' ? undefined : address;
      },
      hasRoom: async (user, octets) => {
        asked.push([user, octets]);
        if (user === 'gone') throw new Error('no worker');
        return user !== 'full';
      },
    },
    { context: '', defaultAction: '451' },
  );

  it.each([
    ['alice', 'DUNNO'],
    ['full', '554 5.2.2 Full'],
    ['unknown', 'REJECT Unknown user'],
    ['list', 'DUNNO'],
    // The delivery will tell.
    ['broken', 'DUNNO'],
    ['gone', 'DUNNO'],
  ])('answers for %s: %s', async (recipient, action) => {
    const answer = await service.ask([
      ['recipient', recipient],
      ['size', '0'],
    ]);
    expect(answer).toEqual({ kind: 'action', action });
  });

  it('asks for the size that was told, at least an octet', async () => {
    asked.length = 0;
    await service.ask([['recipient', 'a']]);
    await service.ask([
      ['recipient', 'a'],
      ['size', '5000'],
    ]);
    expect(asked).toEqual([
      ['a', 1],
      ['a', 5000],
    ]);
  });
});
