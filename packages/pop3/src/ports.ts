// What POP3 sessions need from the world. `postcote` supplies it; tests supply fakes.

import type { LoginRequest, LoginVerdict } from '@postcote/wire';

/** One step of a SASL exchange as the server sees it; `text` is base64. */
export type SaslStep =
  | { readonly kind: 'challenge'; readonly text: string; next(line: string): SaslStep }
  | {
      readonly kind: 'credentials';
      readonly authzid: string;
      readonly user: string;
      readonly password: string;
    }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'unknownMechanism' };

export interface Sasl {
  /** In the order of the capabilities. */
  readonly mechanisms: readonly string[];
  /** `initial`: the initial response as it stood on the command line (RFC 5034 §4: `=` is an empty one). */
  startSasl(mechanism: string, initial?: string): SaslStep;
}

/** What the session before login tells the session after it. Plain JSON: it crosses processes. */
export interface PopHandOff {
  readonly protocol: 'pop3';
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly secured: boolean;
  readonly mechanism: LoginRequest['mechanism'];
}

/** What the one who authenticated gives: the connection now goes to the user's worker. */
export interface Attachment {
  /** Called once, with the input not yet read. The session is inert from then on. */
  attach(rest: Buffer): void;
  /** The worker's process id, for the log line. */
  readonly workerPid?: number;
}

/** Authenticates over the auth socket and finds the worker; never throws. */
export type PopLogin = (request: LoginRequest, handOff: PopHandOff) => Promise<LoginVerdict<Attachment>>;

/** Time, as sessions use it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `callback` once after so many milliseconds; the answer cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Settles in a later turn of the event loop, after others had theirs. */
  turn(): Promise<void>;
}
