// Destinations and transports that did not answer as a whole, and until when they are left alone: mail for them is put
// off without trying.

import { destinationKey } from './destinations.ts';
import type { Destination } from './envelope.ts';

export interface Unreachable {
  readonly until: number;
  readonly dsn: string;
  readonly text: string;
}

/** A key that no destination has: next hops are never empty. */
const wholeTransport = (transport: string): string => destinationKey({ transport, nexthop: '' });

export class UnreachableDestinations {
  readonly #known = new Map<string, Unreachable>();

  note(destination: Destination, found: Unreachable): void {
    this.#known.set(destinationKey(destination), found);
  }

  noteTransport(transport: string, found: Unreachable): void {
    this.#known.set(wholeTransport(transport), found);
  }

  /** What keeps mail from this destination now. */
  find(destination: Destination, now: number): Unreachable | undefined {
    if (this.#known.size === 0) return undefined;
    const found =
      this.#known.get(destinationKey(destination)) ?? this.#known.get(wholeTransport(destination.transport));
    return found === undefined || found.until <= now ? undefined : found;
  }

  forget(destination: Destination): void {
    this.#known.delete(destinationKey(destination));
    this.#known.delete(wholeTransport(destination.transport));
  }

  /** Forgets those whose time is over. */
  expire(now: number): void {
    for (const [key, { until }] of this.#known) if (until <= now) this.#known.delete(key);
  }

  clear(): void {
    this.#known.clear();
  }
}
