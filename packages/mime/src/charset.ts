// Turns octets of a named charset into text. iconv-lite knows the many; the runtime's own decoder has the
// stateful ones it lacks (ISO-2022-JP and kin). Never throws: an unknown charset is read as UTF-8 where that
// is valid and octet by octet where not, which keeps ASCII searchable.

import iconv from 'iconv-lite';

/** Names seen in mail that neither decoder knows under this spelling. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['ansi_x3.4-1968', 'us-ascii'],
  ['unknown-8bit', 'windows-1252'],
  ['x-unknown', 'utf-8'],
  ['x-user-defined', 'windows-1252'],
  ['cp-850', 'cp850'],
  ['iso-8859-8-i', 'iso-8859-8'],
  ['iso-8859-8-e', 'iso-8859-8'],
  ['x-gbk', 'gbk'],
  ['ks_c_5601-1987', 'euc-kr'],
  ['utf-8-mac', 'utf-8'],
]);

/** iconv-lite also answers to encodings that are no charsets. */
const NOT_CHARSETS = new Set(['base64', 'hex', 'binary', 'internal', 'ucs2', 'utf16']);
const STATEFUL = /^(iso-?2022-(jp|kr|cn)\S{0,10}|csiso2022(jp|kr)|hz-gb-2312)$/;
const MAX_CHARSET_NAME = 60;

type Decode = (bytes: Buffer) => string;

const decoders = new Map<string, Decode | null>();
/** Names remembered; senders may invent as many as they like. */
const MAX_REMEMBERED = 200;

function normalize(charset: string): string {
  const name = charset
    .trim()
    .replace(/^["']+|["']+$/g, '')
    .toLowerCase();
  return ALIASES.get(name) ?? name;
}

function makeDecoder(name: string): Decode | null {
  if (name === '' || name.length > MAX_CHARSET_NAME || NOT_CHARSETS.has(name)) return null;
  if (name === 'utf-8' || name === 'utf8') return (bytes) => bytes.toString('utf8');
  if (name === 'us-ascii' || name === 'ascii') return decodeUnknown;
  if (STATEFUL.test(name)) return textDecoder(name.startsWith('iso-2022-jp') ? 'iso-2022-jp' : name);
  if (iconv.encodingExists(name)) return (bytes) => iconv.decode(bytes, name);
  return textDecoder(name);
}

function textDecoder(name: string): Decode | null {
  try {
    const decoder = new TextDecoder(name);
    // ISO-2022-KR and HZ are "replacement" in the runtime: one U+FFFD for everything, worse than nothing.
    if (decoder.encoding === 'replacement') return null;
    return (bytes) => decoder.decode(bytes);
  } catch {
    return null;
  }
}

function decoderFor(charset: string): Decode | null {
  const known = decoders.get(charset);
  if (known !== undefined) return known;
  const decode = makeDecoder(normalize(charset));
  if (decoders.size >= MAX_REMEMBERED) decoders.clear();
  if (charset.length <= MAX_CHARSET_NAME) decoders.set(charset, decode);
  return decode;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUnknown(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

/** Whether text in this charset can be read: what IMAP SEARCH asks before it answers BADCHARSET. */
export function isKnownCharset(charset: string): boolean {
  return decoderFor(charset) !== null;
}

/** The octets as text. An unknown charset is read as UTF-8 or, where that fails, as Latin-1. */
export function decodeCharset(bytes: Uint8Array, charset: string): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decode = decoderFor(charset) ?? decodeUnknown;
  try {
    return decode(buffer);
  } catch {
    return decodeUnknown(buffer);
  }
}
