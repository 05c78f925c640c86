import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressGroup, isLoopback } from './address-group.ts';
import { type Attempt, DEFAULT_THROTTLE_LIMITS, Throttle, type ThrottleLimits } from './throttle.ts';

class Bench {
  now = 0;
  readonly throttle: Throttle;
  #session = 0;

  constructor(limits: ThrottleLimits = DEFAULT_THROTTLE_LIMITS) {
    this.throttle = new Throttle(() => this.now, limits);
  }

  begin(user: string, address: string, more: { sessionId?: string; fingerprint?: string } = {}): Attempt {
    const decision = this.throttle.begin({ sessionId: `s${this.#session++}`, user, address, ...more });
    if (decision.kind !== 'wait') throw new Error('turned away');
    return decision;
  }

  /** A wrong password from begin to answer; the time it took to wait. */
  guess(user: string, address: string, more: { sessionId?: string; fingerprint?: string } = {}): number {
    const attempt = this.begin(user, address, more);
    this.now += attempt.waitMs;
    attempt.failed();
    this.now += this.throttle.failureDelayMs;
    return attempt.waitMs;
  }

  login(user: string, address: string): number {
    const attempt = this.begin(user, address);
    attempt.succeeded();
    return attempt.waitMs;
  }
}

const ATTACKER = '192.0.2.1';
const HOME = '198.51.100.7';

describe('Throttle', () => {
  it('lets a session guess about once a second', () => {
    const bench = new Bench();
    const first = bench.begin('bob', ATTACKER, { sessionId: 'one' });
    expect(first.waitMs).toBe(0);
    expect(bench.begin('bob', ATTACKER, { sessionId: 'one' }).waitMs).toBe(1000);
    expect(bench.begin('bob', ATTACKER, { sessionId: 'one' }).waitMs).toBe(2000);
    expect(bench.begin('bob', ATTACKER, { sessionId: 'other' }).waitMs).toBe(0);
  });

  it('makes an address wait longer each time, up to a limit', () => {
    const bench = new Bench();
    const starts: number[] = [];
    for (let i = 0; i < 12; i++) {
      const attempt = bench.begin(`user${i}`, ATTACKER);
      bench.now += attempt.waitMs;
      starts.push(bench.now);
      attempt.failed();
    }
    const gaps = starts.slice(1).map((at, i) => at - (starts[i] ?? 0));
    expect(gaps.slice(0, 3)).toEqual([0, 0, 1000]);
    expect(gaps.toSorted((a, b) => a - b)).toEqual(gaps);
    expect(gaps.at(-1)).toBe(15_000);
  });

  it('gives many connections no more guesses than one', () => {
    const bench = new Bench();
    for (let i = 0; i < 8; i++) bench.guess('bob', ATTACKER);
    const waits: number[] = [];
    for (let i = 0; i < 50; i++) {
      const decision = bench.throttle.begin({ sessionId: `p${i}`, user: 'bob', address: ATTACKER });
      if (decision.kind === 'wait') waits.push(decision.waitMs);
    }
    // 50 at a time: a handful is queued within half a minute, the others are turned away.
    expect(waits.length).toBeLessThanOrEqual(4);
    for (let i = 1; i < waits.length; i++)
      expect((waits[i] ?? 0) - (waits[i - 1] ?? 0)).toBeGreaterThanOrEqual(14_999);
  });

  it('bounds what a burst from a fresh address wins', () => {
    const bench = new Bench();
    const attempts = Array.from({ length: 40 }, () =>
      bench.throttle.begin({ sessionId: `${Math.random()}`, user: 'bob', address: ATTACKER }),
    );
    const atOnce = attempts.filter((a) => a.kind === 'wait' && a.waitMs === 0).length;
    expect(atOnce).toBe(DEFAULT_THROTTLE_LIMITS.parallelPerAddress);
  });

  it('lets the owner in within 5 s, at home and abroad, while strangers guess', () => {
    const bench = new Bench();
    bench.login('bob', HOME);
    for (let i = 0; i < 200; i++) {
      const decision = bench.throttle.begin({
        sessionId: `a${i}`,
        user: 'bob',
        address: `192.0.2.${i % 250}`,
      });
      if (decision.kind === 'wait') decision.failed();
    }
    const home = bench.begin('bob', HOME);
    expect(home).toMatchObject({ waitMs: 0, known: true });
    const abroad = bench.begin('bob', '203.0.113.9');
    expect(abroad.known).toBe(false);
    expect(abroad.waitMs).toBeGreaterThan(0);
    expect(abroad.waitMs).toBeLessThan(5000);
    expect(bench.begin('carol', '203.0.113.10').waitMs).toBe(0);
  });

  it('slows guesses from the owner’s own network without shutting it out', () => {
    const bench = new Bench();
    bench.login('bob', HOME);
    for (let i = 0; i < 20; i++) bench.guess('bob', HOME);
    const attempt = bench.begin('bob', HOME);
    expect(attempt.waitMs).toBeLessThan(5000);
    // The neighbours of that network have nothing to do with it.
    expect(bench.begin('carol', HOME).waitMs).toBe(0);
  });

  it('counts a forgetful client’s one wrong password once', () => {
    const bench = new Bench();
    for (let i = 0; i < 30; i++) bench.guess('bob', HOME, { fingerprint: 'old' });
    expect(bench.begin('bob', HOME).waitMs).toBe(0);
    for (let i = 0; i < 8; i++) bench.guess('bob', HOME, { fingerprint: `new${i}` });
    expect(bench.begin('bob', HOME).waitMs).toBeGreaterThan(1000);
  });

  it('forgives with time, and lets a success pay for one failure only', () => {
    const bench = new Bench();
    for (let i = 0; i < 6; i++) bench.guess('bob', ATTACKER);
    bench.login('mallory', ATTACKER);
    expect(bench.begin('alice', ATTACKER).waitMs).toBeGreaterThan(0);
    bench.now += 30 * 60_000;
    expect(bench.begin('alice', ATTACKER).waitMs).toBe(0);
  });

  it('treats accounts that exist and those that do not alike', () => {
    const waits = (user: string): number[] => {
      const bench = new Bench();
      return Array.from({ length: 10 }, () => bench.guess(user, ATTACKER));
    };
    expect(waits('bob')).toEqual(waits('no-such-user'));
  });

  it('keeps users of a web mail program on this machine apart', () => {
    const bench = new Bench();
    for (let i = 0; i < 10; i++) bench.guess('bob', '127.0.0.1');
    expect(bench.begin('carol', '127.0.0.1').waitMs).toBe(0);
    expect(bench.begin('bob', '127.0.0.1').waitMs).toBeGreaterThan(0);
  });

  it('forgets what it cannot keep, and never an account’s known addresses for strangers’ sake', () => {
    const bench = new Bench({ ...DEFAULT_THROTTLE_LIMITS, records: 100 });
    bench.login('bob', HOME);
    for (let i = 0; i < 1000; i++) bench.begin(`u${i}`, `10.0.${i >> 8}.${i & 255}`).failed();
    expect(bench.begin('bob', HOME).known).toBe(true);
  });

  it('ends an attempt once', () => {
    const bench = new Bench();
    const attempt = bench.begin('bob', ATTACKER);
    attempt.abandoned();
    for (let i = 0; i < 10; i++) attempt.failed();
    expect(bench.begin('bob', ATTACKER).waitMs).toBe(0);
  });

  it('never answers with a wait that is no wait', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.nat(20_000), fc.constantFrom('ok', 'bad', 'open')), {
          maxLength: 60,
        }),
        (events) => {
          const bench = new Bench();
          for (const [user, address, pause, end] of events) {
            const decision = bench.throttle.begin({
              sessionId: `${user}`,
              user: `u${user}`,
              address: `192.0.2.${address}`,
            });
            bench.now += pause;
            if (decision.kind !== 'wait') continue;
            expect(decision.waitMs).toBeGreaterThanOrEqual(0);
            expect(decision.waitMs).toBeLessThanOrEqual(DEFAULT_THROTTLE_LIMITS.maxWaitMs);
            if (end === 'ok') decision.succeeded();
            if (end === 'bad') decision.failed();
          }
        },
      ),
    );
  });
});

describe('addressGroup', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0db8:0000::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['unknown', 'unknown'],
  ])('%s belongs to %s', (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });

  it('knows loopback', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].every(isLoopback)).toBe(true);
    expect(['128.0.0.1', '::2', '127.0.0.1.example', ''].some(isLoopback)).toBe(false);
  });
});
