import { expect, it } from 'vitest';
import { xforwardLines } from './xforward.ts';

const ALL = 'NAME ADDR PORT PROTO HELO IDENT SOURCE';
const client = {
  name: 'client.example',
  address: '192.0.2.1',
  port: '1234',
  protocol: 'ESMTP',
  helo: 'there',
  ident: '4A',
  source: 'REMOTE',
} as const;

it.each<[string, string, Parameters<typeof xforwardLines>[1], string[]]>([
  [
    'all',
    ALL,
    client,
    [
      'XFORWARD NAME=client.example ADDR=192.0.2.1 PORT=1234',
      'XFORWARD PROTO=ESMTP HELO=there IDENT=4A SOURCE=REMOTE',
    ],
  ],
  ['what is announced', 'addr helo', client, ['XFORWARD ADDR=192.0.2.1', 'XFORWARD HELO=there']],
  ['nothing announced', '', client, []],
  [
    'a client without a name',
    'NAME ADDR',
    { ...client, name: 'unknown' },
    ['XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.1'],
  ],
  ['IPv6', 'ADDR', { address: '2001:db8::1' }, ['XFORWARD ADDR=IPV6:2001:db8::1']],
  [
    'mail of this machine',
    ALL,
    { ident: '4A', source: 'LOCAL' },
    ['XFORWARD PROTO=[UNAVAILABLE] HELO=[UNAVAILABLE] IDENT=4A SOURCE=LOCAL'],
  ],
  ['what would end the line', 'HELO', { helo: 'a b\r\nDATA+=' }, ['XFORWARD HELO=a+20b+0D+0ADATA+2B+3D']],
])('%s', (_, offered, facts, lines) => {
  expect(xforwardLines(offered, facts)).toEqual(lines);
});
