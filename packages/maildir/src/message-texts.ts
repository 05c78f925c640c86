// The text of messages as searches see it, folded, and many of them in one block. Pure.
//
// Texts are UTF-8. An octet 0xFF, which UTF-8 never has, stands between pieces that a match may not reach across. So a
// needle's octets are found in a text exactly where a search through the message itself finds the needle.

import {
  foldForSearch,
  MAX_SEARCHED_HEADER,
  searchableText,
  type MessageStructure,
  type OctetSource,
} from '@postcote/mime';

/** Changes when folding or decoding does: texts kept by another version are of no use. */
export const TEXT_VERSION = 1;

export interface MessageTexts {
  readonly uid: number;
  /** The message's own header, and behind it the headers of parts, which are no part of a body. */
  readonly head: Buffer;
  /** What belongs to the scope `body`. */
  readonly body: Buffer;
  /** Nothing is kept of it: who searches has to read the message. */
  readonly opaque?: boolean;
}

/** Stands for a message whose text is too much to keep. */
export function opaqueTexts(uid: number): MessageTexts {
  return { uid, head: Buffer.alloc(0), body: Buffer.alloc(0), opaque: true };
}

const BOUND = Buffer.from([0xff]);
const NUMBERS = 3;
/** In place of the length of a head. */
const OPAQUE = 0xffff_ffff;

/** Undefined when there is more than `limit` octets of it, or when not all of it is looked at by a search. */
export async function gatherTexts(
  source: OctetSource,
  structure: MessageStructure,
  limits: { readonly uid: number; readonly limit: number },
): Promise<MessageTexts | undefined> {
  if (structure.root.bodyStart > MAX_SEARCHED_HEADER) return undefined;
  const head: Buffer[] = [];
  const body: Buffer[] = [];
  let octets = 0;
  for await (const { text, joins, inBody } of searchableText(source, structure, 'text')) {
    const list = inBody ? body : head;
    if (list.length > 0 && !joins) list.push(BOUND);
    const bytes = Buffer.from(foldForSearch(text), 'utf8');
    octets += bytes.length;
    if (octets > limits.limit) return undefined;
    list.push(bytes);
  }
  return { uid: limits.uid, head: Buffer.concat(head), body: Buffer.concat(body) };
}

/** All of it as one string for the trigrams, which know no bounds and stop at a NUL. */
export function trigramText({ head, body }: MessageTexts): string {
  return `${plain(head)}\n${plain(body)}`;
}

function plain(bytes: Buffer): string {
  // What is no UTF-8 becomes U+FFFD, which matches no needle that it should not: a match is looked at again.
  return bytes.toString('utf8').replaceAll('\0', '\n');
}

/** UIDs and lengths of the texts in a block, and the texts behind one another. */
export function packTexts(messages: readonly MessageTexts[]): {
  readonly numbers: Buffer;
  readonly texts: Buffer;
} {
  const numbers = new Uint32Array(messages.length * NUMBERS);
  messages.forEach(({ uid, head, body, opaque }, i) =>
    numbers.set([uid, opaque ? OPAQUE : head.length, body.length], i * NUMBERS),
  );
  return {
    numbers: Buffer.from(numbers.buffer),
    texts: Buffer.concat(messages.flatMap(({ head, body }) => [head, body])),
  };
}

/** UIDs of a block, those of which nothing is kept among them. */
export function uidsOf(numbers: Buffer): { readonly uids: number[]; readonly opaque: number[] } {
  const uids: number[] = [];
  const opaque: number[] = [];
  for (let at = 0; at + NUMBERS * 4 <= numbers.length; at += NUMBERS * 4) {
    const uid = numbers.readUInt32LE(at);
    uids.push(uid);
    if (numbers.readUInt32LE(at + 4) === OPAQUE) opaque.push(uid);
  }
  return { uids, opaque };
}

export function unpackTexts(numbers: Buffer, texts: Buffer): MessageTexts[] {
  const messages: MessageTexts[] = [];
  let start = 0;
  for (let at = 0; at + NUMBERS * 4 <= numbers.length; at += NUMBERS * 4) {
    const length = numbers.readUInt32LE(at + 4);
    const opaque = length === OPAQUE;
    const middle = start + (opaque ? 0 : length);
    const end = middle + numbers.readUInt32LE(at + 8);
    messages.push({
      uid: numbers.readUInt32LE(at),
      head: texts.subarray(start, middle),
      body: texts.subarray(middle, end),
      ...(opaque ? { opaque } : {}),
    });
    start = end;
  }
  return messages;
}

/** Whether a search through the message would find the needle. For `header`: in no field, or perhaps in the one asked. */
export function holds(texts: MessageTexts, scope: 'header' | 'body' | 'text', needle: Buffer): boolean {
  if (scope === 'body') return texts.body.includes(needle);
  if (scope === 'text') return texts.head.includes(needle) || texts.body.includes(needle);
  const at = texts.head.indexOf(needle);
  if (at === -1) return false;
  const bound = texts.head.indexOf(0xff);
  return bound === -1 || at < bound;
}

/**
 * The needle's runs of three characters, as a query of FTS5; undefined for a needle that has none. Long needles give a
 * part of theirs: what they find is looked at anyway.
 */
export function trigramQuery(needle: string): string | undefined {
  const characters = Array.from(needle);
  if (characters.length < 3) return undefined;
  const runs = new Set<string>();
  const step = Math.max(1, Math.floor(characters.length / MAX_RUNS));
  for (let i = 0; i + 3 <= characters.length; i += step) runs.add(characters.slice(i, i + 3).join(''));
  return [...runs].map((run) => `"${run.replaceAll('"', '""')}"`).join(' AND ');
}

const MAX_RUNS = 16;

/** A needle that no text can be asked for octet by octet: half of a character, or a NUL. */
export function isSearchable(needle: string): boolean {
  return needle !== '' && needle.isWellFormed() && !needle.includes('\0');
}
