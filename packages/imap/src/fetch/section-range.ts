// Where a section's octets are in a message (RFC 3501 §6.4.5).

import type { ByteRange } from '@postcote/mailbox';
import type { MimePart } from '@postcote/mime';
import type { Section } from '../codec/fetch-item.ts';

/** The part a path of numbers leads to; undefined when there is none. */
export function findPart(root: MimePart, path: readonly number[]): MimePart | undefined {
  let part: MimePart | undefined;
  for (const number of path) {
    let container: MimePart;
    if (part === undefined) container = root;
    else if (part.kind === 'multipart') container = part;
    else if (part.kind === 'message') container = part.message;
    else return undefined;
    // Every message has at least part 1: what is no multipart is its own part 1.
    if (container.kind === 'multipart') part = container.children[number - 1];
    else part = number === 1 ? container : undefined;
    if (part === undefined) return undefined;
  }
  return part;
}

/** The octets of `section` inside a part; a header for `fields`. Undefined: nothing is there. */
export function partRange(part: MimePart, what: Section['what']): ByteRange | undefined {
  if (what === 'all') return { start: part.bodyStart, end: part.bodyEnd };
  if (what === 'mime') return { start: part.headerStart, end: part.bodyStart };
  // HEADER and TEXT are those of a message inside.
  if (part.kind !== 'message') return undefined;
  const inner = part.message;
  if (what === 'text') return { start: inner.bodyStart, end: inner.bodyEnd };
  return { start: inner.headerStart, end: inner.bodyStart };
}
