// Keywords, subscriptions and layouts: the small formats.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MailboxError } from '@postcote/mailbox';
import { findKeyword, formatKeywords, freeIndex, keywordName, parseKeywords } from './keywords.ts';
import { FS_LAYOUT, MAILDIRPP_LAYOUT } from './layout.ts';
import { formatSubscriptions, parseSubscriptions } from './subscriptions.ts';

describe('keywords', () => {
  it('keeps numbers, ignores nonsense', () => {
    const table = parseKeywords('0 $Forwarded\n2 work\n2 again\n26 toomany\nx\n3 a b\n25 omega\n');
    expect(formatKeywords(table)).toBe('0 $Forwarded\n2 work\n25 omega\n');
    expect(keywordName(table, 1)).toBe('unknown-1');
    expect(findKeyword(table, 'WORK')).toBe(2);
    expect(findKeyword(table, 'unknown-1')).toBe(1);
    expect(findKeyword(table, 'unknown-2')).toBe(-1);
    expect(findKeyword(table, 'unknown-26')).toBe(-1);
    expect(freeIndex(table, new Set([1, 3]))).toBe(4);
    expect(freeIndex(table, new Set(Array.from({ length: 26 }, (_, i) => i)))).toBe(-1);
  });
});

describe('subscriptions', () => {
  it('keeps the format it found', () => {
    const legacy = 'INBOX\nEntw&APw-rfe\nold/name\n';
    const v2 = 'V\t2\n\nINBOX\nArchive\t2015\n';
    expect(parseSubscriptions(legacy, '/')).toEqual({
      version: 1,
      names: ['INBOX', 'Entw&APw-rfe', 'old/name'],
    });
    expect(parseSubscriptions(v2, '/')).toEqual({ version: 2, names: ['INBOX', 'Archive/2015'] });
    for (const text of [legacy, v2])
      expect(formatSubscriptions(parseSubscriptions(text, '/'), '/')).toBe(text);
    expect(parseSubscriptions('a.b\n', '.').names).toEqual(['a/b']);
    expect(parseSubscriptions('', '/')).toEqual({ version: 2, names: [] });
  });

  it('escapes in version 2', () => {
    const text = 'V\t2\n\na\x01tb\tc\x011\x01n\n';
    const parsed = parseSubscriptions(text, '/');
    expect(parsed.names).toEqual(['a\tb/c\x01\n']);
    expect(formatSubscriptions(parsed, '/')).toBe(text);
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseSubscriptions(text, '/')));
  });
});

describe('layouts', () => {
  it.each([
    ['INBOX', '', ''],
    ['inbox', '', ''],
    ['A/B', 'A/B', '.A.B'],
    ['INBOX/x', 'INBOX/x', '.INBOX.x'],
    ['Inbox/x', 'INBOX/x', '.INBOX.x'],
    ['.hidden', '.hidden', undefined],
    ['a.b', 'a.b', undefined],
    ['a/cur', undefined, undefined],
    ['a/../b', undefined, undefined],
    ['~a', undefined, undefined],
    ['a/~b', undefined, undefined],
    ['', undefined, undefined],
  ])('%j', (name, fs, flat) => {
    for (const [layout, expected] of [
      [FS_LAYOUT, fs],
      [MAILDIRPP_LAYOUT, flat],
    ] as const) {
      if (expected === undefined) expect(() => layout.directory(name)).toThrow(MailboxError);
      else expect(layout.directory(name)).toBe(expected);
    }
  });

  it('never leave the root', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '.', '/', '~', 'cur', 'INBOX', '\\', '\0') }),
        (name) => {
          for (const layout of [FS_LAYOUT, MAILDIRPP_LAYOUT]) {
            try {
              const parts = layout.directory(name).split('/');
              expect(parts.some((part) => part === '..' || part === '.' || part.includes('\0'))).toBe(false);
            } catch (error) {
              expect(error).toMatchObject({ code: 'badName' });
            }
          }
        },
      ),
    );
  });
});
