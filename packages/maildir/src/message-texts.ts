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

export interface PackedTexts {
  /** Of each message: UID, lengths of head and body. */
  readonly numbers: Buffer;
  readonly texts: Buffer;
}

/** UIDs and lengths of the texts in a block, and the texts behind one another. */
export function packTexts(messages: readonly MessageTexts[]): PackedTexts {
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

export function unpackTexts(packed: PackedTexts): MessageTexts[] {
  return [...places(packed)].map(({ uid, start, middle, end, opaque }) => ({
    uid,
    head: packed.texts.subarray(start, middle),
    body: packed.texts.subarray(middle, end),
    ...(opaque ? { opaque } : {}),
  }));
}

interface Place {
  readonly uid: number;
  readonly start: number;
  readonly middle: number;
  readonly end: number;
  readonly opaque: boolean;
}

function* places({ numbers }: PackedTexts): Generator<Place> {
  let start = 0;
  for (let at = 0; at + NUMBERS * 4 <= numbers.length; at += NUMBERS * 4) {
    const length = numbers.readUInt32LE(at + 4);
    const opaque = length === OPAQUE;
    const middle = start + (opaque ? 0 : length);
    const end = middle + numbers.readUInt32LE(at + 8);
    yield { uid: numbers.readUInt32LE(at), start, middle, end, opaque };
    start = end;
  }
}

export interface Needle {
  readonly scope: 'header' | 'body' | 'text';
  readonly octets: Buffer;
}

/**
 * For each message of a block, whether a search through the message would find the needle. For `header`: in no field, or
 * perhaps in the one asked. One walk through the block for all of its messages.
 */
export function* verdictsIn(
  packed: PackedTexts,
  { scope, octets }: Needle,
): Generator<{ readonly uid: number; readonly found: boolean }> {
  const { texts } = packed;
  let at = -1;
  for (const { uid, start, middle, end } of places(packed)) {
    const from = scope === 'body' ? middle : start;
    const to = scope === 'header' ? headerEnd(texts, start, middle) : end;
    if (at !== END && at < from) at = next(texts, octets, from);
    let found = at !== END && at + octets.length <= to;
    // A head that ends as a body goes on may look like a match.
    if (found && scope === 'text' && at < middle && at + octets.length > middle) {
      at = next(texts, octets, at + 1);
      while (at !== END && at < middle) at = next(texts, octets, at + 1);
      found = at !== END && at + octets.length <= end;
    }
    yield { uid, found };
  }
}

const END = -2;

function next(texts: Buffer, octets: Buffer, from: number): number {
  const at = texts.indexOf(octets, from);
  return at === -1 ? END : at;
}

/** Where the message's own header ends in its head. */
function headerEnd(texts: Buffer, start: number, middle: number): number {
  const bound = texts.indexOf(0xff, start);
  return bound === -1 || bound > middle ? middle : bound;
}

/**
 * Some of the needle's runs of three characters, as a query of FTS5; undefined for a needle that has none. The runs that
 * are rare by their characters are taken: what they find is looked at anyway, and each more of them costs time.
 */
export function trigramQuery(needle: string): string | undefined {
  const characters = Array.from(needle);
  if (characters.length < 3) return undefined;
  const runs = new Map<string, number>();
  for (let i = 0; i + 3 <= characters.length && runs.size < MAX_LOOKED_AT; i++) {
    const run = characters.slice(i, i + 3);
    runs.set(
      run.join(''),
      run.reduce((sum, character) => sum + commonness(character), 0),
    );
  }
  return [...runs]
    .sort(([, a], [, b]) => a - b)
    .slice(0, MAX_RUNS)
    .map(([run]) => `"${run.replaceAll('"', '""')}"`)
    .join(' AND ');
}

const MAX_LOOKED_AT = 256;
const MAX_RUNS = 5;
/** Rare to common in the languages of most mail. */
const BY_COMMONNESS = 'qxjzykvwpbfgmcuhdloirnast e';

function commonness(character: string): number {
  return BY_COMMONNESS.indexOf(character) + 1;
}

/** A needle that no text can be asked for octet by octet: half of a character, or a NUL. */
export function isSearchable(needle: string): boolean {
  return needle !== '' && needle.isWellFormed() && !needle.includes('\0');
}
