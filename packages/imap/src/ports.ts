// What IMAP sessions need from the world. `postcote` supplies it; tests supply fakes.

import type { LoginRequest, LoginVerdict } from '@postcote/wire';

/** Time, as sessions use it. The real one is `systemClock` in `./edge`. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `callback` once after so many milliseconds; the answer cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Settles in a later turn of the event loop, after others had theirs. */
  turn(): Promise<void>;
}

/** One step of a SASL exchange; `startSasl` of the auth package makes them. */
export type SaslStep =
  /** Send `text` (base64) and give the client's line to `next`. */
  | { readonly kind: 'challenge'; readonly text: string; next(line: string): SaslStep }
  | {
      readonly kind: 'credentials';
      readonly authzid: string;
      readonly user: string;
      readonly password: string;
    }
  | { readonly kind: 'malformed'; readonly reason?: string }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'unknownMechanism' };

export interface Sasl {
  /** In the order of the capabilities. */
  readonly mechanisms: readonly string[];
  /** `initial`: the initial response as it stood on the command line. */
  startSasl(mechanism: string, initial?: string): SaslStep;
}

/** All that a session after login needs to know of the one before it. Plain JSON. */
export interface ImapHandOff {
  /** Of the command that is still to be answered with OK. */
  readonly tag: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly secured: boolean;
  readonly sessionId: string;
  readonly enabled: readonly string[];
  /** What the client said of itself with ID. */
  readonly clientId: Readonly<Record<string, string>>;
}

/** What a granted login brings: the way to the user's worker. */
export interface ImapAttachment {
  /** Splices the connection to the worker; `rest` is what the client has sent already. The session is inert from here on. */
  attach(rest: Buffer): void;
  /** For the log (`mpid=`). */
  readonly workerPid?: number;
}

/** Authenticates and takes the session to the user's worker. Never throws. */
export type ImapLogin = (
  request: LoginRequest,
  handOff: ImapHandOff,
) => Promise<LoginVerdict<ImapAttachment>>;
