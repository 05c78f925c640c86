// Undoes Content-Transfer-Encoding (RFC 2045 §6). Tolerant: what is not base64 or not quoted-printable is passed
// over or passed on; nothing throws. An encoding nobody knows leaves the octets as they are.

import { decode as decodeQuotedPrintable } from 'libqp';

const CR = 0x0d;
const LF = 0x0a;

/** Octets of a part as its author meant them. */
export function decodeTransferEncoding(bytes: Uint8Array, encoding: string): Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      return decodeBase64(buffer);
    case 'quoted-printable':
      return decodeQuotedPrintable(buffer.toString('latin1'));
    default:
      return buffer;
  }
}

/** Base64 with line ends and strays; several padded pieces one after another are read to the end. */
function decodeBase64(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const padding = text.indexOf('=');
  const tail = padding === -1 ? '' : text.slice(padding).replace(/[=\s]+/g, '');
  if (tail === '') return Buffer.from(text, 'base64');
  return Buffer.concat(text.split(/=+/).map((piece) => Buffer.from(piece, 'base64')));
}

/**
 * Where a long encoded body may be cut so that both pieces decode by themselves: after the last line end at or
 * before `limit`; `limit` itself when there is none.
 */
export function safeCut(bytes: Uint8Array, limit: number): number {
  for (let at = Math.min(limit, bytes.length); at > 0; at--) {
    if (bytes[at - 1] === LF && (at < 2 || bytes[at - 2] !== CR || at >= 2)) return at;
  }
  return Math.min(limit, bytes.length);
}
