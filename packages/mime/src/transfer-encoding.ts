// Undoes Content-Transfer-Encoding (RFC 2045 §6). Tolerant: what is not base64 or not quoted-printable is passed
// over or passed on; nothing throws. An encoding nobody knows leaves the octets as they are.

import { decode as decodeQuotedPrintable } from 'libqp';

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

/** Where a slice of an encoded body may be cut so that both pieces decode by themselves: after its last line end. */
export function safeCut(bytes: Uint8Array): number {
  const lf = bytes.lastIndexOf(LF);
  return lf === -1 ? bytes.length : lf + 1;
}
