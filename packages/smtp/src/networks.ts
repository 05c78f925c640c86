// Lists of networks as `mynetworks` writes them: `127.0.0.0/8`, `[::1]/128`, `!10.0.0.1`, `192.0.2.7`.
// The first match decides, as in Postfix. Addresses are text without IPv4-mapped prefixes or zone ids.

export class NetworkSyntaxError extends Error {
  override readonly name = 'NetworkSyntaxError';
}

interface Network {
  readonly negated: boolean;
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** Octets of an IPv4 address in text, or undefined. Leading zeros are refused: they are octal to some. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.', 5);
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

/** Octets of an IPv6 address in text (RFC 4291 §2.2), or undefined. */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45 || !text.includes(':')) return undefined;
  let source = text;
  const lastColon = source.lastIndexOf(':');
  const tail = source.slice(lastColon + 1);
  if (tail.includes('.')) {
    const v4 = parseIpv4(tail);
    if (v4 === undefined) return undefined;
    const hex = [0, 2].map((i) => (((v4[i] ?? 0) << 8) | (v4[i + 1] ?? 0)).toString(16));
    source = `${source.slice(0, lastColon + 1)}${hex.join(':')}`;
  }
  const halves = source.split('::');
  if (halves.length > 2) return undefined;
  const groupsOf = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const head = groupsOf(halves[0] ?? '');
  const rest = halves.length === 2 ? groupsOf(halves[1] ?? '') : [];
  const missing = 8 - head.length - rest.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...rest];
  const bytes = new Uint8Array(16);
  for (const [i, group] of groups.entries()) {
    if (!/^[0-9A-Fa-f]{1,4}$/.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 0xff;
  }
  return bytes;
}

export function parseIp(text: string): Uint8Array | undefined {
  return parseIpv4(text) ?? parseIpv6(text);
}

function parseNetwork(pattern: string): Network {
  const negated = pattern.startsWith('!');
  const match = /^(?:\[([^\]]+)\]|([^/[\]]+))(?:\/([0-9]{1,3}))?$/.exec(negated ? pattern.slice(1) : pattern);
  const bytes = match === null ? undefined : parseIp(match[1] ?? match[2] ?? '');
  const bits = match?.[3] === undefined ? (bytes?.length ?? 0) * 8 : Number(match[3]);
  if (bytes === undefined || bits > bytes.length * 8) {
    throw new NetworkSyntaxError(`not a network: ${pattern}`);
  }
  return { negated, bytes, bits };
}

function contains(network: Network, address: Uint8Array): boolean {
  if (network.bytes.length !== address.length) return false;
  const whole = network.bits >> 3;
  for (let i = 0; i < whole; i++) if (network.bytes[i] !== address[i]) return false;
  const rest = network.bits & 7;
  if (rest === 0) return true;
  const mask = 0xff << (8 - rest);
  return (((network.bytes[whole] ?? 0) ^ (address[whole] ?? 0)) & mask & 0xff) === 0;
}

/** A matcher for a list. Throws `NetworkSyntaxError`: who may relay must never be guessed. */
export function compileNetworks(patterns: readonly string[]): (address: string) => boolean {
  const networks = patterns.map(parseNetwork);
  return (text) => {
    const address = parseIp(text);
    if (address === undefined) return false;
    return networks.find((network) => contains(network, address))?.negated === false;
  };
}
