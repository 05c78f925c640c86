// Reads the MIME fields of a part's header (RFC 2045, 2183, 3282, 1864, 2557) into what BODYSTRUCTURE shows.
// Broken values are shown as far as they could be read, as Dovecot does.

import { CODES, HeaderLexer } from './header-lexer.ts';
import { fieldValue, type HeaderField } from './header.ts';
import { parseParameters } from './parameters.ts';
import type { Disposition, Parameter } from './structure.ts';

export interface ContentType {
  readonly type: string;
  readonly subtype: string;
  readonly parameters: readonly Parameter[];
}

/** `type "/" subtype *(";" parameter)`. What is missing is empty; parameters are read only after a whole type. */
export function parseContentType(value: string): ContentType {
  const lexer = new HeaderLexer(value);
  lexer.skipCfws();
  const type = lexer.token() ?? '';
  if (type === '' || !lexer.accept(CODES.slash)) return { type, subtype: '', parameters: [] };
  lexer.skipCfws();
  const subtype = lexer.token();
  if (subtype === undefined) return { type, subtype: '', parameters: [] };
  return { type, subtype, parameters: parseParameters(lexer) };
}

/** RFC 2183 §2; null when there is no type. */
export function parseContentDisposition(value: string): Disposition | null {
  const lexer = new HeaderLexer(value);
  lexer.skipCfws();
  const type = lexer.token();
  if (type === undefined) return null;
  return { type, parameters: parseParameters(lexer) };
}

/** RFC 3282 §2: `language-tag *("," language-tag)`. */
export function parseContentLanguage(value: string): readonly string[] | null {
  const lexer = new HeaderLexer(value);
  const tags: string[] = [];
  lexer.skipCfws();
  while (!lexer.done) {
    const tag = lexer.token();
    if (tag !== undefined) tags.push(tag);
    if (!lexer.accept(CODES.comma)) break;
    lexer.skipCfws();
  }
  return tags.length === 0 ? null : tags;
}

/** RFC 2045 §6.1: one token and nothing after it, or null. */
export function parseTransferEncoding(value: string): string | null {
  const lexer = new HeaderLexer(value);
  lexer.skipCfws();
  const token = lexer.token();
  return token !== undefined && lexer.done ? token : null;
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

type Draft = { -readonly [K in keyof MimeFields]: MimeFields[K] };

const READERS: ReadonlyMap<string, (draft: Draft, value: string) => void> = new Map<
  string,
  (draft: Draft, value: string) => void
>([
  ['mime-version', (draft) => void (draft.mimeVersion = true)],
  ['content-type', (draft, value) => void (draft.contentType = parseContentType(value))],
  ['content-id', (draft, value) => void (draft.id = value)],
  ['content-description', (draft, value) => void (draft.description = value)],
  [
    'content-transfer-encoding',
    (draft, value) => void (draft.encoding = parseTransferEncoding(value) ?? draft.encoding),
  ],
  ['content-md5', (draft, value) => void (draft.md5 = value)],
  ['content-disposition', (draft, value) => void (draft.disposition = parseContentDisposition(value))],
  ['content-language', (draft, value) => void (draft.language = parseContentLanguage(value))],
  ['content-location', (draft, value) => void (draft.location = value)],
]);

/** The MIME fields of one header block. */
export function mimeFields(header: Uint8Array, fields: readonly HeaderField[]): MimeFields {
  const draft: Draft = {
    mimeVersion: false,
    contentType: null,
    id: null,
    description: null,
    encoding: '7bit',
    md5: null,
    disposition: null,
    language: null,
    location: null,
  };
  for (const field of fields) {
    const read = READERS.get(field.name.toLowerCase());
    if (read !== undefined) read(draft, fieldValue(header, field));
  }
  return draft;
}
