// Chooses which job runs next: fair between the destinations of a transport, within limits per destination and
// per transport. Pure: it holds jobs and counts, starts nothing.
//
// Destinations with something to do and room to do it stand in a ring and take turns, so that one with a
// thousand jobs waiting delays another's single job by one delivery at most. How many go to a destination at once is
// learnt from how they end (`concurrency.ts`) and forgotten when nothing is left to do there.

import { type ConcurrencySettings, ConcurrencyWindow } from './concurrency.ts';
import type { Destination } from './envelope.ts';

export interface DispatchLimits {
  /** 0: no limit. */
  processLimit(transport: string): number;
  concurrency(transport: string): ConcurrencySettings;
}

interface Lane<Job> {
  readonly destination: Destination;
  readonly transport: Transport<Job>;
  readonly window: ConcurrencyWindow;
  waiting: Job[];
  /** Index of the first job still waiting; the array is cut when it has grown too long in front. */
  first: number;
  running: number;
  inRing: boolean;
  /** Between deliveries to a destination with a rate delay. */
  paused: boolean;
}

interface Transport<Job> {
  readonly lanes: Map<string, Lane<Job>>;
  ring: Lane<Job>[];
  running: number;
  paused: boolean;
}

export class Dispatcher<Job> {
  readonly #limits: DispatchLimits;
  readonly #transports = new Map<string, Transport<Job>>();
  #waiting = 0;
  #running = 0;

  constructor(limits: DispatchLimits) {
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    return this.#running;
  }

  add(destination: Destination, job: Job): void {
    let transport = this.#transports.get(destination.transport);
    if (transport === undefined) {
      transport = { lanes: new Map(), ring: [], running: 0, paused: false };
      this.#transports.set(destination.transport, transport);
    }
    let lane = transport.lanes.get(destination.nexthop);
    if (lane === undefined) {
      const window = new ConcurrencyWindow(this.#limits.concurrency(destination.transport));
      lane = {
        destination,
        transport,
        window,
        waiting: [],
        first: 0,
        running: 0,
        inRing: false,
        paused: false,
      };
      transport.lanes.set(destination.nexthop, lane);
    }
    lane.waiting.push(job);
    this.#waiting++;
    enterRing(lane);
  }

  /** The next job that may start now; it counts as running until `finished`. */
  next(): Job | undefined {
    for (const [name, transport] of this.#transports) {
      if (transport.ring.length === 0 || transport.paused) continue;
      const limit = this.#limits.processLimit(name);
      if (limit > 0 && transport.running >= limit) continue;
      const lane = takeLane(transport);
      const job = lane?.waiting[lane.first];
      if (lane === undefined || job === undefined) continue;
      takeFirst(lane);
      lane.running++;
      transport.running++;
      this.#waiting--;
      this.#running++;
      enterRing(lane);
      return job;
    }
    return undefined;
  }

  /** Whether jobs wait for a destination. */
  hasWaiting(destination: Destination): boolean {
    const lane = this.#transports.get(destination.transport)?.lanes.get(destination.nexthop);
    return lane !== undefined && lane.first < lane.waiting.length;
  }

  finished(destination: Destination): void {
    const transport = this.#transports.get(destination.transport);
    const lane = transport?.lanes.get(destination.nexthop);
    if (transport === undefined || lane === undefined || lane.running === 0) return;
    lane.running--;
    transport.running--;
    this.#running--;
    enterRing(lane);
    forgetIdle(lane);
  }

  /** A delivery reached the destination, or did not; true: nothing should be tried there for a while. */
  learn(destination: Destination, reached: boolean): boolean {
    const lane = this.#transports.get(destination.transport)?.lanes.get(destination.nexthop);
    if (lane === undefined) return false;
    if (!reached) return lane.window.failed();
    lane.window.succeeded();
    enterRing(lane);
    return false;
  }

  /** Starts nothing for the destination, or for all of its transport, until `resume`. */
  pause({ transport: name, nexthop }: Destination, what: 'destination' | 'transport'): void {
    const transport = this.#transports.get(name);
    const paused = what === 'transport' ? transport : transport?.lanes.get(nexthop);
    if (paused !== undefined) paused.paused = true;
  }

  resume({ transport: name, nexthop }: Destination, what: 'destination' | 'transport'): void {
    const transport = this.#transports.get(name);
    if (what === 'transport') {
      if (transport !== undefined) transport.paused = false;
      return;
    }
    const lane = transport?.lanes.get(nexthop);
    if (lane === undefined) return;
    lane.paused = false;
    enterRing(lane);
    forgetIdle(lane);
  }
}

/** The next lane that has room; one that was given less meanwhile comes back when a delivery of its own ends. */
function takeLane<Job>(transport: Transport<Job>): Lane<Job> | undefined {
  for (let lane = transport.ring.shift(); lane !== undefined; lane = transport.ring.shift()) {
    lane.inRing = false;
    if (!lane.paused && lane.running < lane.window.size) return lane;
  }
  return undefined;
}

function forgetIdle<Job>(lane: Lane<Job>): void {
  if (lane.running > 0 || lane.paused || lane.first < lane.waiting.length) return;
  lane.transport.lanes.delete(lane.destination.nexthop);
}

/** Enough taken from the front that cutting the array costs little per job. */
const CUT_AFTER = 64;

function takeFirst<Job>(lane: Lane<Job>): void {
  lane.first++;
  if (lane.first === lane.waiting.length) {
    lane.waiting = [];
    lane.first = 0;
  } else if (lane.first >= CUT_AFTER && lane.first * 2 >= lane.waiting.length) {
    lane.waiting = lane.waiting.slice(lane.first);
    lane.first = 0;
  }
}

function enterRing<Job>(lane: Lane<Job>): void {
  if (lane.inRing || lane.paused || lane.first === lane.waiting.length) return;
  if (lane.running >= lane.window.size) return;
  lane.inRing = true;
  lane.transport.ring.push(lane);
}
