import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatQuestion, parseResponse, RECORD_TYPES, type SecureType } from './dns-message.ts';

const name = (text: string): Buffer =>
  Buffer.concat([
    ...text.split('.').flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]),
    Buffer.of(0),
  ]);
const record = (owner: Buffer, type: number, data: Buffer): Buffer =>
  Buffer.concat([owner, Buffer.of(0, type, 0, 1, 0, 0, 0, 5, data.length >> 8, data.length & 0xff), data]);

function response(type: SecureType, asked: string, rows: readonly Buffer[], flags = 0x81a0): Buffer {
  const head = Buffer.of(0, 7, flags >> 8, flags & 0xff, 0, 1, 0, rows.length, 0, 0, 0, 0);
  return Buffer.concat([head, name(asked), Buffer.of(0, RECORD_TYPES[type], 0, 1), ...rows]);
}
/** Of the name in the question. */
const POINTER = Buffer.of(0xc0, 12);

describe('formatQuestion', () => {
  it('asks for DNSSEC by EDNS0', () => {
    const octets = formatQuestion(258, '_25._tcp.mx.example.', 'TLSA');
    expect(octets?.toString('hex')).toBe(
      '010201200001000000000001' +
        name('_25._tcp.mx.example').toString('hex') +
        '00340001' +
        '00002904d0000080000000',
    );
  });
  it.each(['', 'a..b', `${'a'.repeat(64)}.x`, 'a b.example', Array(60).fill('aaaaa').join('.')])(
    '%s is no name',
    (text) => expect(formatQuestion(1, text, 'A')).toBeUndefined(),
  );
});

describe('parseResponse', () => {
  const mx = Buffer.concat([Buffer.of(0, 10), name('mx.example')]);
  it('reads records at the end of a chain of CNAMEs, and the AD bit', () => {
    const rows = [
      record(POINTER, 5, name('b.example')),
      record(name('b.example'), 15, mx),
      record(name('elsewhere.example'), 15, mx),
    ];
    expect(parseResponse(response('MX', 'a.example', rows), { name: 'A.example', type: 'MX' })).toEqual({
      id: 7,
      rcode: 0,
      authentic: true,
      truncated: false,
      name: 'b.example',
      records: [{ type: 'MX', preference: 10, exchange: 'mx.example' }],
    });
  });
  it.each<[string, SecureType, Buffer, unknown]>([
    ['A', 'A', Buffer.of(192, 0, 2, 1), { type: 'A', address: '192.0.2.1' }],
    ['AAAA', 'AAAA', Buffer.alloc(16, 1), { type: 'AAAA', address: '101:101:101:101:101:101:101:101' }],
    [
      'TLSA',
      'TLSA',
      Buffer.of(3, 1, 1, 9),
      { type: 'TLSA', tlsa: { usage: 3, selector: 1, matching: 1, data: Buffer.of(9) } },
    ],
  ])('%s', (_, type, data, expected) => {
    const octets = response(type, 'a.example', [record(POINTER, RECORD_TYPES[type], data)], 0x8180);
    const read = parseResponse(octets, { name: 'a.example', type });
    expect([read?.authentic, read?.records]).toEqual([false, [expected]]);
  });
  it.each<[string, Buffer]>([
    ['another question', response('MX', 'b.example', [])],
    ['a question, not an answer', response('MX', 'a.example', [], 0x0120)],
    ['a record cut short', response('MX', 'a.example', [record(POINTER, 15, Buffer.of(0))])],
    ['a name in a circle', response('MX', 'a.example', [record(Buffer.of(0xc0, 27), 15, mx)])],
    ['half a record', response('MX', 'a.example', [record(POINTER, 15, mx)]).subarray(0, -3)],
  ])('%s is no answer', (_, octets) =>
    expect(parseResponse(octets, { name: 'a.example', type: 'MX' })).toBeUndefined(),
  );
  it('never throws', () => {
    const whole = response('TLSA', 'a.example', [record(POINTER, 52, Buffer.alloc(35, 3))]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(whole.length), (noise, at) => {
        parseResponse(Buffer.concat([whole.subarray(0, at), noise]), { name: 'a.example', type: 'TLSA' });
      }),
    );
  });
});
