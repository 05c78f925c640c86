// How often a client did something lately: one table for all listeners. POSTFIX: anvil(8): counted by service and
// address; all rates of a client start anew together, when the time unit is over. Connections held at a time are the
// listener's to count.
//
// Pure but for its clock. Memory is bounded: beyond `maxClients` the client that came first is forgotten.

export type ClientEvent = 'connection' | 'message' | 'recipient' | 'auth' | 'newTlsSession';

export interface ClientRateLimits {
  /** Name of the service in master.cf: each counts for itself. */
  readonly service: string;
  /** Events in one time unit; 0: no limit. */
  readonly rates: Readonly<Record<ClientEvent, number>>;
  /** Milliseconds (`anvil_rate_time_unit`). */
  readonly timeUnit: number;
}

export const NO_RATE_LIMITS: ClientRateLimits = {
  service: 'smtp',
  rates: { connection: 0, message: 0, recipient: 0, auth: 0, newTlsSession: 0 },
  timeUnit: 60_000,
};

interface Client {
  start: number;
  readonly rates: Record<ClientEvent, number>;
}

/** Clients remembered at a time: some 20 MiB. */
const MAX_CLIENTS = 100_000;

const noRates = (): Record<ClientEvent, number> => ({
  connection: 0,
  message: 0,
  recipient: 0,
  auth: 0,
  newTlsSession: 0,
});

export class ClientLimits {
  readonly #now: () => number;
  readonly #maxClients: number;
  readonly #clients = new Map<string, Client>();

  constructor(now: () => number, maxClients = MAX_CLIENTS) {
    this.#now = now;
    this.#maxClients = maxClients;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** Counts an event; the answer is how many there were in this time unit. */
  count(limits: ClientRateLimits, address: string, event: ClientEvent): number {
    const client = this.#client(limits, address);
    return ++client.rates[event];
  }

  /** How many there were, without counting. */
  rate(limits: ClientRateLimits, address: string, event: ClientEvent): number {
    const client = this.#clients.get(keyOf(limits, address));
    return client === undefined || this.#isOver(client, limits) ? 0 : client.rates[event];
  }

  #client(limits: ClientRateLimits, address: string): Client {
    const key = keyOf(limits, address);
    const known = this.#clients.get(key);
    if (known !== undefined && !this.#isOver(known, limits)) return known;
    // Taken out and put in again, so that the oldest stand first.
    this.#clients.delete(key);
    this.#makeRoom(limits);
    const client: Client = { start: this.#now(), rates: noRates() };
    this.#clients.set(key, client);
    return client;
  }

  #isOver(client: Client, { timeUnit }: ClientRateLimits): boolean {
    return client.start + timeUnit < this.#now();
  }

  /** Two that are over go for each that comes, so that the table shrinks when a flood is past. */
  #makeRoom(limits: ClientRateLimits): void {
    let left = 2;
    for (const [key, client] of this.#clients) {
      if (left-- === 0) return;
      if (!this.#isOver(client, limits) && this.#clients.size < this.#maxClients) return;
      this.#clients.delete(key);
    }
  }
}

const keyOf = ({ service }: ClientRateLimits, address: string): string => `${service}:${address}`;
