import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageFacts } from './cleanup-stream.ts';
import type { CleanupSettings } from './settings.ts';
import { addressTable, localContext, patternTable, runStream } from './testing/index.ts';

interface Case {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly settings?: Partial<CleanupSettings>;
  readonly facts?: Partial<MessageFacts>;
}

const local = { context: localContext };
const WHOLE = 'From: a@b\r\nMessage-Id: <x@y>\r\nDate: now\r\n';

const CASES: readonly Case[] = [
  { name: 'a message of a stranger', input: 'To: bob\r\n\r\nx\r\n', output: 'To: bob\r\n\r\nx\r\n' },
  { name: 'nothing', input: '', output: '' },
  {
    name: 'fields that are dropped',
    input: 'Bcc: x,\r\n y\r\nTo: z@b\r\nReturn-Path: <q>\r\n\r\nBcc: stays\r\n',
    output: 'To: z@b\r\n\r\nBcc: stays\r\n',
  },
  { name: 'a blank before the colon', input: 'Subject : x\r\n\r\n', output: 'Subject: x\r\n\r\n' },
  { name: 'text in the header', input: 'A: x\r\nno field\r\n', output: 'A: x\r\n\r\nno field\r\n' },
  {
    name: 'what is missing',
    input: 'Subject: x\r\n\r\n',
    output:
      'Subject: x\r\nMessage-Id: <20261124221634.4A@mail.example.com>\r\n' +
      'Date: Tue, 24 Nov 2026 22:16:34 +0000 (UTC)\r\nFrom: bob@example.com\r\n\r\n',
    facts: local,
  },
  {
    name: 'a name with it',
    input: `Date: x\r\nMessage-Id: <x>\r\n\r\n`,
    output: 'Date: x\r\nMessage-Id: <x>\r\nFrom: Bob Example <bob@example.com>\r\n\r\n',
    facts: { ...local, fullName: 'Bob Example' },
  },
  {
    name: 'short addresses of a client of ours',
    input: `${WHOLE}To: bob, "C D" <carol> (c), x@y\r\n\r\n`,
    output: `${WHOLE}To: bob@example.com, C D <carol@example.com>(c), x@y\r\n\r\n`.replace('C D', '"C D"'),
    facts: local,
  },
  {
    name: 'fields in which nothing changes',
    input: `${WHOLE}To: (a)  bob@x ,\r\n\t  carol@y\r\n\r\n`,
    output: `${WHOLE}To: (a)  bob@x ,\r\n\t  carol@y\r\n\r\n`,
    facts: local,
  },
  {
    name: 'canonical addresses',
    input: `${WHOLE}To: old@example.com\r\nSender: old@example.com\r\n\r\n`,
    output: `${WHOLE}To: new@example.com\r\nSender: new@example.com\r\n\r\n`,
    facts: local,
    settings: {
      canonical: [
        {
          title: 'canonical_maps',
          tables: [addressTable({ 'old@example.com': 'new@example.com' })],
          classes: new Set(['header_sender', 'header_recipient']),
        },
      ],
    },
  },
  {
    name: 'replaced, prepended and removed fields',
    input: 'X-A: 1\r\nX-B: 2\r\nX-C: 3\r\n\r\nbody\r\n',
    output: 'X-A: one\r\nX-New: yes\r\nX-B: 2\r\n\r\nbody\r\n',
    settings: {
      headerChecks: patternTable([
        ['^X-A', 'REPLACE X-A: one'],
        ['^X-B', 'PREPEND X-New: yes'],
        ['^X-C', 'IGNORE'],
      ]),
    },
  },
  {
    name: 'body checks',
    input: 'X: y\r\n\r\nfoo\r\nbar\r\nbaz\r\n',
    output: 'X: y\r\n\r\nFOO\r\nbefore\r\nbar\r\n',
    settings: {
      bodyChecks: patternTable([
        ['^foo', 'REPLACE FOO'],
        ['^bar', 'PREPEND before'],
        ['^baz', 'IGNORE'],
      ]),
    },
  },
];

describe('CleanupStream', () => {
  it.each(CASES)('passes $name', async ({ input, output, ...how }) => {
    expect((await runStream(input, how)).text).toBe(output);
    for (const step of [1, 2, 7]) expect((await runStream(input, { ...how, step })).text).toBe(output);
  });

  it('changes nothing where nothing is to be done, in any chunks', async () => {
    const line = fc.oneof(
      fc.constantFrom(
        'Subject: x',
        ' folded',
        '\ttab',
        'Received: y',
        '--b',
        '--b--',
        'Content-Type: multipart/mixed; boundary=b',
        'To: a',
      ),
      fc
        .string({ maxLength: 60 })
        .map((text) => text.replace(/[\r\n\0]/g, '.').replace(/[^\x01-\xff]/g, '?')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), fc.nat(30), async (lines, step) => {
        // A header that ends in an empty line, as every message has once it passed the door.
        const input = `X: y\r\n\r\n${lines.map((text) => `${text}\r\n`).join('')}`;
        const settings = { bodyChecks: patternTable([]), headerChecks: patternTable([]) };
        expect((await runStream(input, { step: step + 1 })).text).toBe(input);
        const run = await runStream(input, {
          step: step + 1,
          settings: { ...settings, mimeHeaderChecks: patternTable([]) },
        });
        expect(run.text.replace(/ +:/g, ':')).toBe(input.replace(/[ \t]+:/g, ':').replace(/ +:/g, ':'));
      }),
    );
  });
});
