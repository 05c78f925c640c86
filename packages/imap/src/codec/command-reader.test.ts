import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandReader, type ReaderEvent } from './command-reader.ts';
import { type CodecLimits, DEFAULT_CODEC_LIMITS, LOGIN_CODEC_LIMITS } from './limits.ts';
import type { Arg } from './arg.ts';

function showArg(arg: Arg): string {
  if (arg.kind === 'atom') return arg.text;
  if (arg.kind === 'list') return `(${arg.items.map(showArg).join(' ')})`;
  return `<${arg.bytes.toString('latin1')}>`;
}

function show(event: ReaderEvent): string {
  switch (event.kind) {
    case 'command':
      return `${event.tag} ${event.verb}${event.args.map((arg) => ` ${showArg(arg)}`).join('')}`;
    case 'invalid':
      return `BAD ${event.tag} ${event.verb}: ${event.text}`;
    case 'fatal':
      return `FATAL ${event.text}`;
    case 'continue':
      return '+';
    case 'append':
      return `append ${event.args.map(showArg).join(' ')} {${event.literal.size}${event.literal.synchronising ? '' : '+'}}`;
    case 'data':
      return `data ${event.bytes.toString('latin1')}${event.last ? ' end' : ''}`;
    case 'line':
      return `line ${event.line.toString('latin1')}`;
  }
}

/** Reads all; joins streamed data, whose pieces depend on the chunking. Accepts literals unless told otherwise. */
function readAll(
  chunks: readonly Uint8Array[],
  options: { readonly limits?: Partial<CodecLimits>; readonly refuse?: boolean } = {},
): string[] {
  const reader = new CommandReader({ ...DEFAULT_CODEC_LIMITS, ...options.limits });
  const shown: string[] = [];
  let data = '';
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let event = reader.next(); event !== undefined; event = reader.next()) {
      if (event.kind === 'data') {
        data += event.bytes.toString('latin1');
        if (event.last) shown.push(`data ${data}`);
        continue;
      }
      data = '';
      shown.push(show(event));
      if (event.kind === 'append') {
        if (options.refuse === true) reader.refuseLiteral();
        else reader.acceptLiteral();
      }
    }
  }
  return shown;
}

const bytewise = (bytes: Buffer): Buffer[] => [...bytes].map((byte) => Buffer.of(byte));

const cases: [input: string, expected: string[]][] = [
  ['a NOOP\r\n', ['a NOOP']],
  ['a1 noop\nb Uid fetch 1 flags\r\n', ['a1 NOOP', 'b UID FETCH 1 flags']],
  ['a LOGIN "x \\"y\\\\" {3}\r\nabc\r\n', ['+', 'a LOGIN <x "y\\> <abc>']],
  ['a LOGIN {3+}\r\nabc {0+}\r\n\r\n', ['a LOGIN <abc> <>']],
  ['a LOGIN ~{3+}\r\na\0c x\r\n', ['a LOGIN <a\0c> x']],
  ['a X (a (b "c") ()) d\r\n', ['a X (a (b <c>) ()) d']],
  ['a FETCH 1 (BODY[HEADER.FIELDS (A B)]<0.9> X)\r\n', ['a FETCH 1 (BODY[HEADER.FIELDS (A B) ]<0.9> X)']],
  ['a FETCH 1 (FLAGS\r\n', ["BAD a FETCH: Missing ')'"]],
  ['a FETCH 1 FLAGS)\r\n', ["BAD a FETCH: Unexpected ')'"]],
  ['a LOGIN "x\r\nb NOOP\r\n', [`BAD a LOGIN: Missing '"'`, 'b NOOP']],
  ['a LOGIN \xff\r\n', ['BAD a LOGIN: 8bit data in atom']],
  ['a LOGIN x\0\r\n', ['BAD a LOGIN: Invalid characters in atom']],
  ['a LOGIN "x\0"\r\n', ['BAD a LOGIN: NULs in command input']],
  ['\r\n', ['BAD * : Invalid tag']],
  ['a\r\n', ['BAD a : Invalid command name']],
  ['+ NOOP\r\n', ['BAD * : Invalid tag']],
  ['* NOOP\r\n', ['BAD * : Invalid tag']],
  ['(a NOOP\r\n', ['BAD * : Invalid tag']],
  ['a UID\r\n', ['BAD a UID: Invalid command name']],
  ['a LOGIN {x}\r\n', ['BAD a LOGIN: Invalid literal size']],
  // A refused literal: the client of a synchronising one goes on with commands, the other's octets are swallowed.
  ['a LOGIN {99999999}\r\nb NOOP\r\n', ['BAD a LOGIN: Literal size too large', 'b NOOP']],
  [
    'a LOGIN {70000+}\r\n' + 'x NOOP\r\n'.repeat(8750) + ' y\r\nb NOOP\r\n',
    ['BAD a LOGIN: Literal size too large', 'b NOOP'],
  ],
  [
    'a LOGIN \xff {8+}\r\nx NOOP\r\n {8+}\r\ny NOOP\r\n\r\nb NOOP\r\n',
    ['BAD a LOGIN: 8bit data in atom', 'b NOOP'],
  ],
  ['a LOGIN x {99999999999999999999999999+}\r\nb NOOP\r\n', ['FATAL Invalid literal size']],
  [
    `a LOGIN ${'x'.repeat(70_000)} {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n`,
    ['BAD a LOGIN: Too long argument', 'b NOOP'],
  ],
  [`a LOGIN ${'('.repeat(51)}\r\nb NOOP\r\n`, ['BAD a LOGIN: Too many parentheses', 'b NOOP']],
  [
    'a APPEND box (\\Seen) {5}\r\nhello\r\nb NOOP\r\n',
    ['append box (\\Seen) {5}', 'data hello', 'a APPEND', 'b NOOP'],
  ],
  ['a APPEND {3+}\r\nbox {5+}\r\nhello junk\r\n', ['append <box> {5+}', 'data hello', 'a APPEND junk']],
  ['a APPEND box\r\n', ['a APPEND box']],
];

describe('CommandReader', () => {
  it.each(cases.map(([input, expected]) => [input.slice(0, 60), input, expected] as const))(
    'reads %j',
    (_, input, expected) => {
      const bytes = Buffer.from(input, 'latin1');
      expect(readAll([bytes])).toEqual(expected);
      if (bytes.length < 1000) expect(readAll(bytewise(bytes))).toEqual(expected);
    },
  );

  it('follows an over-long line to its end, octet by octet', () => {
    const limits = { maxCommand: 80, maxLiteral: 20 };
    const bytes = Buffer.from(
      `a LOGIN ${'x'.repeat(200)} {8+}\r\nx NOOP\r\n\r\nb LOGIN {21+}\r\n${'y NOOP\r\n'.repeat(2)}12345\r\nc NOOP\r\n`,
    );
    const expected = ['BAD a LOGIN: Too long argument', 'BAD b LOGIN: Literal size too large', 'c NOOP'];
    expect(readAll([bytes], { limits })).toEqual(expected);
    expect(readAll(bytewise(bytes), { limits })).toEqual(expected);
  });

  it('never runs a refused APPEND literal as commands', () => {
    const bytes = Buffer.from('a APPEND box {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n');
    expect(readAll([bytes], { refuse: true })).toEqual(['append box {8+}', 'b NOOP']);
    expect(readAll(bytewise(bytes), { refuse: true })).toEqual(['append box {8+}', 'b NOOP']);
  });

  it('keeps to the limits before login', () => {
    const limits = LOGIN_CODEC_LIMITS;
    expect(readAll([Buffer.from('a ID ((\r\nb LOGIN {1025}\r\nc NOOP\r\n')], { limits })).toEqual([
      'BAD a ID: Too many parentheses',
      'BAD b LOGIN: Literal size too large',
      'c NOOP',
    ]);
  });

  it('holds little of a line without end', () => {
    const reader = new CommandReader(DEFAULT_CODEC_LIMITS);
    for (let count = 0; count < 500; count++) {
      reader.push(Buffer.alloc(1000, 'x'));
      expect(reader.next()).toBeUndefined();
      expect(reader.buffered).toBeLessThan(70_000);
    }
    reader.push(Buffer.from('\r\na NOOP\r\n'));
    expect(reader.next()).toMatchObject({ kind: 'invalid', text: 'Too long argument' });
    expect(reader.next()).toMatchObject({ kind: 'command', verb: 'NOOP' });
  });

  it('takes long input octet by octet in time that grows with its length', () => {
    const reader = new CommandReader(DEFAULT_CODEC_LIMITS);
    const line = Buffer.from(`a SEARCH ${'x '.repeat(10_000)}\r\n`);
    for (const byte of line) {
      reader.push(Buffer.of(byte));
      const event = reader.next();
      if (event !== undefined) expect(event).toMatchObject({ kind: 'command' });
    }
  });

  const piece = fc.constantFrom(
    'a NOOP\r\n',
    'b LOGIN {5+}\r\nx\r\nyz\r\n',
    'c APPEND m {7+}\r\nd NOOP\n\r\n',
    ' {3+}\r\n',
    '{9}\r\n',
    '"',
    '(',
    ')',
    '\\',
    '\r\n',
    '\n',
    '\r',
    'UID ',
    'FETCH ',
    'z',
    ' ',
    '\0',
    '\xff',
    '+',
    '*',
    '~{2+}\r\nab',
    '{999999+}\r\n',
  );

  it('gives the same events for any chunking, and never throws', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }),
        fc.boolean(),
        (pieces, cuts, refuse) => {
          const bytes = Buffer.from(pieces.join(''), 'latin1');
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(bytes.subarray(at, at + cut));
            at += cut;
          }
          chunks.push(bytes.subarray(at));
          expect(readAll(chunks, { refuse })).toEqual(readAll([bytes], { refuse }));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('swallows exactly what was announced', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.boolean(), (text, append) => {
        const body = Buffer.from(text.replaceAll('Q', ''), 'utf8');
        const head = append ? 'a APPEND m' : 'a LOGIN \x01';
        const bytes = Buffer.concat([
          Buffer.from(`${head} {${body.length}+}\r\n`),
          body,
          Buffer.from('\r\nQ NOOP\r\n'),
        ]);
        const events = readAll([bytes], { refuse: true });
        expect(events).toHaveLength(2);
        expect(events[1]).toBe('Q NOOP');
      }),
      { numRuns: 200 },
    );
  });
});
