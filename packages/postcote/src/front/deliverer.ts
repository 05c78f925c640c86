// Carries queued mail on. Local mail goes over the delivery channel to the user's worker, other mail through the
// service of master.cf that its destination names. `error` returns it, `retry` keeps it, `discard` drops it; what names
// no service that there is waits with a reason that an administrator understands.

import type { Deliverer, DeliveryJob, DeliveryResult, QueuedRecipient } from '@postcote/queue';
import { type MailSender, type SendService } from '@postcote/smtp/edge';
import { parseTransport } from '@postcote/smtp';
import type { DeliveryClient } from '../delivery/client.ts';
import { LocalDeliverer, type LocalRouting } from './local-deliverer.ts';
import { outboundMessage } from './outbound-message.ts';
import { REFUSING_TRANSPORT, WAITING_TRANSPORT } from './transports.ts';

const DISCARDING_TRANSPORT = 'discard';

export interface Outbound {
  readonly sender: MailSender;
  /** The service of this name as the settings are now. */
  service(transport: string): SendService | undefined;
  /** Of master.cf's rows those that run here with other rights: pipe(8), virtual(8). */
  program?(transport: string): 'pipe' | 'virtual' | undefined;
}

export class FrontDeliverer implements Deliverer {
  readonly #local: LocalDeliverer;
  readonly #outbound: Outbound | undefined;

  constructor(channel: Pick<DeliveryClient, 'deliver'>, outbound?: Outbound, routing?: () => LocalRouting) {
    this.#local = new LocalDeliverer(channel, routing);
    this.#outbound = outbound;
  }

  async deliver(job: DeliveryJob): Promise<readonly DeliveryResult[]> {
    const { transport, nexthop } = job.destination;
    if (transport === 'local')
      return await Promise.all(job.recipients.map((recipient) => this.#deliverLocal(job, recipient)));
    if (transport === WAITING_TRANSPORT || transport === REFUSING_TRANSPORT) return refuse(job);
    if (transport === DISCARDING_TRANSPORT)
      return sameForAll(job, { status: 'sent', dsn: '2.0.0', text: nexthop, relay: 'none' });
    const program = this.#outbound?.program?.(transport);
    if (program === 'pipe') return await this.#local.deliverPipe(job);
    if (program === 'virtual')
      return await Promise.all(job.recipients.map((recipient) => this.#local.deliverVirtual(job, recipient)));
    const service = this.#outbound?.service(transport);
    if (service === undefined || this.#outbound === undefined)
      return this.#cannotRun(job, `no transport "${transport}" that this server can run`);
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
    const outcome = await this.#local.deliver(job, recipient);
    if (!('kind' in outcome)) return outcome;
    const { transport, nexthop } = outcome;
    const passed = { ...job, destination: { transport, nexthop }, recipients: [recipient] };
    const results =
      transport === 'local'
        ? this.#cannotRun(passed, 'a mailbox_transport that leads back to local')
        : await this.deliver(passed);
    return results[0] ?? { index: recipient.index, status: 'deferred', dsn: '4.3.0', text: 'no result' };
  }

  #cannotRun(job: DeliveryJob, what: string): DeliveryResult[] {
    return sameForAll(job, {
      status: 'deferred',
      dsn: '4.3.5',
      text: `mail for ${job.destination.nexthop} waits: there is ${what}`,
      relay: 'none',
    });
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
