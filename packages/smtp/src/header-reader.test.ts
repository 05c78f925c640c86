import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderReader } from './header-reader.ts';

function run(chunks: readonly Buffer[]): { text: string; received: number } {
  const out: Buffer[] = [];
  const reader = new HeaderReader();
  for (const chunk of chunks) reader.push(chunk, (piece) => out.push(Buffer.from(piece)));
  reader.finish((piece) => out.push(Buffer.from(piece)));
  return { text: Buffer.concat(out).toString('latin1'), received: reader.received };
}

const whole = (text: string): Buffer[] => [Buffer.from(text, 'latin1')];
const bytes = (text: string): Buffer[] => [...Buffer.from(text, 'latin1')].map((octet) => Buffer.of(octet));

const CASES: readonly [name: string, input: string, output: string, received: number][] = [
  ['a header and a body', 'Subject: x\r\n\r\nbody\r\n', `Subject: x\r\n\r\nbody\r\n`, 0],
  ['a header alone', 'Subject: x\r\n', `Subject: x\r\n`, 0],
  ['nothing', '', '', 0],
  ['a body alone', 'hello\r\nSubject: x\r\n', `\r\nhello\r\nSubject: x\r\n`, 0],
  ['an empty header', '\r\nbody: x\r\n', `\r\nbody: x\r\n`, 0],
  ['folded fields', 'A: x\r\n y\r\n\tz\r\n\r\n', `A: x\r\n y\r\n\tz\r\n\r\n`, 0],
  [
    'hops',
    'Received: a\r\nreceived : b\r\nX-Received: c\r\n\r\nReceived: d\r\n',
    `Received: a\r\nreceived : b\r\nX-Received: c\r\n\r\nReceived: d\r\n`,
    2,
  ],
  ['text that follows a field', 'A: x\r\nplain text\r\n', `A: x\r\n\r\nplain text\r\n`, 0],
  ['a long line', `A: ${'x'.repeat(5000)}\r\n\r\nb\r\n`, `A: ${'x'.repeat(5000)}\r\n\r\nb\r\n`, 0],
  ['a long line of text', `${'x'.repeat(5000)}\r\n`, `\r\n${'x'.repeat(5000)}\r\n`, 0],
];

describe('HeaderReader', () => {
  it.each(CASES)('reads %s, whole and octet by octet', (_, input, text, received) => {
    expect(run(whole(input))).toMatchObject({ text, received });
    expect(run(bytes(input))).toMatchObject({ text, received });
  });

  it('gives the same for any chunking', () => {
    const line = fc.constantFrom('A: b', 'Received: x', ' folded', 'text', '', 'Re', 'x:');
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 12 }),
        fc.array(fc.nat(20), { maxLength: 20 }),
        (lines, cuts) => {
          const input = Buffer.from(lines.map((l) => `${l}\r\n`).join(''));
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) chunks.push(input.subarray(at, (at += cut)));
          chunks.push(input.subarray(at));
          expect(run(chunks)).toEqual(run([input]));
        },
      ),
    );
  });
});
