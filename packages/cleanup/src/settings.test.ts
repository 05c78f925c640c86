// Settings that change little and are easily lost, each by what comes of it.

import { expect, it } from 'vitest';
import { cleanEnvelope } from './envelope.ts';
import { completeAddress } from './rewrite-context.ts';
import { NO_OVERRIDES } from './settings.ts';
import { localContext, patternTable, runStream, testSettings } from './testing/index.ts';

it.each<[string, boolean, string]>([
  ['bob', true, 'bob@example.com'],
  ['bob', false, 'bob'],
  ['"b b"', true, '"b b"@example.com'],
  ['"b b"', false, '"b b"'],
  ['site!bob', false, 'bob@site'],
  ['bob@x', false, 'bob@x'],
])('append_at_myorigin: %s, %s: %s', (address, appendAtMyorigin, expected) => {
  expect(completeAddress(address, { ...localContext, appendAtMyorigin })).toBe(expected);
});

it.each<[string, string]>([
  ['MAILER-DAEMON', 'MAILER-DAEMON@example.com'],
  ['postmaster@other.example', 'postmaster@other.example'],
])('empty_address_recipient = %s', async (emptyAddressRecipient, expected) => {
  const { recipients } = await cleanEnvelope(
    { sender: 'a@b', recipients: [{ address: '' }] },
    { settings: { ...testSettings, emptyAddressRecipient }, overrides: NO_OVERRIDES, warn: () => {} },
  );
  expect(recipients.map(({ address }) => address)).toEqual([expected]);
});

// A boundary is what its first octets say: lines that share them begin a part.
it.each<[number, string]>([
  [2048, 'yes'],
  [4, 'replaced'],
])('mime_boundary_length_limit = %s', async (mimeBoundaryLengthLimit, expected) => {
  const input =
    'Content-Type: multipart/mixed; boundary=abcdefgh\r\n\r\n--abcdXXXX\r\nContent-Id: yes\r\n\r\nx\r\n';
  const { text } = await runStream(input, {
    settings: {
      mimeBoundaryLengthLimit,
      mimeHeaderChecks: patternTable([['^Content-Id: yes', 'REPLACE Content-Id: replaced']]),
    },
  });
  expect(text).toContain(`Content-Id: ${expected}\r\n`);
});
