// Strict base64 (RFC 4648 §4): the standard alphabet, whole quanta, padding only where it is due, and unused
// bits zero, so that each octet string has exactly one spelling. Node's own decoder skips what it does not know.

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The octets, or undefined when `text` is not canonical base64. */
export function parseBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return undefined;
  const octets = Buffer.from(text, 'base64');
  // The round trip refuses stray padding (`ab==` where `abc=` is meant) and non-zero unused bits.
  return octets.toString('base64') === text ? octets : undefined;
}

export const formatBase64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
