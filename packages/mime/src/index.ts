// Public entry of the package; README.md describes it.
export * from './structure.ts';
export { StructureParser, parseMessageStructure } from './structure-parser.ts';
export {
  type HeaderField,
  fieldValue,
  headerLength,
  headerValues,
  parseHeaderFields,
  selectHeaderFields,
} from './header.ts';
export { parseAddressList } from './address-list.ts';
export { parseEnvelope } from './envelope.ts';
export {
  type ContentType,
  parseContentDisposition,
  parseContentLanguage,
  parseContentType,
  parseTransferEncoding,
} from './mime-fields.ts';
export { decodeExtendedValue, decodeParameter } from './parameters.ts';
export { decodeCharset, isKnownCharset } from './charset.ts';
export { decodeTransferEncoding, safeCut } from './transfer-encoding.ts';
export { decodeWords } from './encoded-word.ts';
export { type HeaderDate, parseDate } from './date.ts';
export { parseMessageIds } from './message-id.ts';
export { baseSubject, type BaseSubject } from './base-subject.ts';
export {
  findInMessage,
  foldForSearch,
  MAX_SEARCHED_HEADER,
  type OctetSource,
  searchableText,
  type SearchScope,
  type TextPiece,
} from './search-text.ts';
