// How long a login attempt waits before it is looked at, so that guessing is slow and its owner's mail is not.
//
// Three rules (security.md 8):
//   - one session gets about one guess a second;
//   - an address that guessed wrong waits longer each time, and its attempts queue up behind one another, so
//     that many connections win nothing;
//   - an account under attack makes strangers wait too, but an address from which its owner has logged in
//     before keeps a lane of its own, and an address that never guessed wrong waits no more than a few seconds.
//
// Accounts that do not exist are counted like those that do. Pure: the caller supplies the clock and does the
// waiting. Memory is bounded; the least recently used records go first.
//
// DOVECOT: its anvil penalty (0, 2, 4, 8, 15 s by address) and auth_failure_delay (2 s) are the models.

import { BoundedMap } from './bounded-map.ts';
import { addressGroup, isLoopback } from './address-group.ts';

export interface ThrottleLimits {
  /** DOVECOT: `auth_failure_delay`. A refusal is answered no sooner than this after its check began. */
  readonly failureDelayMs: number;
  /** Between two checks of one session. */
  readonly sessionSpacingMs: number;
  /** What an address with 0, 1, 2… counted failures waits; the last figure holds for all beyond. */
  readonly penaltiesMs: readonly number[];
  /** Failures of one address, and of one account from strangers, that cost nothing yet: typing errors. */
  readonly freeAddressFailures: number;
  readonly freeUserFailures: number;
  /** One failure is forgiven for each such span without another one. */
  readonly forgiveMs: number;
  /** The most an attempt waits that has not earned it: owners at known addresses, and clean strangers. */
  readonly knownMaxWaitMs: number;
  readonly strangerMaxWaitMs: number;
  /** Attempts that would wait longer than this are turned away: the queue of an address is full. */
  readonly maxWaitMs: number;
  /** Attempts of one address that may be under way before they queue. */
  readonly parallelPerAddress: number;
  /** Records kept of each kind. */
  readonly records: number;
  /** How long a successful login makes an address known for its account. */
  readonly knownForMs: number;
}

export const DEFAULT_THROTTLE_LIMITS: ThrottleLimits = {
  failureDelayMs: 2000,
  sessionSpacingMs: 1000,
  penaltiesMs: [0, 1000, 2000, 4000, 8000, 15_000],
  freeAddressFailures: 2,
  freeUserFailures: 3,
  forgiveMs: 60_000,
  knownMaxWaitMs: 2500,
  strangerMaxWaitMs: 4000,
  maxWaitMs: 30_000,
  parallelPerAddress: 10,
  records: 5000,
  knownForMs: 30 * 24 * 3600 * 1000,
};

export interface AttemptKey {
  readonly sessionId: string;
  readonly user: string;
  readonly address: string;
  /** A keyed digest of user and password: the same wrong password again is a forgetful client, not a guess. */
  readonly fingerprint?: string;
}

export interface Attempt {
  readonly kind: 'wait';
  /** Milliseconds to wait before the check; often 0. */
  readonly waitMs: number;
  /** The account has logged in from this address before: serve it ahead of strangers. */
  readonly known: boolean;
  /** End the attempt with exactly one of these. */
  succeeded(): void;
  failed(): void;
  /** Nothing was learnt: the check could not be made. */
  abandoned(): void;
}

export type ThrottleDecision = Attempt | { readonly kind: 'turnedAway'; readonly reason: string };

interface Lane {
  failures: number;
  lastFailure: number;
  /** The earliest moment at which the next attempt of this lane may begin. */
  nextAt: number;
  underWay: number;
  /** Digests of the last wrong passwords. */
  readonly recent: string[];
}

const RECENT_FINGERPRINTS = 8;

export class Throttle {
  readonly #limits: ThrottleLimits;
  readonly #now: () => number;
  readonly #sessions: BoundedMap<number>;
  readonly #addresses: BoundedMap<Lane>;
  readonly #users: BoundedMap<Lane>;
  readonly #known: BoundedMap<{ lastSuccess: number; readonly lane: Lane }>;

  /** `now`: milliseconds that never run backwards. */
  constructor(now: () => number, limits: ThrottleLimits = DEFAULT_THROTTLE_LIMITS) {
    this.#now = now;
    this.#limits = limits;
    this.#sessions = new BoundedMap(limits.records);
    this.#addresses = new BoundedMap(limits.records);
    this.#users = new BoundedMap(limits.records);
    this.#known = new BoundedMap(limits.records);
  }

  get failureDelayMs(): number {
    return this.#limits.failureDelayMs;
  }

  begin(key: AttemptKey): ThrottleDecision {
    const now = this.#now();
    const group = addressGroup(key.address);
    const pair = `${key.user}\n${group}`;
    const known = this.#knownPair(pair, now);
    // Everybody behind a web mail program on this machine has the same address: one user's guesses are no
    // other's fault there.
    const addressKey = isLoopback(key.address) ? pair : group;
    const address = known?.lane ?? this.#lane(this.#addresses, addressKey, now);
    const user = this.#lane(this.#users, key.user, now);

    const wait = Math.max(
      (this.#sessions.get(key.sessionId) ?? now) - now,
      known === undefined ? this.#strangerWait(address, user, now) : this.#knownWait(address, now),
    );
    if (wait > this.#limits.maxWaitMs) return { kind: 'turnedAway', reason: 'too many login attempts' };

    const start = now + wait;
    this.#sessions.set(key.sessionId, start + this.#limits.sessionSpacingMs);
    address.underWay++;
    address.nextAt = Math.max(address.nextAt, start + this.#spacing(address, now, known !== undefined));
    return this.#attempt({ key, pair, address, user, known: known !== undefined, waitMs: wait });
  }

  #attempt(state: {
    readonly key: AttemptKey;
    readonly pair: string;
    readonly address: Lane;
    readonly user: Lane;
    readonly known: boolean;
    readonly waitMs: number;
  }): Attempt {
    let open = true;
    const end = (): boolean => {
      if (!open) return false;
      open = false;
      state.address.underWay--;
      return true;
    };
    return {
      kind: 'wait',
      waitMs: state.waitMs,
      known: state.known,
      succeeded: () => {
        if (end()) this.#remember(state.pair, state.address, state.known);
      },
      failed: () => {
        if (!end()) return;
        this.#count(state.address, state.key.fingerprint);
        if (!state.known) this.#count(state.user, state.key.fingerprint);
        const now = this.#now();
        const next = now + this.#spacing(state.address, now, state.known);
        state.address.nextAt = Math.max(state.address.nextAt, next);
      },
      abandoned: () => void end(),
    };
  }

  #strangerWait(address: Lane, user: Lane, now: number): number {
    const own = this.#guesses(address, now, this.#limits.freeAddressFailures);
    const crowded = address.underWay >= this.#limits.parallelPerAddress;
    const queued = own > 0 || crowded ? address.nextAt - now : 0;
    const attacked = this.#penalty(this.#guesses(user, now, this.#limits.freeUserFailures));
    // An address with guesses of its own bears the account's penalty whole; a clean one only a part.
    return Math.max(0, queued, own > 0 ? attacked : Math.min(attacked, this.#limits.strangerMaxWaitMs));
  }

  #knownWait(lane: Lane, now: number): number {
    // Somebody may be guessing from the owner's own network: these attempts queue, a short step apart.
    const guesses = this.#guesses(lane, now, this.#limits.freeAddressFailures);
    return guesses === 0 ? 0 : Math.max(0, lane.nextAt - now);
  }

  /** How far behind an attempt of this lane the next one stands. */
  #spacing(lane: Lane, now: number, known: boolean): number {
    const guesses = this.#guesses(lane, now, this.#limits.freeAddressFailures);
    const penalty = Math.max(this.#limits.sessionSpacingMs, this.#penalty(guesses));
    return known ? Math.min(penalty, this.#limits.knownMaxWaitMs) : penalty;
  }

  #penalty(guesses: number): number {
    const penalties = this.#limits.penaltiesMs;
    return penalties[Math.min(guesses, penalties.length - 1)] ?? 0;
  }

  #guesses(lane: Lane, now: number, free: number): number {
    const forgiven = Math.floor((now - lane.lastFailure) / this.#limits.forgiveMs);
    return Math.max(0, lane.failures - forgiven - free);
  }

  #count(lane: Lane, fingerprint: string | undefined): void {
    if (fingerprint !== undefined) {
      if (lane.recent.includes(fingerprint)) return;
      lane.recent.push(fingerprint);
      if (lane.recent.length > RECENT_FINGERPRINTS) lane.recent.shift();
    }
    const now = this.#now();
    const forgiven = Math.floor((now - lane.lastFailure) / this.#limits.forgiveMs);
    const most = this.#limits.penaltiesMs.length + this.#limits.freeUserFailures + 10;
    lane.failures = Math.min(most, Math.max(0, lane.failures - forgiven) + 1);
    lane.lastFailure = now;
  }

  #knownPair(pair: string, now: number): { lastSuccess: number; readonly lane: Lane } | undefined {
    const known = this.#known.get(pair);
    return known !== undefined && now - known.lastSuccess <= this.#limits.knownForMs ? known : undefined;
  }

  #remember(pair: string, lane: Lane, known: boolean): void {
    const now = this.#now();
    if (!known) {
      // A password that was right says something about its address, but one account does not buy guesses at
      // the others: one failure is forgiven, no more.
      lane.failures = Math.max(0, lane.failures - 1);
      this.#known.set(pair, { lastSuccess: now, lane: newLane(now) });
      return;
    }
    const entry = this.#known.get(pair);
    if (entry === undefined) return;
    entry.lastSuccess = now;
    entry.lane.failures = 0;
    entry.lane.nextAt = now;
  }

  #lane(lanes: BoundedMap<Lane>, key: string, now: number): Lane {
    const existing = lanes.get(key);
    if (existing !== undefined) return existing;
    const lane = newLane(now);
    lanes.set(key, lane);
    return lane;
  }
}

const newLane = (now: number): Lane => ({
  failures: 0,
  lastFailure: now,
  nextAt: now,
  underWay: 0,
  recent: [],
});
