// ETRN's errand: what waits for a domain is tried now (POSTFIX: flush(8)), in the background, for domains that
// `fast_flush_domains` names. One look through the queue at a time for each domain, and a few for all: whoever asks
// again meanwhile is told that it has started, for it has.

import type { Queue } from '@postcote/queue/edge';
import type { SiteFlusher } from '@postcote/smtp';
import type { Log } from '@postcote/wire';
import { flushSite } from '../control/queue-operations.ts';

const MAX_RUNNING = 10;

export class FastFlush implements SiteFlusher {
  readonly #queue: Queue;
  readonly #isAllowed: (domain: string) => boolean | Promise<boolean>;
  readonly #log: Log;
  readonly #running = new Set<string>();

  constructor(queue: Queue, isAllowed: (domain: string) => boolean | Promise<boolean>, log: Log) {
    this.#queue = queue;
    this.#isAllowed = isAllowed;
    this.#log = log;
  }

  async flush(domain: string): Promise<'started' | 'denied' | 'failed'> {
    const site = domain.toLowerCase();
    try {
      if (!(await this.#isAllowed(site))) return 'denied';
    } catch (error) {
      this.#log('warn', 'postfix/flush', `warning: fast_flush_domains lookup of ${site}: ${String(error)}`);
      return 'failed';
    }
    if (this.#running.has(site)) return 'started';
    if (this.#running.size >= MAX_RUNNING) return 'failed';
    this.#running.add(site);
    void this.#run(site);
    return 'started';
  }

  async #run(site: string): Promise<void> {
    try {
      for await (const _ of flushSite(this.#queue, { op: 'flushSite', site }));
    } catch (error) {
      this.#log('warn', 'postfix/flush', `warning: flush of ${site}: ${String(error)}`);
    } finally {
      this.#running.delete(site);
    }
  }
}
