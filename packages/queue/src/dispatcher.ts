// Chooses which job runs next: fair between the destinations of a transport, within limits per destination and
// per transport. Pure: it holds jobs and counts, starts nothing.
//
// Destinations with something to do and room to do it stand in a ring and take turns, so that one with a
// thousand jobs waiting delays another's single job by one delivery at most.

import type { Destination } from './envelope.ts';

export interface DispatchLimits {
  readonly processLimit: number;
  destinationLimit(transport: string): number;
}

interface Lane<Job> {
  readonly destination: Destination;
  readonly transport: Transport<Job>;
  readonly limit: number;
  waiting: Job[];
  /** Index of the first job still waiting; the array is cut when it has grown too long in front. */
  first: number;
  running: number;
  inRing: boolean;
}

interface Transport<Job> {
  readonly lanes: Map<string, Lane<Job>>;
  ring: Lane<Job>[];
  running: number;
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
      transport = { lanes: new Map(), ring: [], running: 0 };
      this.#transports.set(destination.transport, transport);
    }
    let lane = transport.lanes.get(destination.nexthop);
    if (lane === undefined) {
      const limit = Math.max(1, this.#limits.destinationLimit(destination.transport));
      lane = { destination, transport, limit, waiting: [], first: 0, running: 0, inRing: false };
      transport.lanes.set(destination.nexthop, lane);
    }
    lane.waiting.push(job);
    this.#waiting++;
    enterRing(lane);
  }

  /** The next job that may start now; it counts as running until `finished`. */
  next(): Job | undefined {
    for (const transport of this.#transports.values()) {
      if (transport.running >= this.#limits.processLimit) continue;
      const lane = transport.ring.shift();
      if (lane === undefined) continue;
      lane.inRing = false;
      const job = lane.waiting[lane.first];
      if (job === undefined) continue;
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
    if (lane.running === 0 && lane.first === lane.waiting.length) {
      transport.lanes.delete(destination.nexthop);
    }
  }
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
  if (lane.inRing || lane.first === lane.waiting.length || lane.running >= lane.limit) return;
  lane.inRing = true;
  lane.transport.ring.push(lane);
}
