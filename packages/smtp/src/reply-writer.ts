// Collects replies so that those of a pipelined group leave in one write (RFC 2920 §3.2), and holds none back for long.

import type { SessionHost } from '@postcote/wire';
import type { Clock } from './ports.ts';
import { type Reply, formatReply, softened } from './reply.ts';

/** Octets that are collected at most. */
const OUTPUT_LIMIT = 16 * 1024;
/** Milliseconds that a reply waits at most for the rest of its group. */
const REPLY_DELAY = 5000;

export interface ReplyWriterOptions {
  readonly host: SessionHost;
  readonly clock: Clock;
  readonly softBounce: boolean;
  /** Makes a refusal longer by `smtpd_reject_footer`. */
  readonly footed?: (value: Reply) => Reply;
}

export class ReplyWriter {
  readonly #host: SessionHost;
  readonly #clock: Clock;
  readonly #softBounce: boolean;
  readonly #footed: ((value: Reply) => Reply) | undefined;
  #text = '';
  #since = 0;

  constructor({ host, clock, softBounce, footed }: ReplyWriterOptions) {
    this.#host = host;
    this.#clock = clock;
    this.#softBounce = softBounce;
    this.#footed = footed;
  }

  say(value: Reply): void {
    if (this.#text === '') this.#since = this.#clock.now().getTime();
    const said = this.#softBounce ? softened(value) : value;
    this.#text += formatReply(this.#footed === undefined ? said : this.#footed(said));
  }

  /** Whether what was collected should leave although the group goes on. */
  get isDue(): boolean {
    if (this.#text === '') return false;
    return this.#text.length > OUTPUT_LIMIT || this.#clock.now().getTime() - this.#since > REPLY_DELAY;
  }

  /** Writes what was collected. False: the client does not take it in; wait for `SessionHost.drained`. */
  flush(): boolean {
    if (this.#text === '') return true;
    const text = this.#text;
    this.#text = '';
    return this.#host.write(text);
  }
}
