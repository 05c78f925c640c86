// Walks a message line by line and says what each line is: a field of the message's own header, of a part's header, of
// the header of a message within, or text. POSTFIX: mime_state(3), with its tolerance and its limits.
//
// Pure; bounded: one field up to `headerSizeLimit`, boundaries up to `nestingLimit`. Text is binary.

import { fieldName, withoutBlankBeforeColon } from './header-fields.ts';
import { readTokens } from './mime-tokens.ts';

export type HeaderPart = 'primary' | 'part' | 'nested';

export type WalkEvent =
  /** `text`: lines joined by LF. `name` as written. */
  | { readonly kind: 'field'; readonly part: HeaderPart; readonly name: string; readonly text: string }
  /** The message's own header is over; what follows is the empty line. */
  | { readonly kind: 'headerEnd' }
  /**
   * A line, or a piece of one (`ends` false). `offset`: octets since this body began. `added`: it did not stand there.
   */
  | {
      readonly kind: 'text';
      readonly text: string;
      readonly ends: boolean;
      readonly offset: number;
      readonly added?: true;
    };

export interface WalkOptions {
  readonly headerSizeLimit: number;
  readonly nestingLimit: number;
  readonly boundaryLengthLimit: number;
  /** Everything after the header is text. */
  readonly disableMime: boolean;
  readonly reportNesting: boolean;
  readonly report8bitHeader: boolean;
  readonly report8bitBody: boolean;
  readonly reportEncodingDomain: boolean;
}

/** In the order in which one is told of several. */
export const MIME_FAULTS = {
  nesting: 'MIME nesting exceeds safety limit',
  header8bit: 'improper use of 8-bit data in message header',
  body8bit: 'improper use of 8-bit data in message body',
  encodingDomain: 'invalid message/* or multipart/* encoding domain',
} as const;

export type MimeFault = keyof typeof MIME_FAULTS;

type ContentType = 'text' | 'message' | 'rfc822' | 'partial' | 'external-body' | 'multipart' | 'other';

interface Boundary {
  readonly text: string;
  /** What its parts are unless they say otherwise. */
  readonly parts: 'text' | 'rfc822';
}

const EIGHT_BIT = /[\x80-\xff]/;

export class MessageWalk {
  readonly #options: WalkOptions;
  #state: HeaderPart | 'text' = 'primary';
  #type: ContentType = 'text';
  #encoding = '7bit';
  #domain = '7bit';
  /** The field being gathered. */
  #field: string[] = [];
  #fieldName = '';
  #fieldLength = 0;
  #boundaries: Boundary[] = [];
  #offset = 0;
  #midLine = false;
  /** With what was wrong. */
  readonly faults = new Map<MimeFault, string>();

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  /** Whether the message's own header is behind us. */
  get pastHeader(): boolean {
    return this.#state !== 'primary';
  }

  /** One line without its end, or a piece of a long one (`ends` false). */
  line(text: string, ends: boolean): WalkEvent[] {
    const events: WalkEvent[] = [];
    this.#update(text, ends, events);
    this.#midLine = !ends;
    return events;
  }

  /** The message is over. */
  end(): WalkEvent[] {
    const events: WalkEvent[] = [];
    if (this.#midLine) this.#update('', true, events);
    if (this.#state === 'text') return events;
    const wasPrimary = this.#state === 'primary';
    this.#endField(events);
    if (wasPrimary) events.push({ kind: 'headerEnd' });
    this.#state = 'text';
    return events;
  }

  #update(text: string, ends: boolean, events: WalkEvent[]): void {
    if (this.#state !== 'text') {
      if (this.#gather(text)) return;
      this.#endField(events);
      if (this.#startField(text)) return;
      this.#endHeader(text, events);
    }
    this.#text(text, ends, events);
  }

  /** What continues the field: the rest of a long line, or a folded line. */
  #gather(text: string): boolean {
    if (this.#field.length === 0) return false;
    const isRest = this.#midLine;
    if (!isRest && text[0] !== ' ' && text[0] !== '\t') return false;
    if (this.#fieldLength < this.#options.headerSizeLimit) {
      const left = this.#options.headerSizeLimit - this.#fieldLength;
      const piece = (isRest ? text : `\n${text}`).slice(0, left);
      this.#field.push(piece);
      this.#fieldLength += piece.length;
    }
    return true;
  }

  #startField(text: string): boolean {
    const name = fieldName(text);
    if (name === undefined) return false;
    this.#fieldName = name;
    const start = withoutBlankBeforeColon(text, name).slice(0, this.#options.headerSizeLimit);
    this.#field = [start];
    this.#fieldLength = start.length;
    return true;
  }

  #endField(events: WalkEvent[]): void {
    if (this.#field.length === 0 || this.#state === 'text') return;
    const text = this.#field.join('');
    this.#field = [];
    this.#fieldLength = 0;
    const name = this.#fieldName;
    const lower = name.toLowerCase();
    if (!this.#options.disableMime) {
      if (lower === 'content-type') this.#readType(text.slice(name.length + 1));
      else if (lower === 'content-transfer-encoding') this.#readEncoding(text.slice(name.length + 1));
    }
    if (this.#options.report8bitHeader && EIGHT_BIT.test(text)) this.#fault('header8bit', text);
    events.push({ kind: 'field', part: this.#state, name, text });
  }

  /** An empty line, or one that is no field. */
  #endHeader(text: string, events: WalkEvent[]): void {
    const part = this.#state;
    if (part === 'primary') events.push({ kind: 'headerEnd' });
    if (this.#options.reportEncodingDomain) this.#checkDomain();
    this.#offset = 0;
    if (text === '') {
      if (this.#type === 'rfc822') this.#enter('nested', 'text');
      else if (this.#type === 'multipart') this.#enter('text', 'other');
      else this.#state = 'text';
      return;
    }
    if (part === 'primary') events.push(this.#textEvent('', true, true));
    this.#state = 'text';
    this.#offset = 0;
  }

  #enter(state: HeaderPart | 'text', type: ContentType): void {
    this.#state = state;
    this.#type = type;
    this.#encoding = '7bit';
    this.#domain = '7bit';
    if (state === 'text') this.#offset = 0;
  }

  #text(text: string, ends: boolean, events: WalkEvent[]): void {
    const { report8bitBody } = this.#options;
    if (report8bitBody && this.#encoding === '7bit' && EIGHT_BIT.test(text)) this.#fault('body8bit', text);
    if (!this.#midLine && this.#boundaries.length > 0 && text.startsWith('--')) this.#findBoundary(text);
    events.push(this.#textEvent(text, ends, false));
  }

  #textEvent(text: string, ends: boolean, added: boolean): WalkEvent {
    const offset = this.#offset;
    this.#offset += text.length + 1;
    return { kind: 'text', text, ends, offset, ...(added ? { added: true as const } : {}) };
  }

  #findBoundary(line: string): void {
    const found = this.#boundaries.findLastIndex((boundary) => line.startsWith(boundary.text, 2));
    const boundary = this.#boundaries[found];
    if (boundary === undefined) return;
    const isLast = line.startsWith('--', 2 + boundary.text.length);
    this.#boundaries.length = isLast ? found : found + 1;
    if (isLast) this.#enter('text', 'other');
    else this.#enter('part', boundary.parts);
  }

  // RFC 2045 §5.1; more than one boundary is against it, and all are looked for.
  #readType(value: string): void {
    const [head, ...parameters] = readTokens(value);
    const [type, subtype] = head ?? [];
    if (type === 'text') this.#type = 'text';
    else if (type === 'message') this.#type = messageType(subtype);
    else if (type === 'multipart') {
      this.#type = 'multipart';
      for (const [name, boundary] of parameters) {
        if (name === 'boundary' && boundary !== undefined) this.#push(boundary, subtype === 'digest');
      }
    } else this.#type = 'other';
  }

  #push(boundary: string, isDigest: boolean): void {
    const { nestingLimit, boundaryLengthLimit, reportNesting } = this.#options;
    // POSTFIX: counts from -1.
    if (this.#boundaries.length - 1 > nestingLimit) {
      if (reportNesting) this.#fault('nesting', `boundary=${boundary}`);
      return;
    }
    this.#boundaries.push({
      text: boundary.slice(0, boundaryLengthLimit),
      parts: isDigest ? 'rfc822' : 'text',
    });
  }

  #readEncoding(value: string): void {
    const word = /^[ \t\n]*([^\s;()<>@,:\\"/[\]?=]+)/.exec(value)?.[1]?.toLowerCase();
    if (word === '7bit' || word === '8bit' || word === 'binary') this.#domain = this.#encoding = word;
    else if (word === 'base64' || word === 'quoted-printable') {
      this.#encoding = word;
      this.#domain = '7bit';
    }
  }

  // RFC 2045 §6.4: composite types are never encoded.
  #checkDomain(): void {
    const isOpaque = this.#type === 'partial' || this.#type === 'external-body';
    const isComposite = this.#type === 'rfc822' || this.#type === 'multipart';
    if ((isOpaque && this.#domain !== '7bit') || (isComposite && this.#encoding !== this.#domain))
      this.#fault('encodingDomain', this.#encoding);
  }

  #fault(fault: MimeFault, text: string): void {
    if (!this.faults.has(fault)) this.faults.set(fault, text.slice(0, 100));
  }
}

function messageType(subtype: string | undefined): ContentType {
  if (subtype === 'rfc822' || subtype === 'global') return 'rfc822';
  return subtype === 'partial' || subtype === 'external-body' ? subtype : 'message';
}
