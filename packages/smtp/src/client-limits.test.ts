// The table of clients: what is counted, when it starts anew, and that it does not grow without bound.

import { describe, expect, it } from 'vitest';
import { ClientLimits, type ClientRateLimits, NO_RATE_LIMITS } from './client-limits.ts';

const SMTP: ClientRateLimits = { ...NO_RATE_LIMITS, service: 'smtp', timeUnit: 60_000 };
const SUBMISSION: ClientRateLimits = { ...SMTP, service: 'submission' };

describe('ClientLimits', () => {
  it('counts by service, address and event', () => {
    const limits = new ClientLimits(() => 0);
    expect(limits.count(SMTP, '192.0.2.1', 'connection')).toBe(1);
    expect(limits.count(SMTP, '192.0.2.1', 'connection')).toBe(2);
    expect(limits.count(SMTP, '192.0.2.1', 'message')).toBe(1);
    expect(limits.count(SUBMISSION, '192.0.2.1', 'connection')).toBe(1);
    expect(limits.count(SMTP, '192.0.2.2', 'connection')).toBe(1);
    expect(limits.rate(SMTP, '192.0.2.1', 'connection')).toBe(2);
    expect(limits.rate(SMTP, '192.0.2.9', 'connection')).toBe(0);
  });

  it('starts all rates anew together when the time unit is over', () => {
    let now = 1000;
    const limits = new ClientLimits(() => now);
    limits.count(SMTP, 'a', 'message');
    now += 30_000;
    limits.count(SMTP, 'a', 'message');
    limits.count(SMTP, 'a', 'newTlsSession');
    now += 30_001;
    expect(limits.rate(SMTP, 'a', 'newTlsSession')).toBe(0);
    expect(limits.count(SMTP, 'a', 'message')).toBe(1);
    expect(limits.rate(SMTP, 'a', 'newTlsSession')).toBe(0);
  });

  it('stays within its bound, and shrinks when a flood is past', () => {
    let now = 0;
    const limits = new ClientLimits(() => now, 100);
    for (let i = 0; i < 1000; i++) limits.count(SMTP, `flood-${i}`, 'connection');
    expect(limits.size).toBeLessThanOrEqual(100);
    now = 60_001;
    for (let i = 0; i < 100; i++) limits.count(SMTP, `later-${i % 3}`, 'connection');
    for (let i = 0; i < 60; i++) limits.count(SMTP, `new-${i}`, 'connection');
    expect(limits.size).toBeLessThan(70);
  });
});
