// The octets of RETR and TOP, piece by piece and in bounded memory (RFC 1939 §5, §7).

import type { MessageHandle } from '@postcote/mailbox';

const LF = 0x0a;

/** Messages up to this many octets are read in one piece. */
const SMALL = 64 * 1024;

type Octets = AsyncIterator<Buffer> | Iterator<Buffer>;

/** The whole message, of which `size` was told. */
export function wholeMessage(handle: MessageHandle, size: number): Octets {
  return size <= SMALL ? onePiece(handle, size) : handle.stream()[Symbol.asyncIterator]();
}

async function* onePiece(handle: MessageHandle, size: number): AsyncGenerator<Buffer> {
  const bytes = handle.read({ start: 0, end: size });
  yield bytes instanceof Promise ? await bytes : bytes;
}

/** The header with its empty line, and the first `lines` lines of the body. */
export async function* topOfMessage(handle: MessageHandle, lines: number): AsyncGenerator<Buffer> {
  const header = await handle.header();
  yield header;
  let left = lines;
  if (left === 0) return;
  const size = await (handle.exactSize?.() ?? handle.size());
  if (size <= header.length) return;
  for await (const chunk of handle.stream({ start: header.length, end: size })) {
    let end = 0;
    while (left > 0 && end < chunk.length) {
      const lf = chunk.indexOf(LF, end);
      if (lf === -1) end = chunk.length;
      else {
        end = lf + 1;
        left--;
      }
    }
    yield chunk.subarray(0, end);
    if (left === 0) return;
  }
}
