// The header with which a proxy tells whom it speaks for (HAProxy's PROXY protocol, versions 1 and 2), before the first
// octet of SMTP or TLS (`smtpd_upstream_proxy_protocol = haproxy`).
//
//   v1 = "PROXY" SP ("TCP4" / "TCP6") SP source SP destination SP port SP port CRLF / "PROXY UNKNOWN" … CRLF
//   v2 = 12 octets of signature, version and command, family, length (2), addresses, anything more
//
// Pure; never throws. What is neither, or goes on for too long, is `malformed`.

import type { Peer } from '@postcote/wire';
import { parseIpv4, parseIpv6 } from './networks.ts';

export type ProxyHeader =
  | { readonly kind: 'needMore' }
  | { readonly kind: 'malformed'; readonly reason: string }
  /** The proxy speaks for itself: its own address counts. */
  | { readonly kind: 'local'; readonly length: number }
  | { readonly kind: 'proxied'; readonly length: number; readonly peer: Peer };

const V1_MAX = 107;
const V1_START = Buffer.from('PROXY ');
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V2_FIXED = 16;
/** Addresses and a fair amount of what else a proxy may tell. */
const V2_MAX = 4096;
/** Octets that a header has at most. */
export const MAX_PROXY_HEADER = V2_FIXED + V2_MAX;

const NEED_MORE: ProxyHeader = { kind: 'needMore' };
const malformed = (reason: string): ProxyHeader => ({ kind: 'malformed', reason });

export function parseProxyHeader(octets: Buffer): ProxyHeader {
  if (startsLike(octets, SIGNATURE)) return parseVersion2(octets);
  if (startsLike(octets, V1_START)) return parseVersion1(octets);
  return malformed('bad or missing protocol header');
}

/** As far as there is anything to compare. */
function startsLike(octets: Buffer, start: Buffer): boolean {
  const length = Math.min(octets.length, start.length);
  return octets.compare(start, 0, length, 0, length) === 0;
}

function parseVersion1(octets: Buffer): ProxyHeader {
  const end = octets.indexOf('\r\n');
  if (end === -1) return octets.length >= V1_MAX ? malformed('the header line is too long') : NEED_MORE;
  if (end + 2 > V1_MAX) return malformed('the header line is too long');
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = '', ...rest] = octets
    .toString('latin1', 0, end)
    .split(' ');
  const length = end + 2;
  if (family === 'UNKNOWN') return { kind: 'local', length };
  const parse = family === 'TCP4' ? parseIpv4 : family === 'TCP6' ? parseIpv6 : undefined;
  if (parse === undefined || rest.length > 0) return malformed('unsupported protocol type');
  if (parse(source) === undefined || parse(destination) === undefined) return malformed('bad address');
  const [remotePort, localPort] = [readPort(sourcePort), readPort(destinationPort)];
  if (remotePort === undefined || localPort === undefined) return malformed('bad port');
  const peer = { remoteAddress: plain(source), remotePort, localAddress: plain(destination), localPort };
  return { kind: 'proxied', length, peer };
}

function readPort(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;

function parseVersion2(octets: Buffer): ProxyHeader {
  if (octets.length < V2_FIXED) return NEED_MORE;
  const command = octets[12];
  const family = octets[13];
  const rest = octets.readUInt16BE(14);
  if (rest > V2_MAX) return malformed('the header is too long');
  if (octets.length < V2_FIXED + rest) return NEED_MORE;
  const length = V2_FIXED + rest;
  if (command === LOCAL) return { kind: 'local', length };
  if (command !== PROXY) return malformed('unsupported version or command');
  const size = family === TCP4 ? 4 : family === TCP6 ? 16 : undefined;
  if (size === undefined) return malformed('unsupported network protocol');
  if (rest < 2 * size + 4) return malformed('the address part is too short');
  const addresses = octets.subarray(V2_FIXED, length);
  const peer: Peer = {
    remoteAddress: formatAddress(addresses.subarray(0, size)),
    localAddress: formatAddress(addresses.subarray(size, 2 * size)),
    remotePort: addresses.readUInt16BE(2 * size),
    localPort: addresses.readUInt16BE(2 * size + 2),
  };
  return { kind: 'proxied', length, peer };
}

/** Text as logs and access lists write it: RFC 5952, IPv4-mapped addresses as IPv4. */
function formatAddress(octets: Buffer): string {
  if (octets.length === 4) return [...octets].join('.');
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16));
  return plain(groups.join(':'));
}

/** The one spelling of an address. */
function plain(address: string): string {
  if (!address.includes(':')) return address;
  const octets = parseIpv6(address);
  if (octets === undefined) return address;
  const mapped = octets.subarray(0, 12).every((octet, i) => octet === (i < 10 ? 0 : 255));
  if (mapped) return [...octets.subarray(12)].join('.');
  const words = Array.from({ length: 8 }, (_, i) => ((octets[2 * i] ?? 0) << 8) | (octets[2 * i + 1] ?? 0));
  const gap = longestZeros(words);
  const hex = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  return gap === undefined ? hex(0, 8) : `${hex(0, gap.start)}::${hex(gap.start + gap.length, 8)}`;
}

function longestZeros(words: readonly number[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined;
  let start = 0;
  for (let i = 0; i <= words.length; i++) {
    if (words[i] === 0) continue;
    const length = i - start;
    if (length > 1 && length > (best?.length ?? 0)) best = { start, length };
    start = i + 1;
  }
  return best;
}
