// Decodes RFC 2047 encoded words in header text, and raw octets round them. Linear; never throws: what is no encoded
// word stays as it stands.
//
//   encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="

import { decodeCharset } from './charset.ts';

/** RFC 2047 §2 allows 75; mail holds longer ones. */
const MAX_ENCODED_WORD = 20_000;

interface EncodedWord {
  readonly charset: string;
  readonly octets: Buffer;
  readonly end: number;
}

/** Header text (a binary string, as fields give it) as people read it. */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return decodeRaw(text);
  let result = '';
  let from = 0;
  let at = text.indexOf('=?');
  /** Octets of adjacent words in one charset: a character may be cut between them. */
  let pending: Buffer[] = [];
  let charset = '';
  const flush = (): void => {
    if (pending.length > 0) result += decodeCharset(Buffer.concat(pending), charset);
    pending = [];
  };
  while (at !== -1) {
    const word = readWord(text, at);
    if (word === undefined) {
      at = text.indexOf('=?', at + 2);
      continue;
    }
    const between = text.slice(from, at);
    // RFC 2047 §6.2: white space between two encoded words is not shown.
    if (pending.length === 0 || /[^ \t\r\n]/.test(between)) {
      flush();
      result += decodeRaw(between);
    }
    if (word.charset !== charset) flush();
    charset = word.charset;
    pending.push(word.octets);
    from = word.end;
    at = text.indexOf('=?', from);
  }
  flush();
  return result + decodeRaw(text.slice(from));
}

/** Octets that nobody declared: UTF-8 where they are, Latin-1 where not (RFC 6532 knows UTF-8 alone). */
function decodeRaw(text: string): string {
  return /[\x80-\xff]/.test(text) ? decodeCharset(Buffer.from(text, 'latin1'), 'us-ascii') : text;
}

/** The encoded word that begins at `start`. Looks no further than the longest one could reach. */
function readWord(text: string, start: number): EncodedWord | undefined {
  const head = /^=\?([^?\s]{1,80})\?([bBqQ])\?/.exec(text.slice(start, start + 90));
  if (head === null) return undefined;
  const [whole, named = '', encoding = ''] = head;
  const contentStart = start + whole.length;
  const end = findEnd(text, contentStart);
  if (end === undefined) return undefined;
  const content = text.slice(contentStart, end);
  const star = named.indexOf('*');
  return {
    charset: star === -1 ? named : named.slice(0, star),
    octets: /[bB]/.test(encoding) ? Buffer.from(content, 'base64') : decodeQ(content),
    end: end + 2,
  };
}

/** Where `?=` ends a word's text, which holds no other question mark. Spaces, though forbidden, are met with. */
function findEnd(text: string, start: number): number | undefined {
  const limit = Math.min(text.length, start + MAX_ENCODED_WORD);
  for (let i = start; i < limit; i++) {
    if (text.charCodeAt(i) !== 0x3f) continue;
    return text.charCodeAt(i + 1) === 0x3d ? i : undefined;
  }
  return undefined;
}

/** RFC 2047 §4.2. */
function decodeQ(content: string): Buffer {
  const octets = content
    .replaceAll('_', ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1');
}
