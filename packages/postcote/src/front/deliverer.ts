// Carries queued mail on. Local mail goes over the delivery channel to the user's worker; what cannot go anywhere
// yet waits in the queue with a reason that an administrator understands, and is never bounced (docs/queue.md).

import { setTimeout as sleep } from 'node:timers/promises';
import type { Deliverer, DeliveryJob, DeliveryResult, MessageBody, QueuedRecipient } from '@postcote/queue';
import type { DeliveryClient, DeliveryOutcome } from '../delivery/client.ts';

/** The transport of a destination that only waits; its next hop is the reason. POSTFIX: retry(8). */
export const WAITING_TRANSPORT = 'retry';

/** Milliseconds before each further try when the worker is gone. */
const SOON = [100, 500, 1500];

type Deferral = Extract<DeliveryOutcome, { kind: 'deferred' }>;

/** RFC 3463 codes of what can go wrong with a mailbox. */
const DSN: Readonly<Record<Deferral['code'], string>> = {
  noSpace: '4.3.1',
  overQuota: '4.2.2',
  noPermission: '4.2.0',
  unavailable: '4.3.0',
  unknownUser: '4.1.1',
};

export class FrontDeliverer implements Deliverer {
  readonly #channel: Pick<DeliveryClient, 'deliver'>;

  constructor(channel: Pick<DeliveryClient, 'deliver'>) {
    this.#channel = channel;
  }

  async deliver(job: DeliveryJob): Promise<readonly DeliveryResult[]> {
    const { transport, nexthop } = job.destination;
    if (transport === 'local')
      return await Promise.all(job.recipients.map((recipient) => this.#deliverLocal(job, recipient)));
    const text =
      transport === WAITING_TRANSPORT
        ? nexthop
        : `mail for ${nexthop} waits: this version does not send mail to other machines`;
    return job.recipients.map(({ index }) => ({
      index,
      status: 'deferred',
      dsn: '4.3.5',
      text,
      relay: 'none',
    }));
  }

  async #deliverLocal(job: DeliveryJob, recipient: QueuedRecipient): Promise<DeliveryResult> {
    let outcome = await this.#tryLocal(job, recipient);
    // A worker's death costs its user a moment, not the queue's pause between tries.
    for (const pause of SOON) {
      if (outcome.kind !== 'deferred' || outcome.passing !== true) break;
      await sleep(pause);
      outcome = await this.#tryLocal(job, recipient);
    }
    return resultOf(recipient, outcome);
  }

  async #tryLocal(job: DeliveryJob, recipient: QueuedRecipient): Promise<DeliveryOutcome> {
    const body = await job.open();
    return await this.#channel.deliver(
      job.destination.nexthop,
      {
        size: body.size,
        queueId: job.queueId,
        sender: recipient.sender ?? job.envelope.sender,
        recipients: [recipient.address, ...(recipient.via ?? [])],
        originalRecipient: recipient.original,
      },
      octetsOf(body),
    );
  }
}

function resultOf({ index }: QueuedRecipient, outcome: DeliveryOutcome): DeliveryResult {
  if (outcome.kind === 'stored')
    return { index, status: 'sent', dsn: '2.0.0', text: 'delivered to maildir', relay: 'local' };
  return {
    index,
    status: 'deferred',
    dsn: DSN[outcome.code],
    text: outcome.reason,
    relay: 'local',
    // Nobody by that name: the next message fares no better. A worker that died is back in a moment.
    destinationDown: outcome.code === 'unknownUser',
  };
}

function octetsOf(body: MessageBody): Buffer | AsyncIterable<Buffer> {
  if (body.kind === 'octets')
    return Buffer.from(body.octets.buffer, body.octets.byteOffset, body.octets.byteLength);
  return (async function* () {
    for await (const chunk of body.stream())
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  })();
}
