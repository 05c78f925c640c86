// One probe: the address is taken through aliases and routing like a message's recipient, and whoever would carry the
// message on is asked whether he would take it: local mail by looking for the account, other servers by a dialog that
// ends before DATA. POSTFIX: a probe message, and deliverers that stop short; `status=deliverable` in the log.

import type { QueuedRecipient, Resolution, ResolvedRecipient } from '@postcote/queue';
import type { MailSender, SendService, SentRecipient } from '@postcote/smtp/edge';
import type { Log } from '@postcote/wire';
import { REFUSING_TRANSPORT, WAITING_TRANSPORT } from '../transports.ts';
import type { ProbeResult, ProbeStatus } from './verification.ts';

export interface ProbePorts {
  /** Of the moment: where mail for the address would go. */
  readonly resolve: (address: string, sender: string) => Promise<Resolution>;
  readonly service: (transport: string) => SendService | undefined;
  readonly sender: Pick<MailSender, 'send'>;
  /** `address_verify_sender`, with its domain; empty for `<>`. */
  readonly verifySender: () => string;
  readonly log: Log;
}

/** Recipients of one address that are asked; beyond them the answers so far count. */
const MAX_RECIPIENTS = 20;

let counter = 0;

export function prober(ports: ProbePorts): (address: string) => Promise<ProbeResult> {
  return async (address) => {
    try {
      return await probe(ports, address);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { status: 'deferred', text: `address verification problem: ${reason}` };
    }
  };
}

async function probe(ports: ProbePorts, address: string): Promise<ProbeResult> {
  const id = `V${(++counter).toString(36).toUpperCase().padStart(9, '0')}`;
  const started = performance.now();
  // Mail to it is taken for those who ask back, and nobody reads it.
  if (address.toLowerCase() === ports.verifySender().toLowerCase())
    return { status: 'deliverable', text: 'delivers to nobody' };
  const resolution = await ports.resolve(address, ports.verifySender());
  if (resolution.kind === 'loop') return { status: 'undeliverable', text: resolution.reason };
  if (resolution.kind === 'unavailable') return { status: 'deferred', text: resolution.reason };
  const results: Asked[] = [];
  for (const recipient of resolution.recipients.slice(0, MAX_RECIPIENTS)) {
    const asked = await ask(ports, id, recipient);
    results.push(asked);
    logResult(ports.log, { id, recipient, asked, started });
  }
  // An address that comes to nothing is an alias to nobody: mail to it is taken.
  return best(results) ?? { status: 'deliverable', text: 'delivers to nobody' };
}

interface Asked extends ProbeResult {
  readonly dsn: string;
  readonly relay: string;
}

async function ask(ports: ProbePorts, id: string, recipient: ResolvedRecipient): Promise<Asked> {
  const { transport, nexthop } = recipient.destination;
  if (transport === 'local')
    return { status: 'deliverable', dsn: '2.0.0', relay: 'local', text: 'delivers to mailbox' };
  if (transport === REFUSING_TRANSPORT || transport === WAITING_TRANSPORT) return refused(transport, nexthop);
  const service = ports.service(transport);
  // POSTFIX: what has no recipients to ask about (pipe, discard) takes whatever comes.
  if (service === undefined)
    return { status: 'deliverable', dsn: '2.0.0', relay: 'none', text: `delivers to ${transport}` };
  const [result] = await ports.sender.send({
    message: {
      queueId: id,
      sender: ports.verifySender(),
      recipients: [{ index: 0, address: recipient.address }],
      size: 0,
      smtpUtf8: false,
      probe: true,
      open: async () => ({ size: 0, chunks: () => [] }),
    },
    nexthop,
    service,
    moreWaiting: () => false,
  });
  if (result === undefined) return { status: 'deferred', dsn: '4.3.0', relay: 'none', text: 'no answer' };
  return { ...fromSent(result), dsn: result.dsn, relay: result.relay ?? 'none' };
}

function fromSent({ status, text }: SentRecipient): ProbeResult {
  const word: ProbeStatus =
    status === 'sent' ? 'deliverable' : status === 'bounced' ? 'undeliverable' : 'deferred';
  return { status: word, text };
}

/** POSTFIX: error(8): `5.1.1 text`. */
function refused(transport: string, nexthop: string): Asked {
  const match = /^([45]\.\d{1,3}\.\d{1,3})\s+(.*)$/s.exec(nexthop);
  const isFinal = transport === REFUSING_TRANSPORT;
  return {
    status: isFinal ? 'undeliverable' : 'deferred',
    dsn: match?.[1] ?? (isFinal ? '5.0.0' : '4.3.5'),
    relay: 'none',
    text: match?.[2] ?? nexthop,
  };
}

const RANK: readonly ProbeStatus[] = ['deliverable', 'deferred', 'undeliverable'];

/** An address with several ends is as good as the best of them. */
function best(results: readonly Asked[]): ProbeResult | undefined {
  const found = RANK.map((rank) => results.find(({ status }) => status === rank)).find(
    (result) => result !== undefined,
  );
  return found === undefined ? undefined : { status: found.status, text: found.text };
}

interface Line {
  readonly id: string;
  readonly recipient: ResolvedRecipient;
  readonly asked: Asked;
  readonly started: number;
}

function logResult(log: Log, { id, recipient, asked, started }: Line): void {
  const { address, destination, original } = recipient as Pick<
    QueuedRecipient,
    'address' | 'destination' | 'original'
  >;
  const from = original === undefined || original === address ? '' : ` orig_to=<${original}>,`;
  const delay = Math.round((performance.now() - started) / 10) / 100;
  log(
    'info',
    `postfix/${destination.transport}`,
    `${id}: to=<${address}>,${from} relay=${asked.relay}, delay=${delay}, delays=0/0/0/${delay}, ` +
      `dsn=${asked.dsn}, status=${asked.status} (${asked.text})`,
  );
}
