// One message's FETCH response as pieces: text, and ranges of the message too large to be held.
//
// Pieces are given away together, when all are at hand, so a message that vanishes meanwhile leaves no half response:
// `MailboxError('expunged')` is thrown instead. Only a response that asks for much is given away bit by bit, for
// what is held is bounded.

import type { ByteRange, MaybePromise, MessageHandle, MessageRecord } from '@postcote/mailbox';
import { type Envelope, type MessageStructure, selectHeaderFields } from '@postcote/mime';
import { formatDateTime } from '../codec/dates.ts';
import { type Partial, WHOLE } from '../codec/fetch-item.ts';
import { formatFlags } from '../codec/flags.ts';
import { formatString } from '../codec/response.ts';
import { formatBodyStructure, formatEnvelope } from '../codec/structure-format.ts';
import { binaryPart, decodedLength } from './binary.ts';
import { type FetchPlan, type LongItem, type SectionItem } from './fetch-plan.ts';
import { emailId } from './object-id.ts';
import { previewOf } from './preview.ts';
import { findPart, partRange } from './section-range.ts';
import { runSteps, settled, type Steps } from './steps.ts';

export type Piece =
  | string
  | Buffer
  /** Octets to be streamed; with `encoding`, those it stands for, of which only `part` is wanted. */
  | { readonly range: ByteRange; readonly encoding?: string; readonly part?: ByteRange };

export interface FetchedMessage {
  readonly seq: number;
  readonly record: MessageRecord;
  readonly recent: boolean;
  readonly handle: MessageHandle;
}

export interface FetchCounters {
  headerCount: number;
  headerOctets: number;
  bodyCount: number;
  bodyOctets: number;
}

export interface FetchSettings {
  readonly plan: FetchPlan;
  readonly zone: (date: Date) => number;
  readonly counters: FetchCounters;
}

type SimpleItem = Exclude<LongItem, SectionItem | { readonly kind: 'binary' }>;
type BinaryItem = Extract<LongItem, { readonly kind: 'binary' }>;

/** Larger sections are streamed. */
const MAX_HELD = 64 * 1024;
/** Octets of one response that are held before what there is goes out. */
const MAX_RESPONSE_HELD = 256 * 1024;
const EMPTY = Buffer.alloc(0);

/** Gives a promise only where storage or the way out did. */
export function fetchMessage(
  message: FetchedMessage,
  settings: FetchSettings,
  emit: (pieces: readonly Piece[]) => MaybePromise<void>,
): MaybePromise<void> {
  return runSteps(respond(message, settings, emit));
}

function* respond(
  message: FetchedMessage,
  settings: FetchSettings,
  emit: (pieces: readonly Piece[]) => MaybePromise<void>,
): Steps<void> {
  const { plan } = settings;
  const { handle } = message;
  const reader = new MessageReader(handle);
  if (plan.readsAll) yield* reader.size();
  let text = `* ${message.seq} FETCH (`;
  let separator = '';
  for (const kind of plan.short) {
    const value = shortValue(kind, message, settings);
    const ready = typeof value === 'string' ? value : yield* settled(value);
    if (ready === '') continue;
    text += separator + ready;
    separator = ' ';
  }
  let pieces: Piece[] = [];
  let held = 0;
  for (const item of plan.long) {
    text += separator;
    separator = ' ';
    if (item.kind !== 'section' && item.kind !== 'binary') {
      text += yield* simpleValue(item, reader);
      continue;
    }
    const { content, length, isBinary } =
      item.kind === 'binary' ? yield* readBinary(item, reader) : yield* readSection(item, reader);
    count(settings.counters, item, length);
    text += `${item.label} ${isBinary ? '~' : ''}{${length}}\r\n`;
    pieces.push(text, content);
    text = '';
    held += 'range' in content ? 0 : length;
    if (held > MAX_RESPONSE_HELD) {
      yield* settled(emit(pieces));
      pieces = [];
      held = 0;
    }
  }
  pieces.push(`${text})\r\n`);
  yield* settled(emit(pieces));
}

function shortValue(
  kind: FetchPlan['short'][number],
  { record, recent, handle }: FetchedMessage,
  { plan, zone }: FetchSettings,
): MaybePromise<string> {
  switch (kind) {
    case 'uid':
      return `UID ${record.uid}`;
    case 'modseq':
      return `MODSEQ (${record.modseq})`;
    case 'flags': {
      const becomesSeen = plan.setsSeen && !record.flags.includes('\\Seen');
      if (plan.flagsOnChange && !becomesSeen) return '';
      return `FLAGS (${formatFlags(becomesSeen ? [...record.flags, '\\Seen'] : record.flags, recent)})`;
    }
    case 'emailId':
      return `EMAILID (${emailId(handle)})`;
    case 'threadId':
      // RFC 8474 §5.2: for servers that keep no threads.
      return 'THREADID NIL';
    case 'saveDate': {
      const date = handle.saveDate?.();
      if (date === undefined) return 'SAVEDATE NIL';
      return date instanceof Date
        ? formatSaveDate(date, zone)
        : date.then((value) => formatSaveDate(value, zone));
    }
    case 'size': {
      const size = handle.size();
      return typeof size === 'number' ? `RFC822.SIZE ${size}` : size.then((value) => `RFC822.SIZE ${value}`);
    }
    case 'internalDate': {
      const date = handle.internalDate();
      return date instanceof Date
        ? formatInternalDate(date, zone)
        : date.then((value) => formatInternalDate(value, zone));
    }
    default:
      return kind satisfies never;
  }
}

function formatInternalDate(date: Date, zone: FetchSettings['zone']): string {
  return `INTERNALDATE "${formatDateTime(date, zone(date))}"`;
}

function formatSaveDate(date: Date, zone: FetchSettings['zone']): string {
  return `SAVEDATE "${formatDateTime(date, zone(date))}"`;
}

function* simpleValue(item: SimpleItem, reader: MessageReader): Steps<string> {
  switch (item.kind) {
    case 'envelope':
      return `ENVELOPE ${formatEnvelope(yield* reader.envelope())}`;
    case 'body':
      return `BODY ${formatBodyStructure((yield* reader.structure()).root, false)}`;
    case 'bodyStructure':
      return `BODYSTRUCTURE ${formatBodyStructure((yield* reader.structure()).root, true)}`;
    case 'binarySize': {
      if (item.part.length === 0) return `${item.label} ${yield* reader.size()}`;
      const part = binaryPart((yield* reader.structure()).root, item.part);
      return `${item.label} ${part === undefined ? 0 : yield* settled(decodedLength(reader.handle, part))}`;
    }
    case 'preview': {
      const structure = yield* reader.structure();
      const words = formatString(
        Buffer.from(yield* settled(previewOf(reader.handle, structure)), 'utf8').toString('latin1'),
      );
      return item.fuzzy ? `${item.label} (FUZZY ${words})` : `${item.label} ${words}`;
    }
    default:
      return item satisfies never;
  }
}

/** What stands behind a label: octets at hand, or those of a range. */
interface Content {
  readonly content: Exclude<Piece, string>;
  readonly length: number;
  /** Written as a literal8 (RFC 3516 §4). */
  readonly isBinary: boolean;
}

/** A section's octets, at hand or as a range to be streamed. */
export async function sectionOf(
  handle: MessageHandle,
  what: Pick<SectionItem, 'section' | 'partial'>,
): Promise<{ readonly content: Buffer | { readonly range: ByteRange }; readonly length: number }> {
  return runSteps(readSection(what, new MessageReader(handle)));
}

function plain(content: Buffer | { readonly range: ByteRange }): Content {
  const length = 'range' in content ? content.range.end - content.range.start : content.length;
  return { content, length, isBinary: false };
}

/** RFC 3516 §4.2: the octets that the part's transfer encoding stands for. */
function* readBinary({ part: path, partial }: BinaryItem, reader: MessageReader): Steps<Content> {
  const part = binaryPart((yield* reader.structure()).root, path);
  if (part === undefined) return plain(EMPTY);
  const range = path.length === 0 ? { start: 0, end: yield* reader.size() } : part.range;
  if (part.encoding === undefined) return plain(yield* reader.cut(range, partial));
  const whole = yield* settled(decodedLength(reader.handle, part));
  const start = Math.min(partial?.start ?? 0, whole);
  const end = Math.min(partial?.length === undefined ? whole : start + partial.length, whole);
  const { encoding } = part;
  return {
    content: end > start ? { range, encoding, part: { start, end } } : EMPTY,
    length: end - start,
    // DOVECOT: whatever was decoded is binary, with or without NULs in it.
    isBinary: true,
  };
}

function* readSection(
  { section, partial }: Pick<SectionItem, 'section' | 'partial'>,
  reader: MessageReader,
): Steps<Content> {
  const { part: path, what, fields } = section;
  let content: Buffer | ByteRange | undefined;
  if (path.length > 0) {
    const part = findPart((yield* reader.structure()).root, path);
    content = part === undefined ? undefined : partRange(part, what);
  } else if (what === 'all') {
    content = { start: 0, end: yield* reader.size() };
  } else if (what === 'text') {
    content = { start: (yield* reader.header()).length, end: yield* reader.size() };
  } else {
    content = yield* reader.header();
  }
  if (content === undefined) return plain(EMPTY);
  if (what === 'fields' || what === 'fieldsNot') {
    const header = Buffer.isBuffer(content) ? content : yield* reader.read(content);
    content = selectHeaderFields(header, fields, { not: what === 'fieldsNot' });
  }
  if (!Buffer.isBuffer(content)) return plain(yield* reader.cut(content, partial));
  const from = Math.min(partial?.start ?? 0, content.length);
  return plain(content.subarray(from, partial?.length === undefined ? undefined : from + partial.length));
}

/** Asks a handle for each thing once. */
class MessageReader {
  readonly handle: MessageHandle;
  #header: Buffer | undefined;
  #structure: MessageStructure | undefined;
  #size: number | undefined;

  constructor(handle: MessageHandle) {
    this.handle = handle;
  }

  *header(): Steps<Buffer> {
    return (this.#header ??= yield* settled(this.handle.header()));
  }

  *structure(): Steps<MessageStructure> {
    return (this.#structure ??= yield* settled(this.handle.structure()));
  }

  *envelope(): Steps<Envelope> {
    if (this.#structure === undefined && this.handle.envelope !== undefined)
      return yield* settled(this.handle.envelope());
    return (yield* this.structure()).envelope;
  }

  /** Where the message ends: announced as a literal's length, so counted and not taken from a name. */
  *size(): Steps<number> {
    return (this.#size ??= yield* settled(this.handle.exactSize?.() ?? this.handle.size()));
  }

  /** Exactly the range: what storage cannot give was cut off behind our back. */
  *read(range: ByteRange): Steps<Buffer> {
    return yield* settled(this.handle.read(range));
  }

  /** A part of a range; to be streamed where it is large. */
  *cut(whole: ByteRange, partial: Partial | undefined): Steps<Buffer | { readonly range: ByteRange }> {
    const start = Math.min(whole.start + (partial?.start ?? 0), whole.end);
    const end = partial?.length === undefined ? whole.end : Math.min(start + partial.length, whole.end);
    if (end <= start) return EMPTY;
    return end - start > MAX_HELD ? { range: { start, end } } : yield* this.read({ start, end });
  }
}

function count(counters: FetchCounters, item: SectionItem | BinaryItem, octets: number): void {
  const section = item.kind === 'section' ? item.section : WHOLE;
  if (
    section.what === 'header' ||
    section.what === 'fields' ||
    section.what === 'fieldsNot' ||
    section.what === 'mime'
  ) {
    counters.headerCount += 1;
    counters.headerOctets += octets;
  } else {
    counters.bodyCount += 1;
    counters.bodyOctets += octets;
  }
}
