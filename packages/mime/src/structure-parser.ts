// Finds the MIME structure of a message while its octets stream by (RFC 2045, RFC 2046).
//
// Push style: `push` chunks of the CRLF form in any cut, then `finish`. It keeps the header block being read
// (bounded), the open parts (bounded in depth) and the values found; never a body. No recursion; linear in the
// octets but for the number of open boundaries, which is bounded. LF alone counts as a line end, too. Nothing
// throws: whatever is broken or beyond the limits is a leaf.

import { BoundaryStack, DECIDING_OCTETS } from './boundary.ts';
import { envelopeFromFields } from './envelope.ts';
import { parseHeaderFields } from './header.ts';
import { type ContentType, mimeFields } from './mime-fields.ts';
import {
  DEFAULT_STRUCTURE_LIMITS,
  type Envelope,
  type MessageStructure,
  type MimePart,
  type Parameter,
  type StructureLimits,
} from './structure.ts';

const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;

const EMPTY_ENVELOPE: Envelope = envelopeFromFields(Buffer.alloc(0), []);
const NO_FIELDS = mimeFields(Buffer.alloc(0), []);
const TEXT_DEFAULT: ContentType = { type: 'text', subtype: 'plain', parameters: [] };
const DIGEST_DEFAULT: ContentType = { type: 'message', subtype: 'rfc822', parameters: [] };
const OPAQUE: ContentType = { type: 'application', subtype: 'octet-stream', parameters: [] };
const US_ASCII: readonly Parameter[] = [['charset', 'us-ascii']];

interface OpenPart {
  headerStart: number;
  /** The root of a message: its header has an envelope. */
  readonly isMessage: boolean;
  /** RFC 2046 §5.1.5: the parts of a digest are messages unless they say otherwise. */
  readonly inDigest: boolean;
  bodyStart: number;
  /** For a multipart whose end was seen: where its epilogue begins. */
  closedAt: number;
  bodyStartLine: number;
  kind: MimePart['kind'];
  fields: ReturnType<typeof mimeFields> | undefined;
  envelope: Envelope;
  children: MimePart[];
  innerEnvelope: Envelope;
}

export class StructureParser {
  readonly #limits: StructureLimits;
  readonly #stack: OpenPart[] = [];
  readonly #boundaries = new BoundaryStack<number>();
  #parts = 0;
  #inHeader = true;
  /** The header being read, as much of it as is looked at: the first `#headerKept` octets. */
  #header = Buffer.allocUnsafe(4096);
  #headerKept = 0;
  /** Octets before the current line, and line ends among them. */
  #lineStart = 0;
  #lines = 0;
  /** Length of the line end before the current line: it belongs to a boundary line that follows. */
  #previousEnd = 0;
  /** The beginning of a line that a chunk left unfinished. */
  readonly #carry = Buffer.alloc(DECIDING_OCTETS + 2);
  #carried = 0;
  #carriedAll = 0;
  #carryLast = 0;
  #root: MimePart | undefined;

  constructor(limits: Partial<StructureLimits> = {}) {
    this.#limits = { ...DEFAULT_STRUCTURE_LIMITS, ...limits };
    this.#open(0, { isMessage: true, inDigest: false });
  }

  push(chunk: Uint8Array): void {
    const { length } = chunk;
    let at = 0;
    while (at < length) {
      if (this.#carriedAll === 0 && !this.#inHeader) {
        at = this.#skipBody(chunk, at);
        if (at === length) return;
      }
      const lf = chunk.indexOf(LF, at);
      const end = lf === -1 ? length : lf + 1;
      if (this.#inHeader) this.#keepHeader(chunk, at, end);
      if (lf === -1) {
        this.#carryOn(chunk, at, end);
        return;
      }
      if (this.#carriedAll === 0) this.#endLine(chunk.subarray(at, end), end - at);
      else {
        this.#carryOn(chunk, at, end);
        this.#endCarriedLine();
      }
      at = end;
    }
  }

  finish(): MessageStructure {
    if (this.#carriedAll > 0) this.#endCarriedLine();
    const size = this.#lineStart;
    // A header that the end of the message cut short may hold a message with yet another header.
    while (this.#inHeader) this.#endHeader(size);
    this.#closeDownTo(0, size, this.#lines);
    const root = this.#root as MimePart;
    return { size, envelope: (this.#stack[0] as OpenPart).envelope, root };
  }

  /** Passes over whole body lines that cannot be boundaries. Answers where to look closer. */
  #skipBody(chunk: Uint8Array, from: number): number {
    let at = from;
    let lines = 0;
    let previousEnd = this.#previousEnd;
    const { length } = chunk;
    const seekBoundary = this.#boundaries.size > 0;
    for (;;) {
      if (seekBoundary && chunk[at] === DASH) break;
      const lf = chunk.indexOf(LF, at);
      if (lf === -1) break;
      previousEnd = lf > at && chunk[lf - 1] === CR ? 2 : 1;
      lines++;
      at = lf + 1;
      if (at >= length) break;
    }
    this.#lines += lines;
    this.#lineStart += at - from;
    this.#previousEnd = previousEnd;
    return at;
  }

  #keepHeader(chunk: Uint8Array, start: number, end: number): void {
    const room = this.#limits.maxHeaderSize - this.#headerKept;
    if (room <= 0) return;
    const taken = Math.min(room, end - start);
    const needed = this.#headerKept + taken;
    if (needed > this.#header.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#limits.maxHeaderSize, needed * 2));
      this.#header.copy(larger, 0, 0, this.#headerKept);
      this.#header = larger;
    }
    this.#header.set(chunk.subarray(start, start + taken), this.#headerKept);
    this.#headerKept = needed;
  }

  #carryOn(chunk: Uint8Array, start: number, end: number): void {
    const room = DECIDING_OCTETS - this.#carried;
    const taken = Math.min(room, end - start);
    this.#carry.set(chunk.subarray(start, start + taken), this.#carried);
    this.#carried += taken;
    this.#carriedAll += end - start;
    // The last two octets tell the kind of line end; they may lie beyond what is kept.
    if (end - start >= 2) this.#carryLast = ((chunk[end - 2] as number) << 8) | (chunk[end - 1] as number);
    else if (end > start) this.#carryLast = ((this.#carryLast & 0xff) << 8) | (chunk[end - 1] as number);
  }

  #endCarriedLine(): void {
    const line = this.#carry.subarray(0, this.#carried);
    const length = this.#carriedAll;
    const endLength = (this.#carryLast & 0xff) !== LF ? 0 : this.#carryLast >> 8 === CR && length > 1 ? 2 : 1;
    this.#carried = 0;
    this.#carriedAll = 0;
    this.#carryLast = 0;
    this.#takeLine(line.subarray(0, Math.min(line.length, length - endLength)), length, endLength);
  }

  #endLine(line: Uint8Array, length: number): void {
    const endLength = length > 1 && line[length - 2] === CR ? 2 : 1;
    this.#takeLine(line.subarray(0, Math.min(DECIDING_OCTETS, length - endLength)), length, endLength);
  }

  /** One line: its deciding octets without the line end, its whole length, the length of its line end. */
  #takeLine(line: Uint8Array, length: number, endLength: number): void {
    const match = line[0] === DASH ? this.#boundaries.match(line) : undefined;
    if (match !== undefined && (match.closing || this.#parts < this.#limits.maxParts)) {
      this.#takeBoundary(match.index, match.owner, match.closing);
      this.#pass(length, endLength);
      const multipart = this.#stack[match.owner] as OpenPart;
      if (match.closing) multipart.closedAt = this.#lineStart;
      else {
        const inDigest = multipart.fields?.contentType?.subtype.toLowerCase() === 'digest';
        this.#open(this.#lineStart, { isMessage: false, inDigest });
      }
      return;
    }
    this.#pass(length, endLength);
    if (this.#inHeader && length === endLength) this.#endHeader(this.#lineStart);
  }

  #pass(length: number, endLength: number): void {
    this.#lineStart += length;
    this.#previousEnd = endLength;
    if (endLength > 0) this.#lines++;
  }

  /** Closes the parts inside the multipart whose boundary stands on the current line. */
  #takeBoundary(index: number, owner: number, closing: boolean): void {
    while (this.#inHeader) this.#endHeader(this.#lineStart);
    const start = this.#lineStart;
    if (this.#stack.length - 1 > owner) this.#closeInside(owner, start);
    this.#boundaries.truncate(closing ? index : index + 1);
  }

  /** Closes all parts inside the multipart `owner` at a boundary line that begins at `start`. */
  #closeInside(owner: number, start: number): void {
    // The line end before the boundary is part of it (RFC 2046 §5.1.1), even if it is the empty line of a header.
    let end = start - this.#previousEnd;
    let lines = this.#lines - (this.#previousEnd > 0 ? 1 : 0);
    const part = this.#stack.at(-1) as OpenPart;
    if (part.bodyStart === start) {
      const innermost = this.#cutHeader(start, end);
      // DOVECOT: only the innermost part loses it then; the bodies round that part keep it.
      this.#closeDownTo(Math.max(innermost, owner + 1), end, lines);
      end = start;
      lines = this.#lines;
    } else if (part.closedAt === start) {
      // DOVECOT: nor does a multipart without epilogue lose the line end of its own closing line.
      end = start;
      lines = this.#lines;
    }
    this.#closeDownTo(owner + 1, end, lines);
  }

  /**
   * Nothing but a header came before the boundary at `start`: its last line end goes. A message that has not
   * even a header leaves that to the part it is in. Answers the depth of the part that was cut.
   */
  #cutHeader(start: number, end: number): number {
    let depth = this.#stack.length - 1;
    while (depth > 0 && this.#isEmptyMessageAt(depth, start)) depth--;
    const cut = Math.max((this.#stack[depth] as OpenPart).headerStart, end);
    (this.#stack[depth] as OpenPart).bodyStart = cut;
    for (const part of this.#stack.slice(depth + 1)) part.headerStart = part.bodyStart = cut;
    return depth;
  }

  #isEmptyMessageAt(depth: number, start: number): boolean {
    const { isMessage, headerStart } = this.#stack[depth] as OpenPart;
    return isMessage && headerStart === start;
  }

  #open(start: number, role: { readonly isMessage: boolean; readonly inDigest: boolean }): void {
    this.#parts++;
    this.#stack.push({
      headerStart: start,
      ...role,
      bodyStart: start,
      closedAt: -1,
      bodyStartLine: this.#lines,
      kind: 'leaf',
      fields: undefined,
      envelope: EMPTY_ENVELOPE,
      children: [],
      innerEnvelope: EMPTY_ENVELOPE,
    });
    this.#inHeader = true;
    this.#headerKept = 0;
  }

  /** The header of the innermost part is complete and its body begins at `bodyStart`. */
  #endHeader(bodyStart: number): void {
    const part = this.#stack.at(-1) as OpenPart;
    // A boundary line is no part of the header it cut short.
    const header = this.#header.subarray(0, Math.min(this.#headerKept, bodyStart - part.headerStart));
    this.#inHeader = false;
    const fields = parseHeaderFields(header);
    const mime = mimeFields(header, fields);
    // DOVECOT: in a message that does not say it is MIME the other Content-* fields mean nothing (RFC 2045 §4).
    const isMime = !part.isMessage || mime.mimeVersion || mime.contentType !== null;
    part.fields = isMime ? mime : NO_FIELDS;
    if (part.isMessage) part.envelope = envelopeFromFields(header, fields);
    part.bodyStart = bodyStart;
    part.bodyStartLine = this.#lines;
    const room = this.#stack.length < this.#limits.maxDepth && this.#parts < this.#limits.maxParts;
    if (room) this.#openBody(part);
  }

  #openBody(part: OpenPart): void {
    const { type, subtype, parameters } = effectiveType(part);
    if (isMultipart(type, subtype)) {
      part.kind = 'multipart';
      // DOVECOT: an empty boundary counts: any line that begins with two dashes shows it.
      const boundary = parameters.find(([name]) => name.toLowerCase() === 'boundary')?.[1];
      if (boundary !== undefined) this.#boundaries.push(boundary, this.#stack.length - 1);
    } else if (/^message$/i.test(type) && /^rfc822$/i.test(subtype)) {
      part.kind = 'message';
      this.#open(part.bodyStart, { isMessage: true, inDigest: false });
    }
  }

  /** Closes open parts, innermost first, until `depth` remain; their bodies end at `end`. */
  #closeDownTo(depth: number, end: number, lines: number): void {
    while (this.#stack.length > depth) {
      const part = this.#stack.at(-1) as OpenPart;
      const closed = closePart(part, end, lines);
      const parent = this.#stack.at(-2);
      if (parent === undefined) {
        this.#root = closed;
        return;
      }
      this.#stack.pop();
      parent.children.push(closed);
      if (part.isMessage) parent.innerEnvelope = part.envelope;
    }
  }
}

const isMultipart = (type: string, subtype: string): boolean => /^multipart$/i.test(type) && subtype !== '';

function effectiveType(part: OpenPart): ContentType {
  const given = part.fields?.contentType ?? null;
  if (given !== null) return given;
  return part.inDigest ? DIGEST_DEFAULT : TEXT_DEFAULT;
}

/** What is shown of the type of a part of this kind. */
function shownType(part: OpenPart): ContentType {
  const { type, subtype, parameters } = effectiveType(part);
  if (part.kind === 'leaf') {
    // DOVECOT: a multipart that could not be opened is shown as what can always be shown.
    if (/^multipart$/i.test(type)) return OPAQUE;
    // A message not opened would be taken for one whose envelope follows.
    if (/^message$/i.test(type) && /^rfc822$/i.test(subtype)) return OPAQUE;
  }
  // DOVECOT: the default charset (RFC 2046 §4.1.2) is spelled out.
  const needsCharset = /^text$/i.test(type) && !parameters.some(([name]) => /^charset$/i.test(name));
  return { type, subtype, parameters: needsCharset ? [...parameters, ...US_ASCII] : parameters };
}

/** DOVECOT: RFC 3501 has no multipart without parts; an empty text stands in at its end. */
function emptyText(at: number): MimePart {
  return {
    kind: 'leaf',
    headerStart: at,
    bodyStart: at,
    bodyEnd: at,
    bodyLines: 0,
    type: 'text',
    subtype: 'plain',
    parameters: US_ASCII,
    id: null,
    description: null,
    encoding: '7bit',
    md5: null,
    disposition: null,
    language: null,
    location: null,
  };
}

function closePart(part: OpenPart, end: number, lines: number): MimePart {
  const { type, subtype, parameters } = shownType(part);
  const fields = part.fields as ReturnType<typeof mimeFields>;
  const common = {
    headerStart: part.headerStart,
    bodyStart: part.bodyStart,
    bodyEnd: Math.max(end, part.bodyStart),
    bodyLines: Math.max(lines - part.bodyStartLine, 0),
    type,
    subtype,
    parameters,
    id: fields.id,
    description: fields.description,
    encoding: fields.encoding,
    md5: fields.md5,
    disposition: fields.disposition,
    language: fields.language,
    location: fields.location,
  };
  if (part.kind === 'multipart') {
    const children = part.children.length > 0 ? part.children : [emptyText(common.bodyEnd)];
    return { kind: 'multipart', ...common, children };
  }
  const [message] = part.children;
  if (part.kind === 'message' && message !== undefined) {
    return { kind: 'message', ...common, envelope: part.innerEnvelope, message };
  }
  return { kind: 'leaf', ...common };
}

/** The structure of a whole message in memory. */
export function parseMessageStructure(
  message: Uint8Array,
  limits: Partial<StructureLimits> = {},
): MessageStructure {
  const parser = new StructureParser(limits);
  parser.push(message);
  return parser.finish();
}
