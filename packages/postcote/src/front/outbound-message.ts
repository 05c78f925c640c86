// A job of the queue as the sending side sees it.

import type { DeliveryJob, QueuedRecipient } from '@postcote/queue';
import { encodeXtext, type OutboundMessage, type OutboundRecipient } from '@postcote/smtp';

export function outboundMessage(job: DeliveryJob): OutboundMessage {
  const { envelope } = job;
  const { bodyType, ret, envelopeId } = envelope;
  return {
    queueId: job.queueId,
    // The queue keeps recipients of one owner apart from others only in their rows: an owner's list is one alias.
    sender: job.recipients[0]?.sender ?? envelope.sender,
    recipients: job.recipients.map(outboundRecipient),
    size: job.size,
    smtpUtf8: envelope.smtpUtf8,
    ...(bodyType === undefined ? {} : { bodyType }),
    ...(ret === undefined ? {} : { ret }),
    ...(envelopeId === undefined ? {} : { envelopeId }),
    async open() {
      const body = await job.open();
      return {
        size: body.size,
        chunks: () =>
          body.kind === 'octets'
            ? [Buffer.from(body.octets.buffer, body.octets.byteOffset, body.octets.length)]
            : buffers(body.stream()),
      };
    },
  };
}

// POSTFIX: an address that the client gave in another form is told on as ORCPT (RFC 3461 §5.2.1).
function outboundRecipient(recipient: QueuedRecipient): OutboundRecipient {
  const { index, address, original, notify, originalRecipient } = recipient;
  const isAscii = /^[\0-\x7f]*$/.test(original);
  const told = originalRecipient ?? (isAscii ? `rfc822;${encodeXtext(original)}` : undefined);
  return {
    index,
    address,
    ...(notify === undefined ? {} : { notify }),
    ...(told === undefined ? {} : { originalRecipient: told }),
  };
}

async function* buffers(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
