import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MimePart } from './structure.ts';
import { parseMessageStructure, StructureParser } from './structure-parser.ts';

const pieces = fc.constantFrom(
  'Content-Type: multipart/mixed; boundary=a\r\n',
  'Content-Type: multipart/digest; boundary=ab\r\n',
  'Content-Type: message/rfc822\r\n',
  'Content-Type: text/plain\r\n',
  'Subject: x\r\n y\r\n',
  '\r\n',
  '\n',
  '--a\r\n',
  '--ab\r\n',
  '--a--\r\n',
  '--ab--\r\n',
  '--a\n',
  '--',
  'text',
  '\r',
);
const messages = fc.array(pieces, { maxLength: 40 }).map((all) => Buffer.from(all.join(''), 'latin1'));

function parseInChunks(message: Buffer, sizes: readonly number[]): unknown {
  const parser = new StructureParser();
  // One buffer for all chunks, as a file reader would use it: nothing may be kept by reference.
  const reused = Buffer.alloc(64);
  let at = 0;
  for (let i = 0; at < message.length; i++) {
    const size = Math.min(sizes[i % sizes.length] ?? 1, message.length - at);
    message.copy(reused, 0, at, at + size);
    parser.push(reused.subarray(0, size));
    at += size;
  }
  return parser.finish();
}

/** Checks that parts lie inside their parent, in order, and that nothing is counted twice. */
function checkNesting(root: MimePart, size: number): number {
  const rest: { part: MimePart; from: number; to: number }[] = [{ part: root, from: 0, to: size }];
  let count = 0;
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { part, from, to } = next;
    count++;
    expect(part.headerStart).toBeGreaterThanOrEqual(from);
    expect(part.bodyStart).toBeGreaterThanOrEqual(part.headerStart);
    expect(part.bodyEnd).toBeGreaterThanOrEqual(part.bodyStart);
    expect(part.bodyEnd).toBeLessThanOrEqual(to);
    if (part.kind === 'message') rest.push({ part: part.message, from: part.bodyStart, to: part.bodyEnd });
    if (part.kind !== 'multipart') continue;
    let start = part.bodyStart;
    for (const child of part.children) {
      rest.push({ part: child, from: start, to: part.bodyEnd });
      start = child.bodyEnd;
    }
  }
  return count;
}

describe('StructureParser', () => {
  it('gives the same structure for any chunking', () => {
    fc.assert(
      fc.property(
        messages,
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
        (m, sizes) => {
          const whole = parseMessageStructure(m);
          expect(parseInChunks(m, sizes)).toEqual(whole);
          expect(parseInChunks(m, [1])).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('nests and orders its offsets, and the parts make up the message', () => {
    fc.assert(
      fc.property(messages, (m) => {
        const { root, size } = parseMessageStructure(m);
        expect(size).toBe(m.length);
        expect([root.headerStart, root.bodyEnd]).toEqual([0, size]);
        checkNesting(root, size);
      }),
      { numRuns: 300 },
    );
  });

  it('never throws on octets', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => void parseMessageStructure(octets)));
  });

  const line = (n: number): string => `${'x'.repeat(n)}\r\n`;
  const hostile: [string, () => string, (root: MimePart) => void][] = [
    [
      'a header line of a megabyte',
      () => `Subject: ${line(1 << 20)}\r\nx`,
      (root) => expect(root.kind).toBe('leaf'),
    ],
    ['a megabyte of commas', () => `To: ${','.repeat(1 << 20)}\r\n\r\n`, () => {}],
    ['a megabyte of groups', () => `To: ${'a:;,'.repeat(1 << 18)}\r\n\r\n`, () => {}],
    ['a megabyte of open comments', () => `To: ${'('.repeat(1 << 20)}\r\n\r\n`, () => {}],
    ['a megabyte of open angles', () => `To: ${'<'.repeat(1 << 20)}\r\n\r\n`, () => {}],
    ['a megabyte of routes', () => `To: <${'@a,'.repeat(1 << 18)}\r\n\r\n`, () => {}],
    ['a quote without end', () => `To: "${'\\"'.repeat(1 << 19)}\r\n\r\n`, () => {}],
    ['a megabyte of parameters', () => `Content-Type: text/plain${';a=b'.repeat(1 << 18)}\r\n\r\n`, () => {}],
    ['continuations without end', () => `Content-Type: a/b${';a*1=b'.repeat(1 << 17)}\r\n\r\n`, () => {}],
    ['a header of empty lines with blanks', () => `A: b\r\n${' \r\n'.repeat(1 << 18)}\r\n`, () => {}],
    ['a hundred thousand fields', () => `${'A: b\r\n'.repeat(100_000)}\r\n`, () => {}],
    [
      'twenty thousand parts',
      () => `Content-Type: multipart/mixed; boundary=x\r\n\r\n${'--x\r\n\r\n\r\n'.repeat(20_000)}`,
      (root) => expect(checkNesting(root, root.bodyEnd)).toBe(10_000),
    ],
    [
      'a thousand multiparts one in another',
      () =>
        Array.from(
          { length: 1000 },
          (_, i) => `Content-Type: multipart/mixed; boundary=b${i}-\r\n\r\n--b${i}-\r\n`,
        ).join(''),
      (root) => expect(checkNesting(root, root.bodyEnd)).toBe(50),
    ],
    [
      'a thousand messages one in another',
      () => 'Content-Type: message/rfc822\r\n\r\n'.repeat(1000),
      (root) => expect(checkNesting(root, root.bodyEnd)).toBe(50),
    ],
    [
      'a million lines of dashes under fifty boundaries',
      () =>
        Array.from(
          { length: 49 },
          (_, i) =>
            `Content-Type: multipart/mixed; boundary=${'y'.repeat(60)}${i}\r\n\r\n--${'y'.repeat(60)}${i}\r\n`,
        ).join('') + `--${'y'.repeat(60)}\r\n`.repeat(20_000),
      () => {},
    ],
  ];
  it.each(hostile)('takes no long over %s', (_name, make, check) => {
    const message = Buffer.from(make(), 'latin1');
    const start = performance.now();
    const { root } = parseMessageStructure(message);
    expect(performance.now() - start).toBeLessThan(2000);
    check(root);
  });
});
