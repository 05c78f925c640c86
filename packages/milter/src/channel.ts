// A connection to one filter, as a `Milter` uses it. `edge/connect.ts` makes real ones; tests play their own.

import type { Frame } from './frames.ts';
import type { Endpoint } from './service.ts';

export type Received =
  | { readonly kind: 'frame'; readonly frame: Frame }
  /** Silence for too long, an end, or nonsense; in Postfix's words. `ofStream`: the connection, not what came on it. */
  | { readonly kind: 'failed'; readonly reason: string; readonly ofStream: boolean };

/** No method throws or rejects. */
export interface MilterChannel {
  /** Keeps octets for the next `flush` or `receive`. */
  send(octets: Uint8Array): void;
  /** Octets that were not written yet. */
  readonly unsent: number;
  /** Settles when the connection has taken what was sent; the answer is why it did not within the time. */
  flush(timeoutMs: number): Promise<string | undefined>;
  /** Writes what was sent, then waits for a whole frame for so long. */
  receive(timeoutMs: number): Promise<Received>;
  /** Writes what was sent and closes. */
  end(): void;
  /** Closes at once: nobody else may go on with this connection. */
  destroy(): void;
}

/** Rejects with an `Error` whose message says why: `Connection refused`. */
export type OpenChannel = (endpoint: Endpoint, timeoutMs: number) => Promise<MilterChannel>;
