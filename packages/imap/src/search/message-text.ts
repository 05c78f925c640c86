// The text of a message as SEARCH sees it: headers with their encoded words read, bodies with their transfer
// encoding and charset undone, both folded so that case does not count (RFC 3501 §6.4.4).
//
// A large part is read piece by piece, cut at line ends, with the end of each piece kept for matches across the cut.
// What text lines look like in HTML is left alone: a search for a word inside a tag finds it, as in Dovecot.

import type { ByteRange, MessageHandle } from '@postcote/mailbox';
import {
  decodeCharset,
  decodeParameter,
  decodeTransferEncoding,
  fieldValue,
  type MimePart,
  parseHeaderFields,
} from '@postcote/mime';
import { type Day, parseDay } from '../codec/dates.ts';

/** Octets of a part that are decoded at once. */
const PIECE = 256 * 1024;

/** For comparing: neither case nor the way of composing accents counts. */
export function foldText(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

export class MessageText {
  readonly #handle: MessageHandle;
  #fields: readonly { readonly name: string; readonly value: string }[] | undefined;

  constructor(handle: MessageHandle) {
    this.#handle = handle;
  }

  /** `needle` is folded. An empty one asks whether the field is there. */
  async headerContains(field: string, needle: string): Promise<boolean> {
    for (const { name, value } of await this.#headerFields()) {
      if (name === field && foldText(readValue(value)).includes(needle)) return true;
    }
    return false;
  }

  async bodyContains(needle: string): Promise<boolean> {
    if (needle === '') return true;
    const { root } = await this.#handle.structure();
    for (const part of textParts(root)) {
      if (part.kind === 'message') {
        // DOVECOT: the headers of a message inside belong to the body.
        const { message } = part;
        const header = await this.#handle.read({ start: message.headerStart, end: message.bodyStart });
        if (headerTextContains(header, needle)) return true;
      } else if (await this.#partContains(part, needle)) {
        return true;
      }
    }
    return false;
  }

  async contains(needle: string): Promise<boolean> {
    if (headerTextContains(await this.#handle.header(), needle)) return true;
    return this.bodyContains(needle);
  }

  /** The day of `Date:`, without time and zone, as written; undefined where there is none. */
  async sentDay(): Promise<Day | undefined> {
    for (const { name, value } of await this.#headerFields()) {
      if (name === 'date') return parseSentDay(value);
    }
    return undefined;
  }

  async #headerFields(): Promise<readonly { readonly name: string; readonly value: string }[]> {
    if (this.#fields !== undefined) return this.#fields;
    const header = await this.#handle.header();
    this.#fields = parseHeaderFields(header).map((field) => ({
      name: field.name.toLowerCase(),
      value: fieldValue(header, field),
    }));
    return this.#fields;
  }

  async #partContains(part: MimePart, needle: string): Promise<boolean> {
    const charset = decodeParameter(part.parameters, 'charset') ?? 'us-ascii';
    let carried = '';
    for await (const piece of this.#pieces({ start: part.bodyStart, end: part.bodyEnd })) {
      const text = carried + foldText(decodeCharset(decodeTransferEncoding(piece, part.encoding), charset));
      if (text.includes(needle)) return true;
      carried = needle.length > 1 ? text.slice(1 - needle.length) : '';
    }
    return false;
  }

  /** Pieces that end at line ends, so that no encoded group and no character is cut. */
  async *#pieces(range: ByteRange): AsyncGenerator<Buffer> {
    if (range.end - range.start <= PIECE) {
      yield await this.#handle.read(range);
      return;
    }
    let kept: Buffer[] = [];
    let length = 0;
    for await (const chunk of this.#handle.stream(range)) {
      kept.push(chunk);
      length += chunk.length;
      if (length < PIECE) continue;
      const all = Buffer.concat(kept);
      const cut = all.lastIndexOf(0x0a) + 1;
      // A line longer than a piece is cut where it is.
      const end = cut === 0 ? all.length : cut;
      yield all.subarray(0, end);
      const rest = all.subarray(end);
      kept = [rest];
      length = rest.length;
    }
    if (length > 0) yield Buffer.concat(kept);
  }
}

/** Parts with text, and messages inside, without recursion. DOVECOT: attachments that are no text are not searched. */
function* textParts(root: MimePart): Generator<MimePart> {
  const stack: MimePart[] = [root];
  for (let part = stack.pop(); part !== undefined; part = stack.pop()) {
    if (part.kind === 'multipart') {
      for (let at = part.children.length - 1; at >= 0; at--) stack.push(part.children[at] as MimePart);
    } else if (part.kind === 'message') {
      yield part;
      stack.push(part.message);
    } else if (/^(?:text|message)$/i.test(part.type)) {
      yield part;
    }
  }
}

function headerTextContains(header: Buffer, needle: string): boolean {
  for (const field of parseHeaderFields(header)) {
    const text = `${field.name}: ${readValue(fieldValue(header, field))}`;
    if (foldText(text).includes(needle)) return true;
  }
  return false;
}

/** Octets of a header as text: encoded words read, raw 8-bit as UTF-8 where it is. */
function readValue(value: string): string {
  return decodeCharset(Buffer.from(value, 'latin1'), 'us-ascii');
}

function parseSentDay(value: string): Day | undefined {
  const match = /(?:^|[\s,])(\d{1,2})\s{1,9}([A-Za-z]{3})[A-Za-z]{0,6}\s{1,9}(\d{2,4})\b/.exec(
    value.slice(0, 100),
  );
  if (match === null) return undefined;
  const year = Number(match[3]);
  // RFC 5322 §4.3: two- and three-digit years.
  const full = (match[3]?.length ?? 0) >= 4 ? year : year < 50 ? year + 2000 : year + 1900;
  return parseDay(`${match[1]}-${match[2]}-${full}`);
}
