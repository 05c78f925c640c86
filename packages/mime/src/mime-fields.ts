// Reads the MIME fields of a part's header (RFC 2045, 2183, 3282, 1864, 2557) into what BODYSTRUCTURE shows.
// Broken values are shown as far as they could be read, as Dovecot does.

import { CODES, HeaderLexer, REPLACEMENT } from './header-lexer.ts';
import { fieldValue, type HeaderField } from './header.ts';
import { parseParameters } from './parameters.ts';
import type { Disposition, Parameter } from './structure.ts';

export interface ContentType {
  readonly type: string;
  readonly subtype: string;
  readonly parameters: readonly Parameter[];
}

const BROKEN_TYPE: ContentType = { type: '', subtype: '', parameters: [] };

/**
 * RFC 2045 §5.1: `type "/" subtype *(";" parameter)`. DOVECOT: a type without a slash has an empty subtype; a
 * type that goes on with anything else than parameters is shown as two empty strings.
 */
export function parseContentType(value: string): ContentType {
  const lexer = new HeaderLexer(value);
  lexer.skipCfws();
  const type = lexer.token();
  if (type === undefined) return BROKEN_TYPE;
  if (lexer.done) return { type, subtype: '', parameters: [] };
  if (!lexer.accept(CODES.slash)) return BROKEN_TYPE;
  lexer.skipCfws();
  const subtype = lexer.token();
  if (subtype === undefined || lexer.broken || !(lexer.done || lexer.next === CODES.semicolon)) {
    return BROKEN_TYPE;
  }
  return { type, subtype, parameters: parseParameters(lexer) };
}

/** RFC 2183 §2. The type is empty where it is missing. */
export function parseContentDisposition(value: string): Disposition {
  const lexer = new HeaderLexer(value);
  lexer.skipCfws();
  return { type: lexer.token() ?? '', parameters: parseParameters(lexer) };
}

/** RFC 3282 §2: `language-tag *("," language-tag)`, up to the first thing that is none; null without any. */
export function parseContentLanguage(value: string): readonly string[] | null {
  const lexer = new HeaderLexer(value);
  const tags: string[] = [];
  do {
    lexer.skipCfws();
    // DOVECOT: an atom, which may hold a slash.
    const tag = lexer.atom();
    if (tag === undefined || lexer.broken) break;
    tags.push(tag);
  } while (lexer.accept(CODES.comma));
  return tags.length === 0 ? null : tags;
}

/** RFC 2045 §6.1: one token and nothing after it, or null. */
export function parseTransferEncoding(value: string): string | null {
  const lexer = new HeaderLexer(value);
  lexer.skipCfws();
  const token = lexer.token();
  return token !== undefined && lexer.done && !lexer.broken ? token : null;
}

export interface MimeFields {
  readonly mimeVersion: boolean;
  readonly contentType: ContentType | null;
  readonly id: string | null;
  readonly description: string | null;
  readonly encoding: string;
  readonly md5: string | null;
  readonly disposition: Disposition | null;
  readonly language: readonly string[] | null;
  readonly location: string | null;
}

const plainText = (value: string): string => value.replaceAll('\0', REPLACEMENT);

type Draft = Omit<{ -readonly [K in keyof MimeFields]: MimeFields[K] }, 'encoding'> & {
  encoding: string | null;
};

// DOVECOT: of a repeated field the first counts, of Content-Disposition the last.
const READERS: ReadonlyMap<string, (draft: Draft, value: string) => void> = new Map([
  ['mime-version', (draft: Draft) => void (draft.mimeVersion = true)],
  ['content-type', (draft: Draft, value: string) => void (draft.contentType ??= parseContentType(value))],
  ['content-id', (draft: Draft, value: string) => void (draft.id ??= plainText(value))],
  ['content-description', (draft: Draft, value: string) => void (draft.description ??= plainText(value))],
  [
    'content-transfer-encoding',
    (draft: Draft, value: string) => void (draft.encoding ??= parseTransferEncoding(value)),
  ],
  ['content-md5', (draft: Draft, value: string) => void (draft.md5 ??= plainText(value))],
  [
    'content-disposition',
    (draft: Draft, value: string) => void (draft.disposition = parseContentDisposition(value)),
  ],
  [
    'content-language',
    (draft: Draft, value: string) => void (draft.language ??= parseContentLanguage(value)),
  ],
  ['content-location', (draft: Draft, value: string) => void (draft.location ??= plainText(value))],
]);

/** The MIME fields of one header block. */
export function mimeFields(header: Uint8Array, fields: readonly HeaderField[]): MimeFields {
  const draft: Draft = {
    mimeVersion: false,
    contentType: null,
    id: null,
    description: null,
    encoding: null,
    md5: null,
    disposition: null,
    language: null,
    location: null,
  };
  for (const field of fields) {
    const read = READERS.get(field.name.toLowerCase());
    if (read !== undefined) read(draft, fieldValue(header, field));
  }
  return { ...draft, encoding: draft.encoding ?? '7bit' };
}
