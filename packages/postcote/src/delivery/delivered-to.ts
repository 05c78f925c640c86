// Whether a message was delivered to a recipient before: its header has a `Delivered-To:` with that address, whoever passed
// it on. POSTFIX: delivered_hdr(3), which also looks at the header alone and compares without regard to case.

/** Octets of a header that are looked at. */
const MAX_HEADER = 1024 * 1024;
const FIELD = /(?:^|\n)delivered-to:([^\n]*)/gi;

export async function wasDeliveredTo(
  address: string,
  message: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<boolean> {
  const wanted = address.toLowerCase();
  return addressesIn(await readHeader(message)).some((found) => found.toLowerCase() === wanted);
}

async function readHeader(message: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of message) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MAX_HEADER || Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).includes('\r\n\r\n'))
      break;
  }
  const first = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
  const buffer = Buffer.from(first.buffer, first.byteOffset, Math.min(first.length, MAX_HEADER));
  const end = buffer.indexOf('\r\n\r\n');
  return buffer.toString('latin1', 0, end === -1 ? buffer.length : end);
}

function addressesIn(header: string): string[] {
  return [...header.matchAll(FIELD)].map(([, value = '']) =>
    Buffer.from(value, 'latin1').toString('utf8').trim(),
  );
}
