import { describe, expect, it } from 'vitest';
import type { Dns, DnsAnswer, MxRecord } from '../ports.ts';
import { defaultClientSettings } from './client-settings.ts';
import { findHosts, type NextHop, parseNextHop } from './next-hop.ts';

const settings = defaultClientSettings('me.example.org');

describe('parseNextHop', () => {
  it.each<[string, 'smtp' | 'lmtp', unknown]>([
    ['example.com', 'smtp', { kind: 'inet', domain: 'example.com', direct: false, port: 25 }],
    ['example.com:587', 'smtp', { kind: 'inet', domain: 'example.com', direct: false, port: 587 }],
    [
      '[mail.example.com]:submission',
      'smtp',
      { kind: 'inet', domain: 'mail.example.com', direct: true, port: 587 },
    ],
    ['[192.0.2.1]', 'smtp', { kind: 'inet', domain: '192.0.2.1', direct: true, port: 25 }],
    ['[2001:db8::1]:2525', 'smtp', { kind: 'inet', domain: '2001:db8::1', direct: true, port: 2525 }],
    ['[ipv6:2001:db8::1]', 'smtp', { kind: 'inet', domain: '2001:db8::1', direct: true, port: 25 }],
    ['unix:private/lmtp', 'lmtp', { kind: 'unix', path: 'private/lmtp' }],
    ['inet:127.0.0.1:24', 'lmtp', { kind: 'inet', domain: '127.0.0.1', direct: true, port: 24 }],
    ['[x]:nonsense', 'smtp', undefined],
    ['', 'smtp', undefined],
  ])('%s', (text, protocol, expected) => {
    expect(parseNextHop(text, { protocol, port: 25 })).toEqual(expected);
  });
});

interface Zone {
  readonly mx?: DnsAnswer<MxRecord>;
  readonly addresses?: Readonly<Record<string, DnsAnswer<string>>>;
}

const ABSENT = { kind: 'absent', nxdomain: true } as const;
const found = <T>(...records: T[]): DnsAnswer<T> => ({ kind: 'found', records });
const FAILED = {
  kind: 'failed',
  reason: 'Name service error for name=x type=MX: Host not found, try again',
} as const;

function dnsOf({ mx = ABSENT, addresses = {} }: Zone): Dns {
  return {
    mx: async () => mx,
    addresses: async (name) => addresses[name] ?? ABSENT,
    reverse: async () => ABSENT,
    txt: async () => ABSENT,
  };
}

const HOP: NextHop = { kind: 'inet', domain: 'example.com', direct: false, port: 25 };

async function find(zone: Zone, hop: NextHop = HOP, random = (): number => 0): Promise<string> {
  const ports = { dns: dnsOf(zone), random, isOwnAddress: (address: string) => address === '192.0.2.99' };
  const answer = await findHosts(hop, settings, ports);
  if (answer.kind === 'hosts')
    return answer.hosts.map(({ name, address }) => `${name}[${address}]`).join(' ');
  const { permanent, dsn, text } = answer.failure;
  return `${permanent ? 'bounce' : 'defer'} ${dsn} ${text}`;
}

const mx = (...list: [number, string][]): DnsAnswer<MxRecord> =>
  found(...list.map(([preference, exchange]) => ({ preference, exchange })));

describe('findHosts', () => {
  const a = found('192.0.2.1');
  const b = found('192.0.2.2', '2001:db8::2');
  it.each<[string, Zone, string]>([
    [
      'orders by preference',
      { mx: mx([20, 'b'], [10, 'a']), addresses: { a, b } },
      'a[192.0.2.1] b[192.0.2.2] b[2001:db8::2]',
    ],
    ['asks for addresses without MX', { addresses: { 'example.com': a } }, 'example.com[192.0.2.1]'],
    [
      'knows the null MX',
      { mx: mx([0, '']) },
      'bounce 5.1.0 Domain example.com does not accept mail (nullMX)',
    ],
    [
      'returns what does not exist',
      {},
      'bounce 5.4.4 Host or domain name not found. Name service error for name=example.com type=AAAA: Host not found',
    ],
    [
      'waits for a name server',
      { mx: FAILED },
      `defer 4.4.3 Host or domain name not found. ${FAILED.reason}`,
    ],
    [
      'waits when one exchange cannot be looked up and none has an address',
      { mx: mx([10, 'a'], [20, 'c']), addresses: { c: FAILED } },
      `defer 4.4.3 Host or domain name not found. ${FAILED.reason}`,
    ],
    [
      'passes over exchanges without address',
      { mx: mx([10, 'gone'], [20, 'a']), addresses: { a } },
      'a[192.0.2.1]',
    ],
    [
      'sends to better exchanges only when it is one itself',
      {
        mx: mx([10, 'a'], [20, 'me.example.org'], [30, 'b']),
        addresses: { a, b, 'me.example.org': found('192.0.2.9') },
      },
      'a[192.0.2.1]',
    ],
    [
      'finds itself by address as the best',
      { mx: mx([10, 'x'], [20, 'b']), addresses: { x: found('192.0.2.99'), b } },
      'bounce 5.4.6 mail for example.com loops back to myself',
    ],
  ])('%s', async (_name, zone, expected) => expect(await find(zone)).toBe(expected));

  it('draws lots between hosts of one preference', async () => {
    const zone = { mx: mx([10, 'a'], [10, 'c']), addresses: { a, c: found('192.0.2.3') } };
    const lots = [0.9, 0.1];
    expect(await find(zone, HOP, () => lots.shift() ?? 0)).toBe('c[192.0.2.3] a[192.0.2.1]');
  });

  it('takes a bracketed host as it is', async () => {
    const hop = { ...HOP, domain: 'a', direct: true };
    expect(await find({ mx: mx([1, 'b']), addresses: { a, b } }, hop)).toBe('a[192.0.2.1]');
  });
});
