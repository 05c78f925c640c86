// Searches a message's decoded text (IMAP SEARCH BODY and TEXT): headers with encoded words decoded, bodies of text
// parts with transfer encoding and charset undone. In slices: memory stays bounded and the reader's `await` lets
// others run. Never throws on content; errors of the source pass through.

import { decodeCharset } from './charset.ts';
import { decodeWords } from './encoded-word.ts';
import { decodeParameter } from './parameters.ts';
import { fieldValue, parseHeaderFields } from './header.ts';
import type { MessageStructure, MimePart } from './structure.ts';
import { decodeTransferEncoding, safeCut } from './transfer-encoding.ts';

/** Where a message's octets come from: a mailbox's message handle is one. */
export interface OctetSource {
  read(range: { readonly start: number; readonly end: number }): Buffer | Promise<Buffer>;
}

/** `body`: text of the bodies. `text`: that and all headers (RFC 3501 §6.4.4). */
export type SearchScope = 'body' | 'text';

/** Octets decoded at a time. */
const SLICE = 256 * 1024;
/** A header block is looked at up to here. */
export const MAX_SEARCHED_HEADER = 1024 * 1024;

/** One piece of decoded text. */
export interface TextPiece {
  readonly text: string;
  /** It goes on where the one before it stopped. */
  readonly joins: boolean;
  /** It belongs to the scope `body` as well. */
  readonly inBody: boolean;
}

/** All the text in the scope, piece by piece, in the order of the message. */
export async function* searchableText(
  source: OctetSource,
  structure: MessageStructure,
  scope: SearchScope,
): AsyncGenerator<TextPiece> {
  // A stack instead of recursion: messages nest as deep as their sender likes.
  const rest: { readonly part: MimePart; readonly header: boolean; readonly inBody: boolean }[] = [
    { part: structure.root, header: scope === 'text', inBody: false },
  ];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { part, header, inBody } = next;
    if (header) yield { text: await headerText(source, part), joins: false, inBody };
    if (part.kind === 'multipart') {
      // Headers of parts are text of the message, too.
      for (let i = part.children.length - 1; i >= 0; i--) {
        rest.push({ part: part.children[i] as MimePart, header: scope === 'text', inBody: false });
      }
    } else if (part.kind === 'message') {
      // DOVECOT: the header of a message inside is part of the body that holds it.
      rest.push({ part: part.message, header: true, inBody: true });
    } else if (part.type.toLowerCase() === 'text') {
      yield* bodyText(source, part);
    }
  }
}

async function headerText(source: OctetSource, part: MimePart): Promise<string> {
  const end = Math.min(part.bodyStart, part.headerStart + MAX_SEARCHED_HEADER);
  const header = await source.read({ start: part.headerStart, end });
  const lines = parseHeaderFields(header).map(
    (field) => `${field.name}: ${decodeWords(fieldValue(header, field))}\n`,
  );
  return lines.join('');
}

async function* bodyText(source: OctetSource, part: MimePart): AsyncGenerator<TextPiece> {
  const charset = decodeParameter(part.parameters, 'charset') ?? 'us-ascii';
  let start = part.bodyStart;
  let carried = Buffer.alloc(0);
  while (start < part.bodyEnd) {
    const limit = Math.min(start + SLICE, part.bodyEnd);
    const octets = await source.read({ start, end: limit });
    if (octets.length === 0) return;
    // Whole lines undo their transfer encoding by themselves; a character may still lie across the cut.
    const isLast = limit === part.bodyEnd;
    const cut = isLast ? octets.length : safeCut(octets);
    const decoded = Buffer.concat([carried, decodeTransferEncoding(octets.subarray(0, cut), part.encoding)]);
    const whole = isLast ? decoded.length : wholeCharacters(decoded);
    carried = decoded.subarray(whole);
    const text = decodeCharset(decoded.subarray(0, whole), charset);
    yield { text, joins: start > part.bodyStart, inBody: true };
    start += cut;
  }
}

/** How much of the octets does not end inside a UTF-8 sequence; for other charsets it is a guess that costs nothing. */
function wholeCharacters(octets: Buffer): number {
  for (let back = 1; back <= 3 && back <= octets.length; back++) {
    const octet = octets[octets.length - back] as number;
    if (octet < 0x80) return octets.length;
    if (octet < 0xc0) continue;
    const needed = octet >= 0xf0 ? 4 : octet >= 0xe0 ? 3 : 2;
    return needed > back ? octets.length - back : octets.length;
  }
  return octets.length;
}

/**
 * Text as searches compare it: case folded and composed characters taken apart (RFC 5051 i;unicode-casemap, as near as
 * the runtime has it). A needle and a haystack must both go through this.
 */
export function foldForSearch(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text.toLowerCase() : text.normalize('NFKD').toLowerCase();
}

/** Which of the (folded) needles occur in the message's text. */
export async function findInMessage(
  source: OctetSource,
  structure: MessageStructure,
  search: { readonly scope: SearchScope; readonly needles: readonly string[] },
): Promise<ReadonlySet<string>> {
  const found = new Set<string>(search.needles.filter((needle) => needle === ''));
  const longest = Math.max(0, ...search.needles.map((needle) => needle.length));
  let tail = '';
  for await (const piece of searchableText(source, structure, search.scope)) {
    const text = (piece.joins ? tail : '') + foldForSearch(piece.text);
    for (const needle of search.needles) if (!found.has(needle) && text.includes(needle)) found.add(needle);
    if (found.size === search.needles.length) break;
    tail = longest > 1 ? text.slice(1 - longest) : '';
  }
  return found;
}
