// BINARY (RFC 3516): parts with their transfer encoding undone, piece by piece in bounded memory.

import type { ByteRange, MessageHandle } from '@postcote/mailbox';
import { decodeTransferEncoding, type MimePart, safeCut } from '@postcote/mime';
import { findPart } from './section-range.ts';

/** RFC 3516 §4.3: answered NO with UNKNOWN-CTE. */
export class UnknownEncoding extends Error {
  override readonly name = 'UnknownEncoding';
}

export interface BinaryPart {
  readonly range: ByteRange;
  /** Undefined where the octets stand for themselves. */
  readonly encoding: string | undefined;
}

const IDENTITY: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary']);
const DECODED: ReadonlySet<string> = new Set(['base64', 'quoted-printable']);

/**
 * The part a path leads to; undefined when there is none. What is made of parts stands for itself: RFC 2045 §6.4 allows
 * it no encoding. Throws `UnknownEncoding`.
 */
export function binaryPart(root: MimePart, path: readonly number[]): BinaryPart | undefined {
  const part = path.length === 0 ? root : findPart(root, path);
  if (part === undefined) return undefined;
  const range = { start: part.bodyStart, end: part.bodyEnd };
  if (path.length === 0 || part.kind !== 'leaf') return { range, encoding: undefined };
  const encoding = part.encoding.trim().toLowerCase();
  if (IDENTITY.has(encoding)) return { range, encoding: undefined };
  if (!DECODED.has(encoding)) throw new UnknownEncoding(`unknown transfer encoding ${encoding.slice(0, 80)}`);
  return { range, encoding };
}

/** Octets after decoding. */
export async function decodedLength(
  handle: Pick<MessageHandle, 'stream'>,
  { range, encoding }: BinaryPart,
): Promise<number> {
  if (encoding === undefined) return range.end - range.start;
  let length = 0;
  for await (const piece of decodedPieces(handle, { range, encoding })) length += piece.length;
  return length;
}

/** Octets without a line end that are decoded together; longer lines are cut, at a place fit for base64. */
const MAX_UNCUT = 256 * 1024;

export async function* decodedPieces(
  handle: Pick<MessageHandle, 'stream'>,
  { range, encoding }: { readonly range: ByteRange; readonly encoding: string },
): AsyncGenerator<Buffer> {
  let carried: Buffer = Buffer.alloc(0);
  for await (const chunk of handle.stream(range)) {
    const octets = carried.length === 0 ? chunk : Buffer.concat([carried, chunk]);
    const cut = cutFor(octets, encoding);
    // A chunk may be reused for the next once it is taken.
    carried = Buffer.from(octets.subarray(cut));
    if (cut > 0) yield decodeTransferEncoding(octets.subarray(0, cut), encoding);
  }
  if (carried.length > 0) yield decodeTransferEncoding(carried, encoding);
}

/** Where both sides decode by themselves; 0 when more is needed. */
function cutFor(octets: Buffer, encoding: string): number {
  if (encoding === 'base64') return base64Cut(octets);
  const cut = safeCut(octets);
  return octets.includes(0x0a) ? cut : octets.length < MAX_UNCUT ? 0 : octets.length;
}

/** Behind the last group of four characters; lines need not end at one. */
function base64Cut(octets: Buffer): number {
  let characters = 0;
  for (const octet of octets) if (isBase64(octet)) characters += 1;
  let spare = characters % 4;
  let at = octets.length;
  while (spare > 0) {
    at -= 1;
    if (isBase64(octets[at] as number)) spare -= 1;
  }
  return at;
}

function isBase64(octet: number): boolean {
  return (
    (octet >= 0x41 && octet <= 0x5a) ||
    (octet >= 0x61 && octet <= 0x7a) ||
    (octet >= 0x30 && octet <= 0x39) ||
    octet === 0x2b ||
    octet === 0x2f ||
    octet === 0x3d
  );
}
