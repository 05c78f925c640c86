import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DotReader } from './dot-reader.ts';
import { DotWriter } from './dot-writer.ts';

function writeAll(chunks: readonly Buffer[]): string {
  const writer = new DotWriter();
  const pieces = chunks.map((chunk) => Buffer.from(writer.push(chunk)));
  return Buffer.concat([...pieces, writer.end()]).toString('latin1');
}

const cases: [string, string][] = [
  ['', '.\r\n'],
  ['a\r\n', 'a\r\n.\r\n'],
  ['a', 'a\r\n.\r\n'],
  ['.', '..\r\n.\r\n'],
  ['.\r\n', '..\r\n.\r\n'],
  ['..\r\n.a\r\n', '...\r\n..a\r\n.\r\n'],
  ['a.\r\n.b', 'a.\r\n..b\r\n.\r\n'],
  ['a\n.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r', 'a\r\n.\r\n'],
  ['a\r.\r\n', 'a\r.\r\n.\r\n'],
  ['\n', '\r\n.\r\n'],
  ['\r\n.\r\n.\r\n', '\r\n..\r\n..\r\n.\r\n'],
];

describe('DotWriter', () => {
  it.each(cases)('writes %j', (input, expected) => {
    const bytes = Buffer.from(input, 'latin1');
    expect(writeAll([bytes])).toBe(expected);
    expect(writeAll([...bytes].map((b) => Buffer.of(b)))).toBe(expected);
  });

  it('holds no end of data before its own, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('.', '\r', '\n', '\r\n', 'a', ''), { maxLength: 30 }),
        (pieces) => {
          const written = writeAll(pieces.map((piece) => Buffer.from(piece)));
          expect(`\r\n${written}`.indexOf('\r\n.\r\n')).toBe(written.length - 3);
          expect(written).not.toMatch(/[^\r]\n/);
        },
      ),
    );
  });

  it('is undone by DotReader', () => {
    const lines = fc.array(fc.constantFrom('', '.', '..', '.a', 'a.', 'b'), { maxLength: 20 });
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 5 }), (all, size) => {
        const message = Buffer.from(all.map((line) => `${line}\r\n`).join(''));
        const chunks: Buffer[] = [];
        for (let at = 0; at < message.length; at += size) chunks.push(message.subarray(at, at + size));
        const reader = new DotReader();
        let data = '';
        reader.push(Buffer.from(writeAll(chunks), 'latin1'), (piece) => (data += piece.toString()));
        expect(data).toBe(message.toString());
      }),
    );
  });
});
