import { expect, test } from 'vitest';
import fc from 'fast-check';
import { findMessageId } from './message-id.ts';

test.each([
  ['plain', 'Received: x\r\nMessage-ID: <a@b>\r\n\r\n', '<a@b>'],
  ['any case', 'MESSAGE-id:<a@b>\r\n', '<a@b>'],
  ['folded', 'Message-Id:\r\n <a@b>\r\nTo: x\r\n\r\n', '<a@b>'],
  ['bare LF', 'Subject: x\nMessage-ID: <a@b>\n\n', '<a@b>'],
  ['none', 'Subject: x\r\n\r\nMessage-ID: <body@b>\r\n', ''],
  ['another name', 'Message-IDs: <a@b>\r\nX-Message-ID: <c@d>\r\n\r\n', ''],
  ['cut short', 'Message-ID: <a@', '<a@'],
  ['empty message', '', ''],
  ['no header at all', '\r\nMessage-ID: <a@b>\r\n', ''],
])('%s', (_, head, id) => {
  expect(findMessageId(Buffer.from(head))).toBe(id);
});

test('a value without end is cut', () => {
  expect(findMessageId(Buffer.from(`Message-ID: ${'a'.repeat(100_000)}`)).length).toBeLessThan(1000);
});

test('no octets make it throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
      expect(findMessageId(Buffer.from(octets))).not.toContain('\n');
    }),
  );
});
