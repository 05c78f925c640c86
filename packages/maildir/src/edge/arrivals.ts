// Messages that come in are parsed as they pass, so that nobody has to read them again for their structure or their text.
// What was learned waits, by the name of the file, until the message has its UID.

import { StructureParser, type MessageStructure } from '@postcote/mime';

/** Octets of one message that are kept beside its structure. */
const MAX_KEPT = 256 * 1024;
/** Of all that wait: a delivery agent may be faster than whoever gives out UIDs. */
const MAX_WAITING_OCTETS = 2 * 1024 * 1024;
const MAX_WAITING = 256;

export interface Arrival {
  readonly structure: MessageStructure;
  /** The message in CRLF form, where it is small. */
  readonly bytes: Buffer | undefined;
}

/** One message while it passes. */
export class PassingMessage {
  readonly #parser = new StructureParser();
  #chunks: Uint8Array[] | undefined = [];
  #octets = 0;

  push(chunk: Uint8Array): void {
    this.#parser.push(chunk);
    this.#octets += chunk.length;
    if (this.#octets > MAX_KEPT) this.#chunks = undefined;
    // Copied: the memory may be used again.
    this.#chunks?.push(Buffer.from(chunk));
  }

  /** Undefined where the message was stored in another form than it came in: with line ends put right. */
  finish(crlfSize: number): Arrival | undefined {
    const structure = this.#parser.finish();
    if (structure.size !== crlfSize) return undefined;
    return { structure, bytes: this.#chunks && Buffer.concat(this.#chunks) };
  }
}

export class Arrivals {
  readonly #waiting = new Map<string, Arrival>();
  #octets = 0;

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  put(base: string, arrival: Arrival): void {
    this.#waiting.set(base, arrival);
    this.#octets += arrival.bytes?.length ?? 0;
    for (const oldest of this.#waiting.keys()) {
      if (this.#octets <= MAX_WAITING_OCTETS && this.#waiting.size <= MAX_WAITING) break;
      this.take(oldest);
    }
  }

  take(base: string): Arrival | undefined {
    const arrival = this.#waiting.get(base);
    if (!arrival) return undefined;
    this.#waiting.delete(base);
    this.#octets -= arrival.bytes?.length ?? 0;
    return arrival;
  }
}
