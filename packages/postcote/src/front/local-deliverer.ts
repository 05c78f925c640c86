// Local mail as the front sees it: which worker gets it, and what the queue makes of the answer. A recipient whose
// .forward file or list names others is replaced by them; addresses among them start over as a client's would.

import { type Addresses, type AliasTarget, type Destination, splitExtension } from '@postcote/aliases';
import type {
  DeliveryJob,
  DeliveryResult,
  MessageBody,
  QueuedRecipient,
  ResolvedRecipient,
} from '@postcote/queue';
import { parseTransport } from '@postcote/smtp';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeliveryClient, DeliveryOutcome } from '../delivery/client.ts';
import type { DeliveryHeader, DeliveryPart, OpenDelivery } from '../delivery/protocol.ts';
import type { ClientFacts } from '../local/command-environment.ts';
import type { ForwardTarget } from '../local/forward-file.ts';
import { wasDeliveredTo } from '../delivery/delivered-to.ts';

/** Before the name of the alias, in a local destination: no account has a colon in its name. */
export const ALIAS_PREFIX = 'alias:';

export interface LocalRouting {
  readonly addresses: Addresses;
  readonly myhostname: string;
  readonly recipientDelimiter: string;
  readonly ownerRequestSpecial: boolean;
  /** prepend_delivered_header: forward. */
  readonly prependsWhenForwarding: boolean;
  /** mailbox_transport_maps and mailbox_transport for a user; empty: his own mailbox here. Rejects like a table. */
  mailboxTransport(user: string): Promise<string>;
  /** The queue's row for what an expansion came to. */
  rowOf(destination: Destination, sender: string): Promise<ResolvedRecipient>;
}

export type LocalOutcome =
  | DeliveryResult
  /** The mailbox is this transport's. */
  | { readonly kind: 'pass'; readonly transport: string; readonly nexthop: string };

type Deferral = Extract<DeliveryOutcome, { kind: 'deferred' }>;

/** RFC 3463 codes of what can go wrong with a mailbox. */
const DSN: Readonly<Record<Exclude<Deferral['code'], 'failed'>, string>> = {
  noSpace: '4.3.1',
  overQuota: '4.2.2',
  noPermission: '4.2.0',
  unavailable: '4.3.0',
  unknownUser: '4.1.1',
};

/** Milliseconds before each further try when the worker is gone. */
const SOON = [100, 500, 1500];

export class LocalDeliverer {
  readonly #channel: Pick<DeliveryClient, 'deliver'>;
  readonly #routing: (() => LocalRouting) | undefined;

  constructor(channel: Pick<DeliveryClient, 'deliver'>, routing?: () => LocalRouting) {
    this.#channel = channel;
    this.#routing = routing;
  }

  async deliver(job: DeliveryJob, recipient: QueuedRecipient): Promise<LocalOutcome> {
    const { nexthop } = job.destination;
    const routing = this.#routing?.();
    const isAlias = nexthop.startsWith(ALIAS_PREFIX);
    // What a file or list named was looked at when it was read; what an alias names was not yet.
    const isNew = recipient.part === undefined || (isAlias && recipient.part.include === undefined);
    if (isNew && (await isLooping(job, recipient))) return looped(recipient);
    const transport = isAlias || routing === undefined ? '' : await routing.mailboxTransport(nexthop);
    const to = isAlias ? openAlias(nexthop.slice(ALIAS_PREFIX.length), recipient) : { user: nexthop };
    const part = isAlias ? partOfList(recipient) : partOfUser(recipient);
    const outcome = await this.#deliverTo(to, job, {
      ...headOf(job, recipient, routing?.prependsWhenForwarding !== false),
      ...(part === undefined ? {} : { part }),
      ...(transport === '' ? {} : { mailboxElsewhere: true }),
    });
    if (routing !== undefined && transport !== '' && isForTransport(outcome)) {
      const pass = parseTransport(transport);
      return { kind: 'pass', transport: pass.transport, nexthop: pass.nexthop || routing.myhostname };
    }
    if (outcome.kind === 'forwarded' && routing !== undefined)
      return await this.#replaced(job, recipient, { outcome, routing, isAlias });
    return resultOf(recipient, outcome);
  }

  /** Mail for a row of pipe(8): all recipients with one run of the command. */
  async deliverPipe(job: DeliveryJob): Promise<DeliveryResult[]> {
    const { transport, nexthop } = job.destination;
    const [first] = job.recipients;
    if (first === undefined) return [];
    const recipients = job.recipients.map(({ address, original }) => ({ address, original }));
    const header = { ...headOf(job, first, true), pipe: { nexthop, recipients } };
    const outcome = await this.#deliverTo({ pipe: transport }, job, header);
    return job.recipients.map((recipient) => {
      const result = resultOf(recipient, outcome);
      // POSTFIX: what a command does with mail is not known to be its end (flag X says so; the report is the same).
      return { ...result, relay: transport, final: false };
    });
  }

  async deliverVirtual(job: DeliveryJob, recipient: QueuedRecipient): Promise<DeliveryResult> {
    const header = headOf(job, recipient, true);
    const result = resultOf(recipient, await this.#deliverTo({ virtual: recipient.address }, job, header));
    return { ...result, relay: 'virtual' };
  }

  async #deliverTo(
    to: OpenDelivery,
    job: DeliveryJob,
    header: Omit<DeliveryHeader, 'id' | 'size'>,
  ): Promise<DeliveryOutcome> {
    let outcome = await this.#tryOnce(to, job, header);
    // A worker's death costs its user a moment, not the queue's pause between tries.
    for (const pause of SOON) {
      if (outcome.kind !== 'deferred' || outcome.passing !== true) break;
      await sleep(pause);
      outcome = await this.#tryOnce(to, job, header);
    }
    return outcome;
  }

  async #tryOnce(
    to: OpenDelivery,
    job: DeliveryJob,
    header: Omit<DeliveryHeader, 'id' | 'size'>,
  ): Promise<DeliveryOutcome> {
    const body = await job.open();
    return await this.#channel.deliver(to, { ...header, size: body.size }, octetsOf(body));
  }

  async #replaced(
    job: DeliveryJob,
    recipient: QueuedRecipient,
    {
      outcome: { targets, propagates },
      routing,
      isAlias,
    }: {
      readonly outcome: Extract<DeliveryOutcome, { kind: 'forwarded' }>;
      readonly routing: LocalRouting;
      readonly isAlias: boolean;
    },
  ): Promise<DeliveryResult> {
    const { index, address, original, via, sender, part } = recipient;
    const { nexthop } = job.destination;
    const extension = propagates
      ? isAlias
        ? part?.extension
        : extensionOf(recipient, nexthop, routing)
      : undefined;
    const expansion = await routing.addresses.expandForwarded({
      deliveredTo: address,
      original,
      via: via ?? [],
      targets: targets.filter(isAddress),
      ...(sender === undefined ? {} : { sender }),
      ...(isAlias ? {} : { user: nexthop }),
      ...(extension === undefined ? {} : { extension }),
    });
    if (expansion.problem !== undefined) {
      const { status, reason } = expansion.problem;
      return { index, status: 'deferred', dsn: status, text: reason, relay: 'local' };
    }
    const forwarded: ResolvedRecipient[] = [];
    for (const destination of expansion.destinations)
      forwarded.push(await routing.rowOf(destination, sender ?? job.envelope.sender));
    const same = {
      original,
      ...(sender === undefined ? {} : { sender }),
      ...(via === undefined ? {} : { via }),
    };
    for (const target of targets) {
      if (isAddress(target)) continue;
      forwarded.push({ address, ...same, ...placeOfTarget(target, job, isAlias ? part?.target : undefined) });
    }
    return {
      index,
      status: 'sent',
      dsn: '2.0.0',
      text: `forwarded as ${job.queueId}`,
      relay: 'local',
      final: true,
      forwarded,
    };
  }
}

const isAddress = (target: ForwardTarget): target is Extract<AliasTarget, { kind: 'address' | 'user' }> =>
  target.kind === 'address' || target.kind === 'user';

function placeOfTarget(
  target: Exclude<ForwardTarget, { kind: 'address' | 'user' }>,
  job: DeliveryJob,
  list: string | undefined,
): Pick<ResolvedRecipient, 'destination' | 'part'> {
  if (target.kind === 'failed')
    return { destination: { transport: 'error', nexthop: `${target.dsn} ${target.text}` } };
  const { kind, target: what } = target;
  const part = { kind, target: what, ...(list === undefined ? {} : { include: list }) };
  return { destination: job.destination, part };
}

/** Nothing of his here, or no such account: then it is the transport's to say. */
function isForTransport(outcome: DeliveryOutcome): boolean {
  return outcome.kind === 'elsewhere' || (outcome.kind === 'deferred' && outcome.code === 'unknownUser');
}

function openAlias(alias: string, { part }: QueuedRecipient): OpenDelivery {
  if (part?.include !== undefined) return { alias, what: 'include', target: part.include };
  const what = part?.kind === 'file' || part?.kind === 'include' ? part.kind : 'command';
  return { alias, what, target: part?.target ?? '' };
}

/** Of a list: what it named. */
const partOfList = ({ part }: QueuedRecipient): DeliveryPart | undefined =>
  part?.include === undefined ? undefined : readPart(part);
const partOfUser = ({ part }: QueuedRecipient): DeliveryPart | undefined =>
  part === undefined ? undefined : readPart(part);

function readPart({ kind, target }: { readonly kind: string; readonly target: string }): DeliveryPart {
  return { kind: kind === 'command' || kind === 'file' ? kind : 'mailbox', target };
}

function headOf(
  job: DeliveryJob,
  recipient: QueuedRecipient,
  withVia: boolean,
): Omit<DeliveryHeader, 'id' | 'size'> {
  return {
    queueId: job.queueId,
    sender: recipient.sender ?? job.envelope.sender,
    recipients: [recipient.address, ...(withVia ? (recipient.via ?? []) : [])],
    originalRecipient: recipient.original,
    client: clientOf(job),
  };
}

function clientOf({ envelope }: DeliveryJob): ClientFacts {
  const { client, helo, protocol, saslMethod, saslUser, envelopeId } = envelope;
  const facts: Record<string, string | undefined> = {
    hostname: client?.name,
    address: client?.address,
    port: client === undefined ? undefined : String(client.port),
    helo,
    protocol,
    saslMethod,
    saslUsername: saslUser,
    envelopeId,
  };
  const given = Object.entries(facts).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(given.map(([name, value]) => [name, (value ?? '').replace(/[\r\n\0]/g, ' ')]));
}

/** The extension that led to this user, with its delimiter; none when an alias did. */
function extensionOf({ address }: QueuedRecipient, user: string, routing: LocalRouting): string | undefined {
  const at = address.lastIndexOf('@');
  const split = splitExtension((at === -1 ? address : address.slice(0, at)).toLowerCase(), routing);
  return split?.user === user.toLowerCase() ? split.extension : undefined;
}

/** POSTFIX: who has a `Delivered-To:` in the message had it before. */
async function isLooping(job: DeliveryJob, { address }: QueuedRecipient): Promise<boolean> {
  const body = await job.open();
  return await wasDeliveredTo(address, body.kind === 'octets' ? [body.octets] : body.stream());
}

const looped = ({ index, address }: QueuedRecipient): DeliveryResult => ({
  index,
  status: 'bounced',
  dsn: '5.4.6',
  text: `mail forwarding loop for ${address}`,
  relay: 'local',
});

function resultOf({ index }: QueuedRecipient, outcome: DeliveryOutcome): DeliveryResult {
  switch (outcome.kind) {
    case 'stored':
      return {
        index,
        status: 'sent',
        dsn: '2.0.0',
        text: 'delivered to maildir',
        relay: 'local',
        final: true,
      };
    case 'result':
      return { index, ...outcome.result, relay: 'local', final: true };
    case 'deferred': {
      const { code, reason } = outcome;
      if (code === 'failed') {
        const dsn = outcome.dsn ?? '4.3.0';
        return {
          index,
          status: dsn.startsWith('5') ? 'bounced' : 'deferred',
          dsn,
          text: reason,
          relay: 'local',
        };
      }
      return {
        index,
        status: 'deferred',
        dsn: DSN[code],
        text: reason,
        relay: 'local',
        // Nobody by that name: the next message fares no better. A worker that died is back in a moment.
        destinationDown: code === 'unknownUser',
      };
    }
    default:
      return {
        index,
        status: 'deferred',
        dsn: '4.3.0',
        text: 'unexpected answer from the worker',
        relay: 'local',
      };
  }
}

function octetsOf(body: MessageBody): Buffer | AsyncIterable<Buffer> {
  if (body.kind === 'octets')
    return Buffer.from(body.octets.buffer, body.octets.byteOffset, body.octets.byteLength);
  return (async function* () {
    for await (const chunk of body.lend?.() ?? body.stream())
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  })();
}
