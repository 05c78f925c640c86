// Address verification (POSTFIX: verify(8)): what probes found out about addresses, kept for a while and asked for anew
// when it grows old. A query is answered from what is known and starts a probe where that is missing or old.
//
// Bounded: as many probes at a time as `address_verify_pending_request_limit`, as many addresses as the map keeps.

import type { AddressVerifier, Verification } from '@postcote/smtp';
import type { KeptMap } from '../kept-map.ts';

export type ProbeStatus = 'deliverable' | 'deferred' | 'undeliverable';

export interface ProbeResult {
  readonly status: ProbeStatus;
  readonly text: string;
}

export interface KnownAddress extends ProbeResult {
  /** Milliseconds since the epoch. */
  readonly updated: number;
}

/** Milliseconds. */
export interface VerifySettings {
  readonly positiveExpire: number;
  readonly positiveRefresh: number;
  readonly negativeExpire: number;
  readonly negativeRefresh: number;
  /** Whether failures are remembered at all. */
  readonly negativeCache: boolean;
  readonly pendingLimit: number;
}

export interface VerificationPorts {
  readonly known: Pick<KeptMap<KnownAddress>, 'get' | 'set' | 'delete' | 'sweep'>;
  /** Never rejects. */
  readonly probe: (address: string) => Promise<ProbeResult>;
  readonly now: () => number;
  readonly settings: () => VerifySettings;
}

const IN_PROGRESS = 'Address verification in progress';
/** A probe that failed is not repeated sooner. */
const RETRY_AFTER = 60_000;

export class AddressVerification implements AddressVerifier {
  readonly #ports: VerificationPorts;
  readonly #probing = new Map<string, Promise<void>>();
  /** Without a memory for failures: what the last probe said, for those who wait for it. */
  readonly #fresh = new Map<string, KnownAddress>();

  constructor(ports: VerificationPorts) {
    this.#ports = ports;
  }

  async query(given: string): Promise<Verification> {
    const address = keyOf(given);
    const { now, settings } = this.#ports;
    const known = this.#known(address);
    if (known !== undefined) {
      const age = now() - known.updated;
      const { positiveRefresh, negativeRefresh } = settings();
      const isOld = age >= (known.status === 'deliverable' ? positiveRefresh : negativeRefresh);
      if (isOld && age >= RETRY_AFTER) this.#start(address);
      return { kind: known.status, text: known.text };
    }
    const probing = this.#start(address);
    // POSTFIX: over the limit nothing is probed, and the client is asked to come again.
    return { kind: 'pending', text: IN_PROGRESS, settled: probing ?? new Promise(() => {}) };
  }

  /** Forgets what is over. */
  sweep(): void {
    this.#ports.known.sweep((entry) => this.#isOver(entry));
  }

  #known(address: string): KnownAddress | undefined {
    const entry = this.#ports.known.get(address) ?? this.#fresh.get(address);
    return entry === undefined || this.#isOver(entry) ? undefined : entry;
  }

  #isOver({ status, updated }: KnownAddress): boolean {
    const { positiveExpire, negativeExpire, negativeCache } = this.#ports.settings();
    const age = this.#ports.now() - updated;
    if (status === 'deliverable') return age >= positiveExpire;
    return age >= (negativeCache ? negativeExpire : RETRY_AFTER);
  }

  #start(address: string): Promise<void> | undefined {
    const running = this.#probing.get(address);
    if (running !== undefined) return running;
    if (this.#probing.size >= this.#ports.settings().pendingLimit) return undefined;
    const probe = this.#ports.probe(address).then((result) => {
      this.#probing.delete(address);
      this.#learn(address, result);
    });
    this.#probing.set(address, probe);
    return probe;
  }

  #learn(address: string, result: ProbeResult): void {
    const entry: KnownAddress = { ...result, updated: this.#ports.now() };
    const before = this.#known(address);
    this.#fresh.delete(address);
    // POSTFIX: one probe that failed does not take a good address back before its time.
    if (before?.status === 'deliverable' && result.status !== 'deliverable') return;
    if (result.status === 'deliverable' || this.#ports.settings().negativeCache) {
      this.#ports.known.set(address, entry);
      return;
    }
    this.#ports.known.delete(address);
    if (this.#fresh.size >= MAX_FRESH) this.#fresh.clear();
    this.#fresh.set(address, entry);
  }
}

const MAX_FRESH = 1000;

/** Domains are the same in any case; local parts are their owners'. */
function keyOf(address: string): string {
  const at = address.lastIndexOf('@');
  return at === -1 ? address : `${address.slice(0, at)}@${address.slice(at + 1).toLowerCase()}`;
}

/** A line of the file, or undefined. */
export function readKnownAddress(value: unknown): KnownAddress | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { status, text, updated } = value as Partial<Record<keyof KnownAddress, unknown>>;
  if (status !== 'deliverable' && status !== 'deferred' && status !== 'undeliverable') return undefined;
  return typeof text === 'string' && typeof updated === 'number' ? { status, text, updated } : undefined;
}
