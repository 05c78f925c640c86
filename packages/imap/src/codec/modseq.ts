// Modification sequences on the wire (RFC 7162 §7): 63 bits. Ours stay below 2^53; what a client says beyond that is as
// good as never.

export function parseModseq(text: string, least: 0 | 1 = 1): number | undefined {
  if (!/^\d{1,19}$/.test(text)) return undefined;
  const value = BigInt(text);
  if (value < BigInt(least) || value > 0x7fffffffffffffffn) return undefined;
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}
