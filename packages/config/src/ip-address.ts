// IPv4 and IPv6 addresses and networks as plain values, and the one question asked of them: is this address inside?
// An IPv4-mapped IPv6 address counts as the IPv4 address it carries.

export interface IpAddress {
  readonly family: 4 | 6;
  /** 4 or 16 octets. */
  readonly octets: readonly number[];
}

export interface IpNetwork {
  readonly address: IpAddress;
  readonly prefixLength: number;
}

const MAX_ADDRESS_TEXT = 64;

/** `192.0.2.1`, `::1`; undefined for anything else (no brackets, no zone). */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (text.length > MAX_ADDRESS_TEXT) return undefined;
  if (!text.includes(':')) {
    const octets = parseDottedQuad(text);
    return octets === undefined ? undefined : { family: 4, octets };
  }
  const octets = parseIpv6(text);
  if (octets === undefined) return undefined;
  const mapped =
    octets.slice(0, 10).every((octet) => octet === 0) && octets[10] === 255 && octets[11] === 255;
  return mapped ? { family: 4, octets: octets.slice(12) } : { family: 6, octets };
}

function parseDottedQuad(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const octets: number[] = [];
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return undefined;
    const octet = Number(part);
    if (octet > 255) return undefined;
    octets.push(octet);
  }
  return octets;
}

// RFC 4291 §2.2
function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return [...head, ...Array<number>(missing).fill(0), ...tail];
}

function parseGroups(text: string, mayEndInQuad: boolean): number[] | undefined {
  if (text === '') return [];
  const octets: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const quad = mayEndInQuad && index === groups.length - 1 ? parseDottedQuad(group) : undefined;
      if (quad === undefined) return undefined;
      octets.push(...quad);
      continue;
    }
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    octets.push(value >> 8, value & 0xff);
  }
  return octets.length <= 16 ? octets : undefined;
}

/** `192.0.2.0/24`, `[2001:db8::]/32`, `::1`, `192.0.2.1`; a string says what is wrong. */
export function parseIpNetwork(text: string): IpNetwork | string {
  const match = /^(?:\[([^\]]*)\]|([^/[\]]*))(?:\/(\d{1,3}))?$/.exec(text);
  if (match === null) return `"${text}" is not an address or network`;
  const written = match[1] ?? match[2] ?? '';
  const parsed = parseIpAddress(written);
  if (parsed === undefined) return `"${written}" is not an IP address`;
  const isMapped = parsed.family === 4 && written.includes(':');
  const width = parsed.family === 4 ? 32 : 128;
  const given = match[3] === undefined ? width : Number(match[3]) - (isMapped ? 96 : 0);
  if (given < 0 || given > width) return `"/${match[3]}" is not a prefix length for ${written}`;
  const network = { address: parsed, prefixLength: given };
  if (!hostBitsAreZero(network)) {
    // POSTFIX: "non-null host address bits": most often a typing error, and guessing could admit too many.
    return `"${text}" has bits set beyond its prefix length: did you mean ${formatNetwork(maskNetwork(network))}?`;
  }
  return network;
}

function hostBitsAreZero(network: IpNetwork): boolean {
  const masked = maskNetwork(network).address.octets;
  return network.address.octets.every((octet, index) => octet === masked[index]);
}

export function maskNetwork(network: IpNetwork): IpNetwork {
  const octets = network.address.octets.map((octet, index) => octet & maskAt(network.prefixLength, index));
  return { address: { family: network.address.family, octets }, prefixLength: network.prefixLength };
}

function maskAt(prefixLength: number, octetIndex: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - octetIndex * 8));
  return (0xff << (8 - bits)) & 0xff;
}

export function networkContains(network: IpNetwork, address: IpAddress): boolean {
  if (network.address.family !== address.family) return false;
  for (let index = 0; index * 8 < network.prefixLength; index += 1) {
    const mask = maskAt(network.prefixLength, index);
    if (((network.address.octets[index] ?? 0) & mask) !== ((address.octets[index] ?? 0) & mask)) return false;
  }
  return true;
}

/** `192.0.2.0/24`, `[2001:db8:0:0:0:0:0:0]/32` with the longest run of zeros shortened. */
export function formatNetwork(network: IpNetwork): string {
  const text = formatAddress(network.address);
  return `${network.address.family === 6 ? `[${text}]` : text}/${network.prefixLength}`;
}

// RFC 5952 §4
export function formatAddress(address: IpAddress): string {
  if (address.family === 4) return address.octets.join('.');
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2) {
    groups.push(((address.octets[index] ?? 0) << 8) | (address.octets[index + 1] ?? 0));
  }
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}
