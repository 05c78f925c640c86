import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DotReader } from './dot-reader.ts';

interface Read {
  readonly text: string;
  readonly ended: boolean;
  readonly rest: string;
  readonly counts: string;
}

function read(chunks: readonly Buffer[], dotStuffed = true): Read {
  const reader = new DotReader({ dotStuffed });
  const pieces: Buffer[] = [];
  const rest: Buffer[] = [];
  for (const chunk of chunks) {
    const taken = reader.push(chunk, (piece) => pieces.push(piece));
    rest.push(chunk.subarray(taken));
  }
  const text = Buffer.concat(pieces).toString('latin1');
  expect(reader.size).toBe(text.length);
  return {
    text,
    ended: reader.ended,
    rest: Buffer.concat(rest).toString('latin1'),
    counts: `${reader.bareNewlines}/${reader.bareReturns}/${reader.nuls}/${reader.longestLine}`,
  };
}

const whole = (text: string): Buffer[] => [Buffer.from(text, 'latin1')];
const bytes = (text: string): Buffer[] => [...Buffer.from(text, 'latin1')].map((b) => Buffer.of(b));

// input → what goes on, what is left behind the end (undefined: the data has not ended)
const cases: [name: string, input: string, text: string, rest: string | undefined][] = [
  ['an ordinary message', 'a: b\r\n\r\ntext\r\n.\r\nQUIT\r\n', 'a: b\r\n\r\ntext\r\n', 'QUIT\r\n'],
  ['no content at all', '.\r\n', '', ''],
  ['stuffed dots', '..\r\n..a\r\n.b\r\n...\r\n.\r\n', '.\r\n.a\r\nb\r\n..\r\n', ''],
  ['dots inside lines', 'a.\r\nb..c\r\n.\r\n', 'a.\r\nb..c\r\n', ''],
  ['LF.LF', 'a\n.\nb\r\n.\r\n', 'a\r\n\r\nb\r\n', ''],
  ['LF.CRLF', 'a\n.\r\nb\r\n.\r\n', 'a\r\n\r\nb\r\n', ''],
  ['CRLF.LF', 'a\r\n.\nb\r\n.\r\n', 'a\r\n\r\nb\r\n', ''],
  ['CR.CR', 'a\r.\rb\r\n.\r\n', 'a . b\r\n', ''],
  ['CR.CRLF', 'a\r.\r\nb\r\n.\r\n', 'a .\r\nb\r\n', ''],
  ['CRLF.CR', 'a\r\n.\rb\r\n.\r\n', 'a\r\n b\r\n', ''],
  ['CRLF.CRCRLF', 'a\r\n.\r\r\nb\r\n.\r\n', 'a\r\n \r\nb\r\n', ''],
  ['CRCRLF.CRLF', 'a\r\r\n.\r\nb', 'a \r\n', 'b'],
  ['LFCR.LFCR', 'a\n\r.\n\rb\r\n.\r\n', 'a\r\n .\r\n b\r\n', ''],
  ['CRLF.NULCRLF', 'a\r\n.\0\r\nb\r\n.\r\n', 'a\r\n\r\nb\r\n', ''],
  ['CRLFNUL.CRLF', 'a\r\n\0.\r\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n', ''],
  ['CRNULLF', 'a\r\0\n.\r\nb\r\n.\r\n', 'a \r\n\r\nb\r\n', ''],
  ['CRLF.space CRLF', 'a\r\n. \r\nb\r\n.\r\n', 'a\r\n \r\nb\r\n', ''],
  ['an end after a bare LF line', 'a\nb\r\n.\r\n', 'a\r\nb\r\n', ''],
  ['a dot line at first, ended by LF', '.\nb\r\n.\r\n', '\r\nb\r\n', ''],
  ['no end yet', 'a\r\n.', 'a\r\n', undefined],
  ['no end yet, at CR', 'a\r\n.\r', 'a\r\n', undefined],
  ['NULs', '\0a\0\0b\r\n\0\r\n.\r\n', 'ab\r\n\r\n', ''],
  ['tabs and other controls', 'a\tb\v\f\x01\r\n.\r\n', 'a\tb\v\f\x01\r\n', ''],
];

describe('DotReader', () => {
  it.each(cases)('reads %s', (_, input, text, rest) => {
    const expected = { text, ended: rest !== undefined, rest: rest ?? '' };
    expect(read(whole(input))).toMatchObject(expected);
    expect(read(bytes(input))).toMatchObject(expected);
  });

  it('tells what was wrong with the octets', () => {
    expect(read(whole('a\nb\rc\0\r\n12345\r\n.\r\n')).counts).toBe('1/1/1/5');
    expect(read(bytes('a\nb\rc\0\r\n12345\r\n.\r\n')).counts).toBe('1/1/1/5');
  });

  it('passes an untouched chunk on without a copy', () => {
    const chunk = Buffer.from('a\r\nb\r\n.\r\n');
    const pieces: Buffer[] = [];
    new DotReader().push(chunk, (piece) => pieces.push(piece));
    expect(pieces[0]?.buffer).toBe(chunk.buffer);
  });

  it('leaves dots alone in BDAT and completes the last line', () => {
    const reader = new DotReader({ dotStuffed: false });
    const pieces: Buffer[] = [];
    const keep = (piece: Buffer): void => void pieces.push(piece);
    for (const b of bytes('.\r\n..\r\nx')) reader.push(b, keep);
    reader.finish(keep);
    expect(Buffer.concat(pieces).toString()).toBe('.\r\n..\r\nx\r\n');
  });

  it('is the inverse of dot-stuffing', () => {
    const line = fc
      .array(fc.constantFrom('.', 'a', '..', ' ', '\t', 'é'), { maxLength: 8 })
      .map((c) => c.join(''));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const content = lines.map((l) => `${l}\r\n`).join('');
        const stuffed = lines.map((l) => `${l.startsWith('.') ? '.' : ''}${l}\r\n`).join('');
        expect(read(whole(`${stuffed}.\r\n`))).toMatchObject({ text: content, ended: true });
      }),
    );
  });

  it('reads the same in any chunking, and never lets anything but clean lines through', () => {
    const octet = fc.constantFrom('\r', '\n', '.', '\0', 'a', '\r\n', '\r\n.\r\n');
    fc.assert(
      fc.property(
        fc.array(octet, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 30 }),
        (octets, cuts) => {
          const input = Buffer.from(octets.join(''), 'latin1');
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(input.subarray(at, at + cut));
            at += cut;
          }
          chunks.push(input.subarray(at));
          const once = read([input]);
          expect(read(chunks)).toEqual(once);
          expect(once.text.replaceAll('\r\n', '')).not.toMatch(/[\r\n\0]/);
          const text = input.toString('latin1');
          const end = text.startsWith('.\r\n') ? 3 : text.indexOf('\r\n.\r\n') + 5;
          expect(once.ended).toBe(end > 4 || text.startsWith('.\r\n'));
          if (once.ended) expect(once.rest).toBe(text.slice(end));
        },
      ),
    );
  });
});
