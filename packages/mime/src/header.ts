// Reads a header block into fields that keep their octets, and answers HEADER.FIELDS from them (RFC 3501
// §6.4.5). Values come out as binary strings: one character per octet (`latin1`), so that nothing is lost
// before somebody knows the charset.
//
// Tolerant: LF alone ends a line as CRLF does; a line without a colon is a field without a name; the block may lack
// its empty line. Linear in the octets; never throws.

const SPACE = 0x20;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;

export interface HeaderField {
  /** As written, without white space before the colon; empty where there is no colon. */
  readonly name: string;
  /** Where the field's octets are in the block: up to and with the terminator of its last line. */
  readonly start: number;
  readonly end: number;
  /** First octet after the colon; `end` where there is none. */
  readonly valueStart: number;
}

/** How many fields of one block are told apart; what follows them belongs to the last. */
export const MAX_HEADER_FIELDS = 50_000;

/** Where the line beginning at `start` ends, its terminator included. */
function lineEnd(bytes: Uint8Array, start: number): number {
  const lf = bytes.indexOf(LF, start);
  return lf === -1 ? bytes.length : lf + 1;
}

function isBlankLine(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === LF || (bytes[start] === CR && bytes[start + 1] === LF);
}

function fieldName(bytes: Buffer, start: number, colon: number): string {
  let nameEnd = colon;
  while (nameEnd > start) {
    const c = bytes[nameEnd - 1];
    if (c !== SPACE && c !== TAB) break;
    nameEnd--;
  }
  return bytes.toString('latin1', start, nameEnd);
}

/** The fields of a header block, up to its empty line or its end. */
export function parseHeaderFields(header: Uint8Array): HeaderField[] {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  const fields: HeaderField[] = [];
  let start = 0;
  while (start < bytes.length && !isBlankLine(bytes, start)) {
    const firstEnd = lineEnd(bytes, start);
    let end = firstEnd;
    while (
      end < bytes.length &&
      (bytes[end] === SPACE ||
        bytes[end] === TAB ||
        (fields.length >= MAX_HEADER_FIELDS && !isBlankLine(bytes, end)))
    ) {
      end = lineEnd(bytes, end);
    }
    const colon = bytes.subarray(start, firstEnd).indexOf(COLON);
    fields.push({
      name: colon === -1 ? '' : fieldName(bytes, start, start + colon),
      start,
      end,
      valueStart: colon === -1 ? end : start + colon + 1,
    });
    start = end;
  }
  return fields;
}

/** Octets up to and with the empty line that ends a header, or all of them when there is none. */
export function headerLength(bytes: Uint8Array): number {
  let start = 0;
  while (start < bytes.length) {
    const end = lineEnd(bytes, start);
    if (isBlankLine(bytes, start)) return end;
    start = end;
  }
  return bytes.length;
}

/**
 * The field's value as a binary string: unfolded, without the white space after the colon.
 * RFC 5322 §2.2.3: only the line ends go, the white space after them stays.
 */
export function fieldValue(header: Uint8Array, field: HeaderField): string {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  let start = field.valueStart;
  let value = '';
  for (let first = true; start < field.end; first = false) {
    const next = Math.min(lineEnd(bytes, start), field.end);
    let end = next;
    if (end > start && bytes[end - 1] === LF) end--;
    if (end > start && bytes[end - 1] === CR) end--;
    if (first) {
      while (start < end && (bytes[start] === SPACE || bytes[start] === TAB)) start++;
      value = bytes.toString('latin1', start, end);
    } else {
      value += bytes.toString('latin1', start, end);
    }
    start = next;
  }
  return value;
}

/**
 * The octets of the fields whose names are in `names` (any case), or with `not` of all the others, in their
 * order in the header, and an empty line after them: HEADER.FIELDS and HEADER.FIELDS.NOT.
 */
export function selectHeaderFields(
  header: Uint8Array,
  names: readonly string[],
  options: { readonly not?: boolean } = {},
): Buffer {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const not = options.not ?? false;
  const pieces: Uint8Array[] = [];
  for (const field of parseHeaderFields(header)) {
    if (wanted.has(field.name.toLowerCase()) === not) continue;
    pieces.push(header.subarray(field.start, field.end));
    if (header[field.end - 1] !== LF) pieces.push(CRLF);
  }
  pieces.push(CRLF);
  return Buffer.concat(pieces);
}

const CRLF = Buffer.from('\r\n');

/** The unfolded values of all fields called `name`, in order. */
export function headerValues(header: Uint8Array, name: string): string[] {
  const wanted = name.toLowerCase();
  return parseHeaderFields(header)
    .filter((field) => field.name.toLowerCase() === wanted)
    .map((field) => fieldValue(header, field));
}

/** White space and line ends as single spaces, none at the ends; control characters too: for text to be shown. */
export function tidyText(text: string): string {
  return text.replace(/[\t\n\r ]+/g, ' ').replace(/^ | $/g, '');
}
