// 8BITMIME messages for servers that take seven bits only (RFC 6152 §3): each part that declares `8bit` or `binary` becomes
// quoted-printable, and containers say `7bit`. A stream over lines: memory holds one header and the open boundaries.
//
// POSTFIX: as its smtp client does, parts are converted by what they declare; a message that is not MIME stays as it is.

import { parseContentType } from '@postcote/mime';

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);
const CRLF = Buffer.from('\r\n');
/** Octets of one header that are held; what goes beyond passes unchanged. */
const MAX_HEADER = 256 * 1024;
const MAX_DEPTH = 100;
/** RFC 2045 §6.7 (5): an encoded line has 76 octets at most, `=` included. */
const MAX_ENCODED = 75;

export interface Downgrade {
  push(chunk: Buffer): Buffer;
  end(): Buffer;
}

export function downgradeTo7Bit(): Downgrade {
  return new Downgrader();
}

interface PartHeader {
  readonly type: string;
  readonly subtype: string;
  readonly boundary: string | undefined;
}

class Downgrader implements Downgrade {
  #rest: Buffer = NOTHING;
  #out: Buffer[] = [];
  #state: 'header' | 'encode' | 'pass' = 'header';
  #header: Buffer[] = [];
  #headerSize = 0;
  readonly #boundaries: string[] = [];
  /** A digest's parts are messages unless they say otherwise (RFC 2046 §5.1.5). */
  #inDigest = false;

  push(chunk: Buffer): Buffer {
    const input = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = input.indexOf(LF); end !== -1; end = input.indexOf(LF, start)) {
      this.#line(input.subarray(start, end > start && input[end - 1] === CR ? end - 1 : end));
      start = end + 1;
    }
    this.#rest = Buffer.from(input.subarray(start));
    return this.#take();
  }

  end(): Buffer {
    if (this.#rest.length > 0) this.#line(this.#rest);
    this.#rest = NOTHING;
    if (this.#state === 'header') this.#out.push(...this.#header.flatMap((line) => [line, CRLF]));
    return this.#take();
  }

  #take(): Buffer {
    const out = this.#out.length === 0 ? NOTHING : Buffer.concat(this.#out);
    this.#out = [];
    return out;
  }

  #line(line: Buffer): void {
    if (this.#state !== 'header' || this.#header.length > 0) {
      const closed = this.#boundaryAt(line);
      if (closed !== undefined) {
        this.#flushHeader();
        this.#out.push(line, CRLF);
        this.#state = closed ? 'pass' : 'header';
        return;
      }
    }
    if (this.#state === 'pass') this.#out.push(line, CRLF);
    else if (this.#state === 'encode') this.#out.push(encodeLine(line), CRLF);
    else if (line.length === 0) this.#endHeader();
    else {
      this.#header.push(Buffer.from(line));
      this.#headerSize += line.length;
      if (this.#headerSize <= MAX_HEADER) return;
      this.#flushHeader();
      this.#state = 'pass';
    }
  }

  /** True: the end of a multipart; false: a part begins; undefined: neither. Outer boundaries end inner parts. */
  #boundaryAt(line: Buffer): boolean | undefined {
    if (line[0] !== 0x2d || line[1] !== 0x2d || this.#boundaries.length === 0) return undefined;
    const text = line.toString('latin1', 2).trimEnd();
    for (let depth = this.#boundaries.length - 1; depth >= 0; depth--) {
      const boundary = this.#boundaries[depth] ?? '';
      if (text !== boundary && text !== `${boundary}--`) continue;
      const closed = text !== boundary;
      this.#boundaries.length = closed ? depth : depth + 1;
      return closed;
    }
    return undefined;
  }

  #flushHeader(): void {
    this.#out.push(...this.#header.flatMap((line) => [line, CRLF]));
    this.#header = [];
    this.#headerSize = 0;
  }

  #endHeader(): void {
    const fields = unfold(this.#header);
    const encoding = valueOf(fields, 'content-transfer-encoding').toLowerCase().trim();
    const is8bit = encoding === '8bit' || encoding === 'binary';
    const part = describePart(fields, this.#inDigest);
    const isMultipart = part.type === 'multipart';
    const isMessage = part.type === 'message' && (part.subtype === 'rfc822' || part.subtype === 'global');
    if (isMultipart && part.boundary !== undefined && this.#boundaries.length < MAX_DEPTH) {
      this.#boundaries.push(part.boundary);
      this.#inDigest = part.subtype === 'digest';
    }
    const container = isMultipart || isMessage;
    for (const field of fields) {
      const isEncoding = field.name === 'content-transfer-encoding';
      if (is8bit && isEncoding)
        this.#out.push(
          Buffer.from(`Content-Transfer-Encoding: ${container ? '7bit' : 'quoted-printable'}\r\n`),
        );
      else this.#out.push(...field.lines.flatMap((line) => [line, CRLF]));
    }
    this.#out.push(CRLF);
    this.#header = [];
    this.#headerSize = 0;
    // An enclosed message has a header of its own; its parts are looked at like ours.
    if (isMessage) this.#state = 'header';
    else this.#state = is8bit && !container ? 'encode' : 'pass';
  }
}

interface FoldedField {
  /** In lower case; empty for a line that is no field. */
  readonly name: string;
  readonly value: string;
  readonly lines: readonly Buffer[];
}

function unfold(lines: readonly Buffer[]): FoldedField[] {
  const fields: { name: string; value: string; lines: Buffer[] }[] = [];
  for (const line of lines) {
    const text = line.toString('latin1');
    const last = fields.at(-1);
    if (last !== undefined && /^[ \t]/.test(text)) {
      last.value += text;
      last.lines.push(line);
      continue;
    }
    const colon = text.indexOf(':');
    const name = colon > 0 ? text.slice(0, colon).trim().toLowerCase() : '';
    fields.push({ name, value: colon > 0 ? text.slice(colon + 1) : '', lines: [line] });
  }
  return fields;
}

const valueOf = (fields: readonly FoldedField[], name: string): string =>
  fields.find((field) => field.name === name)?.value ?? '';

function describePart(fields: readonly FoldedField[], inDigest: boolean): PartHeader {
  const value = valueOf(fields, 'content-type');
  if (value === '')
    return inDigest
      ? { type: 'message', subtype: 'rfc822', boundary: undefined }
      : { type: 'text', subtype: 'plain', boundary: undefined };
  const parsed = parseContentType(value);
  if (parsed === undefined) return { type: 'text', subtype: 'plain', boundary: undefined };
  const boundary = parsed.parameters.find(([name]) => name.toLowerCase() === 'boundary')?.[1];
  return {
    type: parsed.type.toLowerCase(),
    subtype: parsed.subtype.toLowerCase(),
    boundary: boundary === '' ? undefined : boundary,
  };
}

const HEX = '0123456789ABCDEF';

// RFC 2045 §6.7.
function encodeLine(line: Buffer): Buffer {
  let out = '';
  let column = 0;
  for (let i = 0; i < line.length; i++) {
    const octet = line[i] ?? 0;
    const isLast = i === line.length - 1;
    const plain =
      (octet > 0x20 && octet < 0x7f && octet !== 0x3d) || ((octet === 0x20 || octet === 0x09) && !isLast);
    const piece = plain ? String.fromCharCode(octet) : `=${HEX[octet >> 4]}${HEX[octet & 15]}`;
    if (column + piece.length > MAX_ENCODED) {
      out += '=\r\n';
      column = 0;
    }
    out += piece;
    column += piece.length;
  }
  return Buffer.from(out, 'latin1');
}
