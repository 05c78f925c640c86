// A job of the queue as the sending side sees it.

import type { DeliveryJob, QueuedRecipient } from '@postcote/queue';
import { encodeXtext, type OutboundMessage, type OutboundRecipient } from '@postcote/smtp';

export function outboundMessage(job: DeliveryJob): OutboundMessage {
  const { envelope } = job;
  const { bodyType, ret, envelopeId } = envelope;
  const passedOn = Buffer.from(deliveredTo(job.recipients[0]), 'utf8');
  return {
    queueId: job.queueId,
    // Recipients of one job have one sender and came the same way.
    sender: job.recipients[0]?.sender ?? envelope.sender,
    recipients: job.recipients.map(outboundRecipient),
    size: job.size + passedOn.length,
    smtpUtf8: envelope.smtpUtf8,
    ...(bodyType === undefined ? {} : { bodyType }),
    ...(ret === undefined ? {} : { ret }),
    ...(envelopeId === undefined ? {} : { envelopeId }),
    client: clientOf(job),
    async open() {
      const body = await job.open();
      return {
        size: body.size + passedOn.length,
        chunks: () =>
          body.kind === 'octets'
            ? [passedOn, Buffer.from(body.octets.buffer, body.octets.byteOffset, body.octets.length)]
            : buffers(passedOn, body.stream()),
      };
    },
  };
}

/** POSTFIX: what a program of this machine handed in has no client. */
function clientOf({ queueId, envelope }: DeliveryJob): NonNullable<OutboundMessage['client']> {
  const { client, helo, protocol } = envelope;
  if (protocol === 'local') return { ident: queueId, source: 'LOCAL' };
  return {
    name: client.name,
    address: client.address,
    port: client.port === 0 ? '' : String(client.port),
    protocol,
    helo,
    ident: queueId,
    source: envelope.localHeaders === true ? 'LOCAL' : 'REMOTE',
  };
}

// POSTFIX: an address that the client gave in another form is told on as ORCPT (RFC 3461 §5.2.1).
function outboundRecipient(recipient: QueuedRecipient): OutboundRecipient {
  const { index, address, original, notify, originalRecipient } = recipient;
  const isAscii = /^[\0-\x7f]*$/.test(original);
  const told =
    originalRecipient ?? (isAscii && original !== '' ? `rfc822;${encodeXtext(original)}` : undefined);
  return {
    index,
    address,
    ...(notify === undefined ? {} : { notify }),
    ...(told === undefined ? {} : { originalRecipient: told }),
  };
}

/** POSTFIX: whoever passes mail on says so on top of it: another server that sends it back is found out. */
function deliveredTo(recipient: QueuedRecipient | undefined): string {
  return (recipient?.via ?? []).map((address) => `Delivered-To: ${address}\r\n`).join('');
}

async function* buffers(first: Buffer, stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  yield first;
  for await (const chunk of stream) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
