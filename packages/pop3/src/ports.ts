// What POP3 sessions need from the world. `postcote` supplies it; tests supply fakes.

import type { LoginRequest, LoginVerdict } from '@postcote/wire';

export type { Clock, Sasl, SaslStep } from '@postcote/wire';

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
