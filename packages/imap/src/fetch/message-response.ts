// One message's FETCH response as pieces: text, and ranges of the message too large to be held.
//
// Pieces are given away together, when all are at hand, so a message that vanishes meanwhile leaves no half response:
// `MailboxError('expunged')` is thrown instead. Only a response that asks for much is given away bit by bit, for
// what is held is bounded.

import type { ByteRange, MaybePromise, MessageHandle, MessageRecord } from '@postcote/mailbox';
import { type Envelope, type MessageStructure, selectHeaderFields } from '@postcote/mime';
import { formatDateTime } from '../codec/dates.ts';
import { formatFlags } from '../codec/flags.ts';
import { formatBodyStructure, formatEnvelope } from '../codec/structure-format.ts';
import { type FetchPlan, type LongItem, type SectionItem } from './fetch-plan.ts';
import { findPart, partRange } from './section-range.ts';
import { runSteps, settled, type Steps } from './steps.ts';

export type Piece = string | Buffer | { readonly range: ByteRange };

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

type StructureItem = Exclude<LongItem, SectionItem | { readonly kind: 'envelope' }>;

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
    if (item.kind !== 'section') {
      if (item.kind === 'envelope') text += `ENVELOPE ${formatEnvelope(yield* reader.envelope())}`;
      else text += structureValue(item, yield* reader.structure());
      continue;
    }
    const content = yield* readSection(item, reader);
    const length = 'range' in content ? content.range.end - content.range.start : content.length;
    count(settings.counters, item, length);
    text += `${item.label} {${length}}\r\n`;
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

function structureValue(item: StructureItem, structure: MessageStructure): string {
  if (item.kind === 'body') return `BODY ${formatBodyStructure(structure.root, false)}`;
  return `BODYSTRUCTURE ${formatBodyStructure(structure.root, true)}`;
}

function* readSection(
  { section, partial }: SectionItem,
  reader: MessageReader,
): Steps<Buffer | { readonly range: ByteRange }> {
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
  if (content === undefined) return EMPTY;
  if (what === 'fields' || what === 'fieldsNot') {
    const header = Buffer.isBuffer(content) ? content : yield* reader.read(content);
    content = selectHeaderFields(header, fields, { not: what === 'fieldsNot' });
  }
  const length = Buffer.isBuffer(content) ? content.length : content.end - content.start;
  const from = Math.min(partial?.start ?? 0, length);
  const to = Math.min(partial?.length === undefined ? length : from + partial.length, length);
  if (Buffer.isBuffer(content)) return content.subarray(from, to);
  const range = { start: content.start + from, end: content.start + to };
  if (range.end <= range.start) return EMPTY;
  return range.end - range.start > MAX_HELD ? { range } : yield* reader.read(range);
}

/** Asks a handle for each thing once. */
class MessageReader {
  readonly #handle: MessageHandle;
  #header: Buffer | undefined;
  #structure: MessageStructure | undefined;
  #size: number | undefined;

  constructor(handle: MessageHandle) {
    this.#handle = handle;
  }

  *header(): Steps<Buffer> {
    return (this.#header ??= yield* settled(this.#handle.header()));
  }

  *structure(): Steps<MessageStructure> {
    return (this.#structure ??= yield* settled(this.#handle.structure()));
  }

  *envelope(): Steps<Envelope> {
    if (this.#structure === undefined && this.#handle.envelope !== undefined)
      return yield* settled(this.#handle.envelope());
    return (yield* this.structure()).envelope;
  }

  /** Where the message ends: announced as a literal's length, so counted and not taken from a name. */
  *size(): Steps<number> {
    return (this.#size ??= yield* settled(this.#handle.exactSize?.() ?? this.#handle.size()));
  }

  /** Exactly the range: what storage cannot give was cut off behind our back. */
  *read(range: ByteRange): Steps<Buffer> {
    return yield* settled(this.#handle.read(range));
  }
}

function count(counters: FetchCounters, { section }: SectionItem, octets: number): void {
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
