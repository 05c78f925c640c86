// Fakes for tests of the queue and of what uses it.

import type { Deliverer, DeliveryJob, DeliveryResult, QueueClock } from '../ports.ts';

/** A clock that stands still until told otherwise. */
export class ManualClock implements QueueClock {
  #now: number;
  #timers: { readonly at: number; readonly run: () => void }[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.#now + milliseconds, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  /** Moves on, running what falls due in its order. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    this.#now = end;
  }
}

export interface RecordedJob {
  readonly queueId: string;
  readonly destination: string;
  readonly addresses: readonly string[];
  readonly octets: string;
}

/** Delivers by a rule and remembers what it was given. */
export class RecordingDeliverer implements Deliverer {
  readonly jobs: RecordedJob[] = [];
  running = 0;
  mostRunning = 0;
  readonly #answer: (job: DeliveryJob) => readonly DeliveryResult[] | Promise<readonly DeliveryResult[]>;

  constructor(
    answer: (job: DeliveryJob) => readonly DeliveryResult[] | Promise<readonly DeliveryResult[]> = allSent,
  ) {
    this.#answer = answer;
  }

  async deliver(job: DeliveryJob): Promise<readonly DeliveryResult[]> {
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const octets = await readAll(job);
      this.jobs.push({
        queueId: job.queueId,
        destination: `${job.destination.transport}:${job.destination.nexthop}`,
        addresses: job.recipients.map((recipient) => recipient.address),
        octets,
      });
      return await this.#answer(job);
    } finally {
      this.running--;
    }
  }
}

export function allSent(job: DeliveryJob): DeliveryResult[] {
  return job.recipients.map(({ index }) => ({
    index,
    status: 'sent',
    dsn: '2.0.0',
    text: 'delivered to maildir',
  }));
}

export function allDeferred(job: DeliveryJob): DeliveryResult[] {
  return job.recipients.map(({ index }) => ({ index, status: 'deferred', dsn: '4.2.0', text: 'not now' }));
}

async function readAll(job: DeliveryJob): Promise<string> {
  const body = await job.open();
  if (body.kind === 'octets') return Buffer.from(body.octets).toString('latin1');
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream()) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}
