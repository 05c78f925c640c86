// Carries queued mail on. Local mail goes over the delivery channel to the user's worker, other mail through the
// service of master.cf that its destination names. `error` returns it, `retry` keeps it, `discard` drops it; what names
// no service that there is waits with a reason that an administrator understands.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Deliverer, DeliveryJob, DeliveryResult, MessageBody, QueuedRecipient } from '@postcote/queue';
import { parseTransport } from '@postcote/smtp';
import { type MailSender, type SendService } from '@postcote/smtp/edge';
import type { DeliveryClient, DeliveryOutcome } from '../delivery/client.ts';
import { outboundMessage } from './outbound-message.ts';
import { REFUSING_TRANSPORT, WAITING_TRANSPORT } from './transports.ts';

const DISCARDING_TRANSPORT = 'discard';

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

export interface Outbound {
  readonly sender: MailSender;
  /** The service of this name as the settings are now. */
  service(transport: string): SendService | undefined;
}

export class FrontDeliverer implements Deliverer {
  readonly #channel: Pick<DeliveryClient, 'deliver'>;
  readonly #outbound: Outbound | undefined;

  constructor(channel: Pick<DeliveryClient, 'deliver'>, outbound?: Outbound) {
    this.#channel = channel;
    this.#outbound = outbound;
  }

  async deliver(job: DeliveryJob): Promise<readonly DeliveryResult[]> {
    const { transport, nexthop } = job.destination;
    if (transport === 'local')
      return await Promise.all(job.recipients.map((recipient) => this.#deliverLocal(job, recipient)));
    if (transport === WAITING_TRANSPORT || transport === REFUSING_TRANSPORT) return refuse(job);
    if (transport === DISCARDING_TRANSPORT)
      return sameForAll(job, { status: 'sent', dsn: '2.0.0', text: nexthop, relay: 'none' });
    const service = this.#outbound?.service(transport);
    if (service === undefined || this.#outbound === undefined)
      return sameForAll(job, {
        status: 'deferred',
        dsn: '4.3.5',
        text: `mail for ${nexthop} waits: there is no transport "${transport}" that this server can run`,
        relay: 'none',
      });
    const results = await this.#outbound.sender.send({
      message: outboundMessage(job),
      nexthop,
      service,
      moreWaiting: () => job.moreWaiting?.() === true,
    });
    const { bestMxTransport } = service.settings;
    if (bestMxTransport === '' || !results.every(({ bestMx }) => bestMx === true)) return results;
    // POSTFIX: deliver_pass: the transport gets the next hop it had, or its own.
    const best = parseTransport(bestMxTransport);
    if (best.transport === transport) return results;
    const passOn = (to: string, recipients: DeliveryJob['recipients']): Promise<readonly DeliveryResult[]> =>
      this.deliver({ ...job, recipients, destination: { transport: best.transport, nexthop: to } });
    if (best.transport !== 'local') return await passOn(best.nexthop || nexthop, job.recipients);
    const each = job.recipients.map((recipient) => passOn(accountOf(recipient), [recipient]));
    return (await Promise.all(each)).flat();
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

/** The account that an address names; aliases are not asked once the mail is on its way. */
const accountOf = ({ address }: QueuedRecipient): string =>
  address.slice(0, Math.max(0, address.lastIndexOf('@'))).toLowerCase();

/** POSTFIX: error(8): `5.1.1 text` or a text alone. */
function refuse(job: DeliveryJob): DeliveryResult[] {
  const { transport, nexthop } = job.destination;
  const isFinal = transport === REFUSING_TRANSPORT;
  const match = /^([45]\.\d{1,3}\.\d{1,3})\s+(.*)$/s.exec(nexthop);
  const detail = (match?.[1] ?? (isFinal ? '5.0.0' : '4.3.5')).slice(1);
  return sameForAll(job, {
    status: isFinal ? 'bounced' : 'deferred',
    dsn: `${isFinal ? '5' : '4'}${detail}`,
    text: match?.[2] ?? nexthop,
    relay: 'none',
  });
}

function sameForAll({ recipients }: DeliveryJob, result: Omit<DeliveryResult, 'index'>): DeliveryResult[] {
  return recipients.map(({ index }) => ({ ...result, index }));
}

function resultOf({ index }: QueuedRecipient, outcome: DeliveryOutcome): DeliveryResult {
  if (outcome.kind === 'stored')
    return { index, status: 'sent', dsn: '2.0.0', text: 'delivered to maildir', relay: 'local', final: true };
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
