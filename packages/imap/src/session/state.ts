// An IMAP session as a value: all that is needed to go on with a client after the process that served it is gone.
// Plain JSON by construction.

import type { ImapHandOff } from '../ports.ts';
import type { SessionCounters } from './core.ts';
import type { SelectedState } from './selected.ts';

export interface ImapSessionState {
  readonly version: 1;
  /** With the extensions enabled and the client's ID as of now. */
  readonly handOff: ImapHandOff;
  readonly counters: SessionCounters & { readonly output: number };
  readonly badCommands: number;
  /** For the log. */
  readonly lastCommand: string;
  readonly selected?: SelectedState;
  /** The client idles; DONE will answer this tag. */
  readonly idleTag?: string;
  /** The log's line about this session, should its client leave while it sleeps; without the prefix. */
  readonly closedLine: string;
}
