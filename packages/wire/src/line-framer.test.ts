import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Framed, LineFramer } from './line-framer.ts';

function frameAll(chunks: readonly Uint8Array[], maxLength = 10): Framed[] {
  const framer = new LineFramer({ maxLength });
  const frames: Framed[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) frames.push(frame);
  }
  return frames;
}

const show = (frames: readonly Framed[]): string[] =>
  frames.map((f) =>
    f.kind === 'line' ? `${f.line.toString('latin1')}|${f.terminator}` : `tooLong ${f.length}`,
  );

const cases: [string, string[]][] = [
  ['EHLO a\r\n', ['EHLO a|crlf']],
  ['a\nb\r\n', ['a|lf', 'b|crlf']],
  ['\r\n\n', ['|crlf', '|lf']],
  ['a\rb\r\r\n', ['a\rb\r|crlf']],
  ['0123456789\r\n', ['0123456789|crlf']],
  ['0123456789x\r\nnext\r\n', ['tooLong 11', 'next|crlf']],
  [`${'x'.repeat(500)}\nok\n`, ['tooLong 500', 'ok|lf']],
  ['unfinished', []],
];

describe('LineFramer', () => {
  it.each(cases)('frames %j', (input, expected) => {
    const bytes = Buffer.from(input, 'latin1');
    expect(show(frameAll([bytes]))).toEqual(expected);
    expect(show(frameAll([...bytes].map((b) => Buffer.of(b))))).toEqual(expected);
  });

  it('gives the same frames for any chunking', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', '\r', '\n', '\r\n', 'xxxxxxxxxxxx'), { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 40 }),
        (pieces, cuts) => {
          const bytes = Buffer.from(pieces.join(''), 'latin1');
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(bytes.subarray(at, at + cut));
            at += cut;
          }
          chunks.push(bytes.subarray(at));
          expect(show(frameAll(chunks))).toEqual(show(frameAll([bytes])));
        },
      ),
    );
  });

  it('holds no more than the limit of a line without end', () => {
    const framer = new LineFramer({ maxLength: 1000 });
    for (let i = 0; i < 1000; i++) {
      framer.push(Buffer.alloc(1000, 'x'));
      expect(framer.next()).toBeUndefined();
      expect(framer.pending).toBeLessThanOrEqual(1001);
    }
    framer.push(Buffer.from('\n'));
    expect(framer.next()).toEqual({ kind: 'tooLong', length: 1_000_000 });
  });

  it('hands out counted bytes between lines', () => {
    const framer = new LineFramer({ maxLength: 100 });
    framer.push(Buffer.from('a {3}\r\nx\ny'));
    expect(show([framer.next() as Framed])).toEqual(['a {3}|crlf']);
    expect(framer.takeBytes(4)).toBeUndefined();
    expect(framer.takeBytes(3)?.toString()).toBe('x\ny');
    framer.push(Buffer.from('rest\r\n'));
    expect(show([framer.next() as Framed])).toEqual(['rest|crlf']);
  });
});
