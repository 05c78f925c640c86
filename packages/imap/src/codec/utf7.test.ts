import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMailboxName, encodeMailboxName } from './utf7.ts';

describe('modified UTF-7', () => {
  it.each([
    ['Entwürfe', 'Entw&APw-rfe'],
    ['A&B', 'A&-B'],
    ['~peter/mail/台北/日本語', '~peter/mail/&U,BTFw-/&ZeVnLIqe-'],
    ['😀', '&2D3eAA-'],
    ['', ''],
  ])('%s ↔ %s', (text, encoded) => {
    expect(encodeMailboxName(text)).toBe(encoded);
    expect(decodeMailboxName(encoded)).toBe(text);
  });

  it.each([
    'A&B',
    '&',
    '&A-',
    '&APw',
    '&AGE-', // printable ASCII in base64
    '&APw-&APw-', // one run cut in two
    '&APx-', // padding that is not zero
    '&APwA-', // left over base64
    '&2D0-', // half a surrogate pair
    'ü',
    'a\tb',
    'a\r\nb',
    '&AP w-',
    '&AP/w-',
  ])('refuses %j', (name) => {
    expect(decodeMailboxName(name)).toBeUndefined();
  });

  it('brings every text back, and is the only spelling', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (text) => {
        const encoded = encodeMailboxName(text);
        expect(encoded).toMatch(/^[\x20-\x7e]*$/);
        expect(decodeMailboxName(encoded)).toBe(text);
      }),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('&', '-', 'A', 'P', 'w', 'x', ',', '/'), maxLength: 12 }),
        (name) => {
          const text = decodeMailboxName(name);
          if (text !== undefined) expect(encodeMailboxName(text)).toBe(name);
        },
      ),
    );
  });
});
