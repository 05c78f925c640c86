// What IMAP sessions need from the world. `postcote` supplies it; tests supply fakes.

import type { LoginRequest, LoginVerdict } from '@postcote/wire';

export type { Clock, Sasl, SaslStep } from '@postcote/wire';

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
