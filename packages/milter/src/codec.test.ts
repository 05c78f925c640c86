import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, MAX_FRAME, formatFrame, formatLong, formatString, readFields } from './frames.ts';
import { formatOffer, parseProtocol, readAnswer } from './negotiation.ts';
import { type Response, readResponse } from './response.ts';
import { parseEndpoint } from './service.ts';

const text = (...parts: readonly string[]): Buffer => Buffer.from(parts.map((part) => `${part}\0`).join(''));

/** Every frame that octets hold, given whole or one at a time. */
function framesOf(octets: Buffer, size: number): string[] {
  const reader = new FrameReader();
  const seen: string[] = [];
  for (let at = 0; at < octets.length; at += size) {
    reader.push(octets.subarray(at, at + size));
    for (let reading = reader.next(); reading.kind !== 'needMore'; reading = reader.next()) {
      if (reading.kind === 'broken') return [...seen, reading.reason];
      seen.push(`${reading.frame.letter} ${reading.frame.data.toString('latin1')}`);
    }
  }
  return seen;
}

describe('frames', () => {
  it.each([
    [
      'several',
      Buffer.concat([formatFrame('c'), formatFrame('y', text('550 no')), formatFrame('a')]),
      ['c ', 'y 550 no\0', 'a '],
    ],
    ['an empty one', Buffer.from([0, 0, 0, 0, 0x63]), ['bad packet length: 0']],
    [
      'a giant',
      Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x63]),
      [`unreasonable packet length: 2147483647 > ${MAX_FRAME}`],
    ],
    [
      'a text protocol',
      Buffer.from('HTTP/1.1 400 Bad'),
      [`unreasonable packet length: 1213486160 > ${MAX_FRAME}`],
    ],
    ['half of one', formatFrame('y', text('550 no')).subarray(0, 7), []],
  ])('%s, whole and byte by byte', (_, octets, expected) => {
    expect(framesOf(octets, octets.length)).toEqual(expected);
    expect(framesOf(octets, 1)).toEqual(expected);
  });

  it('are the same in any chunking', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 50 }),
        (list, size) => {
          const octets = Buffer.concat(list.map((data) => formatFrame('b', data)));
          expect(framesOf(octets, size)).toEqual(framesOf(octets, octets.length || 1));
        },
      ),
    );
  });

  it('hold strings without a NUL within', () => {
    expect(formatString('a\0b')).toEqual(Buffer.from('ab\0'));
    expect(readFields(text('a'), ['long'])).toBe('input packet too short for network long');
    expect(readFields(Buffer.from('abc'), ['string'])).toBe('missing string null terminator');
    expect(readFields(text('a', 'b'), ['string'])).toBe('left-over data 2 bytes');
    expect(readFields(text('a'), ['string', 'optional'])).toEqual([Buffer.from('a'), Buffer.alloc(0)]);
  });
});

describe('responses', () => {
  const read = (letter: string, data: Buffer = Buffer.alloc(0), atEnd = true): Response =>
    readResponse({ letter, data }, atEnd);

  it.each([
    ['c', 'continue'],
    ['a', 'accept'],
    ['d', 'discard'],
    ['r', 'reject'],
    ['t', 'tempfail'],
    ['p', 'progress'],
    ['s', 'skip'],
    ['4', 'shutdown'],
  ])('%s is %s, and nothing may follow it', (letter, kind) => {
    expect(read(letter)).toEqual({ kind });
    expect(read(letter, Buffer.from('x'))).toMatchObject({ kind: 'broken' });
  });

  it.each([
    ['550 5.7.1 no', '550 5.7.1 no'],
    ['450 %%d %s', '450 %d s'],
    ['550-5.7.1 a\r\n550 5.7.1 b', '550-5.7.1 a\r\n550 5.7.1 b'],
    ['250 2.0.0 fine', undefined],
    ['550', undefined],
    ['550-no end', undefined],
    ['550-a\r\n450 b', undefined],
    ['550 4.7.1 a', undefined],
    ['550 a\r\n550 b', undefined],
    ['550 a\nMAIL FROM:<x>', undefined],
    ['550 a\0b', undefined],
  ])('reply %j', (reply, expected) => {
    const response = read('y', Buffer.from(`${reply}\0`));
    if (expected === undefined) expect(response).toMatchObject({ kind: 'broken', misconfigured: true });
    else expect(response).toEqual({ kind: 'reply', text: expected });
  });

  it('are changes at the end of the message alone', () => {
    const header = text('X-A', 'b');
    expect(read('h', header)).toMatchObject({ kind: 'edit', edit: { kind: 'addHeader' } });
    expect(read('h', header, false)).toEqual({ kind: 'unexpected', name: 'SMFIR_ADDHEADER' });
    expect(read('m', Buffer.concat([formatLong(0), text('A', 'b')]))).toMatchObject({ edit: { index: 1 } });
    expect(read('m', Buffer.concat([formatLong(1), text('', 'b')]))).toMatchObject({
      kind: 'broken',
      misconfigured: true,
    });
    expect(read('Z')).toEqual({ kind: 'unexpected', name: '(unknown filter reply)' });
  });

  it('never throw', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 1 }),
        fc.uint8Array({ maxLength: 60 }),
        (letter, data) => {
          readResponse({ letter, data: Buffer.from(data) }, true);
        },
      ),
    );
  });
});

describe('negotiation', () => {
  const offer = parseProtocol('6');
  if (typeof offer === 'string') throw new Error(offer);
  const answer = (version: number, actions: number, steps: number, ...rest: Buffer[]) =>
    readAnswer(
      {
        letter: 'O',
        data: Buffer.concat([formatLong(version), formatLong(actions), formatLong(steps), ...rest]),
      },
      offer,
    );

  it('offers what there is', () => {
    expect(formatOffer(offer).toString('hex')).toBe('0000000d4f00000006000001ff001fffff');
    expect(parseProtocol('2, no_header_reply')).toMatchObject({ version: 2 });
    expect(parseProtocol('5')).toBe('bad protocol information: 5');
    expect(parseProtocol('')).toBe('no protocol version information');
  });

  it('takes what fits, and says what does not', () => {
    expect(answer(6, 0, 0)).toMatchObject({ steps: 0, unknownSteps: 0 });
    expect(answer(2, 0, 0)).toMatchObject({ unknownSteps: (1 << 8) | (1 << 9) });
    expect(answer(7, 0, 0)).toBe('protocol version 7 conflict with MTA protocol version 6');
    expect(answer(6, 0xfff, 0)).toBe('request mask 0xfff conflict with MTA request mask 0x1ff');
    expect(answer(6, 0, 0, formatLong(3), text('i {rcpt_addr}'))).toMatchObject({
      macros: new Map([['rcpt', ['i', '{rcpt_addr}']]]),
    });
    expect(answer(6, 0, 0, formatLong(3))).toBe('packet too short for string');
    expect(readAnswer({ letter: 'c', data: Buffer.alloc(0) }, offer)).toBe(
      'unexpected reply "c" in initial handshake',
    );
  });
});

it.each([
  ['inet:localhost:11332', { host: 'localhost', port: 11332 }],
  ['inet:[::1]:8891', { host: '::1', port: 8891 }],
  ['unix:run/filter.sock', { path: 'run/filter.sock' }],
  ['local:/run/filter', { path: '/run/filter' }],
  ['inet:11332', 'Milter service needs host:port instead of "11332"'],
  ['tcp:localhost:1', 'invalid transport name: tcp in Milter service: tcp:localhost:1'],
  ['localhost', 'Milter service needs transport:endpoint instead of "localhost"'],
])('%s', (name, expected) => {
  expect(parseEndpoint(name)).toEqual(expected);
});
