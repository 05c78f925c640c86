// PROXY headers, whole and octet by octet, and what is none.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PROXY_HEADER, parseProxyHeader } from './proxy-header.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const PEER4 = { remoteAddress: '192.0.2.1', remotePort: 56_324, localAddress: '198.51.100.1', localPort: 25 };
const PEER6 = {
  remoteAddress: '2001:db8::1',
  remotePort: 1,
  localAddress: '2001:db8:0:1::2',
  localPort: 465,
};

const GOOD: readonly (readonly [name: string, octets: Buffer, expected: object])[] = [
  [
    'v1, IPv4',
    Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n'),
    { kind: 'proxied', peer: PEER4 },
  ],
  [
    'v1, IPv6, in another spelling',
    Buffer.from('PROXY TCP6 2001:DB8:0:0::1 2001:db8:0:1:0:0:0:2 1 465\r\n'),
    { kind: 'proxied', peer: PEER6 },
  ],
  ['v1, unknown', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), { kind: 'local' }],
  ['v2, IPv4', hex(`${SIGNATURE} 21 11 000c c0000201 c6336401 dc04 0019`), { kind: 'proxied', peer: PEER4 }],
  [
    'v2, IPv6, with more behind',
    hex(
      `${SIGNATURE} 21 21 0028 20010db8000000000000000000000001 20010db8000000010000000000000002 0001 01d1 04000100`,
    ),
    { kind: 'proxied', peer: PEER6 },
  ],
  [
    'v2, IPv4 in IPv6',
    hex(
      `${SIGNATURE} 21 21 0024 00000000000000000000ffffc0000201 00000000000000000000ffffc6336401 dc04 0019`,
    ),
    { kind: 'proxied', peer: PEER4 },
  ],
  ['v2, local', hex(`${SIGNATURE} 20 00 0000`), { kind: 'local' }],
];

const BAD: readonly (readonly [name: string, octets: Buffer])[] = [
  ['SMTP', Buffer.from('EHLO client.example\r\n')],
  ['TLS', hex('160301')],
  ['a family nobody speaks', Buffer.from('PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n')],
  ['an address of the other family', Buffer.from('PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n')],
  ['a name', Buffer.from('PROXY TCP4 localhost 192.0.2.2 1 2\r\n')],
  ['a port too high', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n')],
  ['one word too many', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n')],
  ['a line without end', Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`)],
  ['v2 of another version', hex(`${SIGNATURE} 31 11 0000`)],
  ['v2 with too few octets', hex(`${SIGNATURE} 21 11 0004 c0000201`)],
  ['v2 for a unix socket', hex(`${SIGNATURE} 21 31 0000`)],
  ['v2 too long', hex(`${SIGNATURE} 21 11 ffff`)],
];

describe('parseProxyHeader', () => {
  it.each(GOOD)('reads %s', (_, octets, expected) => {
    const whole = parseProxyHeader(Buffer.concat([octets, Buffer.from('EHLO x\r\n')]));
    expect(whole).toEqual({ ...expected, length: octets.length });
    for (let i = 0; i < octets.length; i++)
      expect(parseProxyHeader(octets.subarray(0, i))).toEqual({ kind: 'needMore' });
  });

  it.each(BAD)('refuses %s', (_, octets) => {
    expect(parseProxyHeader(octets).kind).toBe('malformed');
  });

  it('throws at nothing, and waits for no more than its limit', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('', 'PROXY ', SIGNATURE),
        fc.uint8Array({ maxLength: 200 }),
        (start, rest) => {
          const head = start === SIGNATURE ? hex(start) : Buffer.from(start);
          const octets = Buffer.concat([head, rest]);
          parseProxyHeader(octets);
          expect(parseProxyHeader(Buffer.concat([octets, Buffer.alloc(MAX_PROXY_HEADER)])).kind).not.toBe(
            'needMore',
          );
        },
      ),
    );
  });
});
