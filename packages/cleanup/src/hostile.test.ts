// Messages that are made to hurt whoever reads them: each costs processor time in proportion to its size, and never keeps
// the thread for long where it has a chance to give it up. Memory is not measured here.

import { describe, expect, it } from 'vitest';
import { CleanupStream } from './cleanup-stream.ts';
import type { CleanupSettings } from './settings.ts';
import { addressTable, localContext, patternTable, testFacts, testSettings } from './testing/index.ts';

const CHUNK = 64 * 1024;
const MIB = 1024 * 1024;
const WHOLE = 'From: a@b\r\nMessage-Id: <x@y>\r\nDate: now\r\n';

interface Hostile {
  readonly name: string;
  readonly text: () => string;
  /** What comes out; the same by default. */
  readonly output?: (text: string) => string;
  readonly settings?: Partial<CleanupSettings>;
}

const checks: Partial<CleanupSettings> = {
  headerChecks: patternTable([['^X-Never: ', 'REJECT']]),
  mimeHeaderChecks: patternTable([['^X-Never: ', 'REJECT']]),
  nestedHeaderChecks: patternTable([['^X-Never: ', 'REJECT']]),
  bodyChecks: patternTable([['^never this$', 'REJECT']]),
};

const canonical: Partial<CleanupSettings> = {
  canonical: [
    {
      title: 'canonical_maps',
      tables: [addressTable({ 'old@example.com': 'new@example.com' })],
      classes: new Set(['header_sender', 'header_recipient']),
    },
  ],
};

const boundary = (level: number): string => `${'b'.repeat(2000)}${level}`;

const CASES: readonly Hostile[] = [
  {
    name: 'a field of a megabyte, on one line',
    text: () => `${WHOLE}X-Long: ${'x'.repeat(MIB)}\r\n\r\nbody\r\n`,
    // POSTFIX: header_size_limit octets of it are kept.
    output: () => `${WHOLE}X-Long: ${'x'.repeat(testSettings.headerSizeLimit - 8)}\r\n\r\nbody\r\n`,
  },
  {
    name: 'a field of a megabyte, in folds of one octet',
    text: () => `${WHOLE}X-Long: x\r\n${' \r\n'.repeat(MIB / 3)}\r\nbody\r\n`,
    output: () =>
      `${WHOLE}X-Long: x${'\r\n '.repeat(Math.floor((testSettings.headerSizeLimit - 9) / 2))}` +
      // A line end that was the last octet kept.
      `${(testSettings.headerSizeLimit - 9) % 2 === 1 ? '\r\n\t' : ''}\r\n\r\nbody\r\n`,
  },
  { name: '100,000 fields', text: () => `${WHOLE}${'X-A: b\r\n'.repeat(100_000)}\r\nbody\r\n` },
  {
    name: '100,000 fields with an address each, completed',
    text: () => `${WHOLE}${'To: bob\r\n'.repeat(100_000)}\r\nbody\r\n`,
    output: () => `${WHOLE}${'To: bob@example.com\r\n'.repeat(100_000)}\r\nbody\r\n`,
  },
  {
    name: '100,000 addresses in one field, beyond header_address_token_limit',
    text: () => `${WHOLE}To: ${'bob,\r\n '.repeat(100_000)}bob\r\n\r\nbody\r\n`,
    settings: { headerSizeLimit: 2 * MIB },
  },
  {
    name: '20,000 addresses in one field without a limit',
    text: () => `${WHOLE}To: ${'bob,\r\n '.repeat(20_000)}bob\r\n\r\nbody\r\n`,
    output: () => `${WHOLE}To: ${foldedList(20_001)}\r\n\r\nbody\r\n`,
    settings: { headerSizeLimit: 2 * MIB, headerAddressTokenLimit: 0 },
  },
  {
    name: '20,000 addresses, canonical maps asked for each',
    text: () =>
      `${WHOLE}${`Cc: ${'old@example.com, '.repeat(999)}old@example.com\r\n`.repeat(20)}\r\nbody\r\n`,
    output: () => `${WHOLE}${`Cc: ${foldedList(1000, 'new@example.com')}\r\n`.repeat(20)}\r\nbody\r\n`,
    settings: canonical,
  },
  {
    name: 'multiparts a thousand deep with like boundaries, and lines that are nearly theirs',
    text: () => {
      const parts = Array.from({ length: 1000 }, (_, level) => {
        const type = `Content-Type: multipart/mixed; boundary="${boundary(level)}"\r\n\r\n`;
        return level === 0 ? type : `--${boundary(level - 1)}\r\n${type}`;
      });
      return `${WHOLE}${parts.join('')}${`--${'b'.repeat(2000)}\r\n`.repeat(1000)}`;
    },
    settings: checks,
  },
  {
    name: 'messages a thousand deep',
    text: () => `${WHOLE}${'Content-Type: message/rfc822\r\n\r\n'.repeat(1000)}X: y\r\n\r\nbody\r\n`,
    settings: checks,
  },
  {
    name: '100,000 boundaries in one field',
    text: () =>
      `${WHOLE}Content-Type: multipart/mixed${';boundary=b'.repeat(100_000)}\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n`,
    output: (text) => {
      const start = text.indexOf('Content-Type');
      const end = text.indexOf('\r\n', start);
      return text.slice(0, start + testSettings.headerSizeLimit) + text.slice(end);
    },
    settings: checks,
  },
  {
    name: '100,000 boundary lines',
    text: () => `${WHOLE}Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n'.repeat(100_000)}`,
    settings: checks,
  },
  {
    name: '50,000 parts with a header',
    text: () =>
      `${WHOLE}Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\nA: b\r\n\r\n'.repeat(50_000)}`,
    settings: checks,
  },
  {
    name: 'a line of four megabytes',
    text: () => `${WHOLE}\r\n${'x'.repeat(4 * MIB)}\r\n`,
    settings: checks,
  },
  { name: 'a megabyte of line ends', text: () => `${WHOLE}\r\n${'\r\n'.repeat(MIB / 2)}`, settings: checks },
  {
    name: 'NULs and 8-bit in header and body',
    text: () => `${WHOLE}X-\0: \0\xff\r\nTo: \0\xe9\xa0@b\r\n\r\n${'\0\xff\x80'.repeat(MIB)}\r\n`,
    output: (text) => text.replace('X-\0: \0\xff\r\n', '\r\nX-\0: \0\xff\r\n'),
    settings: checks,
  },
  {
    name: 'a megabyte of comments that never close',
    text: () => `${WHOLE}${`To: ${'('.repeat(10_000)}\r\n`.repeat(100)}\r\nbody\r\n`,
  },
  {
    name: 'a megabyte of backslashes',
    text: () => `${WHOLE}${`To: <${'\\'.repeat(10_001)}>\r\n`.repeat(100)}\r\nbody\r\n`,
    output: () => `${WHOLE}${`To: <"${'\\'.repeat(10_000)}"@example.com>\r\n`.repeat(100)}\r\nbody\r\n`,
  },
];

function foldedList(count: number, address = 'bob@example.com'): string {
  let line = 'To: '.length;
  let out = '';
  for (let i = 0; i < count; i++) {
    const word = i === count - 1 ? address : `${address},`;
    if (i === 0) out = word;
    else if (line + 1 + word.length < 70) out += ` ${word}`;
    else {
      out += `\r\n\t${word}`;
      line = word.length;
      continue;
    }
    line += (i === 0 ? 0 : 1) + word.length;
  }
  return out;
}

interface Cost {
  readonly text: string;
  readonly cpuMs: number;
  /** Without a chance for others. */
  readonly longestMs: number;
}

async function pass(text: string, settings: Partial<CleanupSettings>): Promise<Cost> {
  let spent = 0;
  let longest = 0;
  let since = 0;
  const begin = (): void => void (since = process.threadCpuUsage().user);
  const stop = (): void => {
    const took = process.threadCpuUsage().user - since;
    spent += took;
    longest = Math.max(longest, took);
  };
  const pause = async (): Promise<void> => {
    stop();
    await new Promise(setImmediate);
    begin();
  };
  const stream = new CleanupStream(
    { ...testSettings, ...settings },
    { ...testFacts, context: localContext },
    { info: () => {}, warn: () => {}, pause },
  );
  const out: string[] = [];
  const emit = (piece: Buffer): void => void out.push(piece.toString('latin1'));
  const octets = Buffer.from(text, 'latin1');
  for (let at = 0; at < octets.length; at += CHUNK) {
    begin();
    await stream.write(octets.subarray(at, at + CHUNK), emit);
    stop();
  }
  begin();
  await stream.finish(emit);
  stop();
  return { text: out.join(''), cpuMs: spent / 1000, longestMs: longest / 1000 };
}

describe('hostile messages', () => {
  it.each(CASES)('$name', async ({ text: make, output, settings = {} }) => {
    const text = make();
    const { text: passed, cpuMs, longestMs } = await pass(text, settings);
    const expected = output === undefined ? text : output(text);
    if (passed !== expected) {
      let at = 0;
      while (at < passed.length && passed[at] === expected[at]) at++;
      expect(passed.slice(at - 60, at + 60)).toBe(expected.slice(at - 60, at + 60));
    }
    // Many times what it takes on a quiet machine, and far below anything that grows with the square of the size.
    expect(cpuMs).toBeLessThan(3000);
    expect(longestMs).toBeLessThan(600);
  });
});
