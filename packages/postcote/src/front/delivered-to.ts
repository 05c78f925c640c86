// The `Delivered-To:` lines of a message's header: whoever passed it on before. POSTFIX: delivered_hdr(3), which also
// looks at the header alone.

import type { MessageBody } from '@postcote/queue';

/** Octets of a header that are looked at. */
const MAX_HEADER = 1024 * 1024;
const FIELD = /(?:^|\n)delivered-to:([^\n]*)/gi;

export async function findDeliveredTo(body: MessageBody): Promise<string[]> {
  if (body.kind === 'octets') return addressesIn(body.octets);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body.stream()) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MAX_HEADER || Buffer.from(chunk).includes('\r\n\r\n')) break;
  }
  return addressesIn(Buffer.concat(chunks));
}

function addressesIn(octets: Uint8Array): string[] {
  const buffer = Buffer.from(octets.buffer, octets.byteOffset, Math.min(octets.length, MAX_HEADER));
  const end = buffer.indexOf('\r\n\r\n');
  const header = buffer.toString('latin1', 0, end === -1 ? buffer.length : end);
  return [...header.matchAll(FIELD)].map(([, value = '']) =>
    Buffer.from(value, 'latin1').toString('utf8').trim(),
  );
}
