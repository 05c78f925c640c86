// What is remembered of one folder between two processes, as frames of a file that only grows: the messages with their
// names and modseqs, each change since, and where the folder's own files stood when they were last read. Pure.
//
// A frame is `length, sum, kind` and columns of numbers, so that a hundred thousand messages are read without being
// parsed one by one. Everything is aligned to eight octets. A frame that is cut short or does not match its sum ends the
// file: what came before it is good.
//
// This is a cache. Whoever reads it compares with the folder's files and throws it away on any doubt.

import { endianness } from 'node:os';
import { checksum } from './checksum.ts';

/** Written first; another one means that the file is of no use to us. */
export const JOURNAL_VERSION = 1;

const KIND = { head: 1, messages: 2, changes: 3, expunged: 4, ceiling: 5, standing: 6 } as const;

export interface JournalHead {
  readonly guid: string;
  readonly uidValidity: number;
  /** Of the machine's start: what was not made durable may be missing after another one. */
  readonly boot: string;
  /** Modseqs up to here may have been expunged unnoticed: `expungedSince` cannot answer below. */
  readonly expungedFloor: number;
  readonly highestModseq: number;
}

/** What may change of a message, as a row of columns. */
export interface JournalChange {
  readonly uid: number;
  readonly modseq: number;
  /** 1 for new/, 2 for cur/. */
  readonly place: number;
  /** The name's end. */
  readonly info: string;
  /** -1 where not known. */
  readonly rawSize: number;
  readonly crlfSize: number;
  readonly counted: boolean;
  readonly mtimeMs: number;
}

export interface JournalMessage extends JournalChange {
  readonly base: string;
  readonly fields: string;
}

export interface JournalExpunge {
  readonly uid: number;
  readonly modseq: number;
}

/** Rows as the file has them, column by column; they may be written to. */
export interface JournalRows {
  readonly count: number;
  /** Of each row: modseq, size of the file, size in CRLF form, mtime. */
  readonly numbers: Float64Array;
  /** Of each row: UID, index into `infos`. */
  readonly small: Uint32Array;
  /** Of each row: place, and `COUNTED`. */
  readonly places: Uint8Array;
  readonly infos: readonly string[];
}

export interface JournalMessages extends JournalRows {
  /** Of each row: where in `text` its base ends, and where its fields end, which follow. */
  readonly ends: Uint32Array;
  readonly text: string;
}

/** What `readJournal` meets, in order. */
export interface JournalSink {
  head(head: JournalHead): void;
  messages(rows: JournalMessages): void;
  changes(rows: JournalRows): void;
  expunged(expunge: JournalExpunge): void;
  /** Modseqs up to here may have been given out without a trace. */
  ceiling(modseq: number): void;
  /** Where the folder's own files stood, as the writer put it; no change followed unless another frame does. */
  standing(value: unknown): void;
}

const FRAME_HEADER = 16;
/** In `JournalRows.places`, beside the place: the size in CRLF form was counted, not taken from a name. */
export const COUNTED = 4;
/** Columns are written as the machine has them: all machines this runs on agree. */
const LITTLE = endianness() === 'LE';

export function formatHead(head: JournalHead): Buffer {
  return jsonFrame(KIND.head, { ...head, version: JOURNAL_VERSION, little: LITTLE });
}

export function formatStanding(value: unknown): Buffer {
  return jsonFrame(KIND.standing, value);
}

export function formatCeiling(modseq: number): Buffer {
  return frame(KIND.ceiling, Buffer.from(new Float64Array([modseq]).buffer));
}

export function formatMessages(messages: readonly JournalMessage[]): Buffer {
  const infos = new TextTable(messages);
  const { numbers, small, octets } = columns(messages, infos);
  const ends = new Uint32Array(messages.length * 2);
  const texts: string[] = [];
  let end = 0;
  for (let i = 0; i < messages.length; i++) {
    const { base, fields } = messages[i] as JournalMessage;
    texts.push(base, fields);
    ends[i * 2] = end += base.length;
    ends[i * 2 + 1] = end += fields.length;
  }
  return frame(
    KIND.messages,
    counts([messages.length, infos.count, infos.text.length, end]),
    view(numbers),
    view(small),
    view(ends),
    octets,
    Buffer.from(infos.text + texts.join(''), 'latin1'),
  );
}

export function formatChanges(changes: readonly JournalChange[]): Buffer {
  const infos = new TextTable(changes);
  const { numbers, small, octets } = columns(changes, infos);
  return frame(
    KIND.changes,
    counts([changes.length, infos.count, infos.text.length, 0]),
    view(numbers),
    view(small),
    octets,
    Buffer.from(infos.text, 'latin1'),
  );
}

export function formatExpunges(expunges: readonly JournalExpunge[]): Buffer {
  const modseqs = new Float64Array(expunges.length);
  const uids = new Uint32Array(expunges.length);
  for (let i = 0; i < expunges.length; i++) {
    const { uid, modseq } = expunges[i] as JournalExpunge;
    modseqs[i] = modseq;
    uids[i] = uid;
  }
  return frame(KIND.expunged, counts([expunges.length, 0, 0, 0]), view(modseqs), view(uids));
}

/**
 * Reads what is whole. Answers where it ends; -1 when the file is not a journal of this version. `bytes` must begin at an
 * offset of eight in its memory, as `Buffer.allocUnsafeSlow` gives it.
 */
export function readJournal(bytes: Buffer, sink: JournalSink): number {
  let at = 0;
  let begun = false;
  while (at + FRAME_HEADER <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const end = at + FRAME_HEADER + length;
    if (length % 8 !== 0 || end > bytes.length) break;
    const kind = bytes.readUInt32LE(at + 8);
    if (checksum(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) break;
    if (begun !== (kind !== KIND.head)) return -1;
    const body = bytes.subarray(at + FRAME_HEADER, end);
    if (kind === KIND.head) {
      const head = readJson(body) as (JournalHead & { version?: unknown; little?: unknown }) | undefined;
      if (head?.version !== JOURNAL_VERSION || head.little !== LITTLE) return -1;
      begun = true;
      sink.head(head);
    } else readFrame(kind, body, sink);
    at = end;
  }
  return begun ? at : -1;
}

function readFrame(kind: number, body: Buffer, sink: JournalSink): void {
  if (kind === KIND.standing) sink.standing(readJson(body));
  else if (kind === KIND.ceiling) sink.ceiling(body.readDoubleLE(0));
  else if (kind === KIND.expunged) readExpunges(body, sink);
  else if (kind === KIND.messages || kind === KIND.changes) readRows(kind, body, sink);
}

function readExpunges(body: Buffer, sink: JournalSink): void {
  const count = body.readUInt32LE(0);
  const modseqs = new Float64Array(body.buffer, body.byteOffset + 16, count);
  const uids = new Uint32Array(body.buffer, body.byteOffset + 16 + count * 8, count);
  for (let i = 0; i < count; i++) sink.expunged({ uid: uids[i] as number, modseq: modseqs[i] as number });
}

function readRows(kind: number, body: Buffer, sink: JournalSink): void {
  const [count = 0, infoCount = 0, infoLength = 0, textLength = 0] = new Uint32Array(
    body.buffer,
    body.byteOffset,
    4,
  );
  let at = body.byteOffset + 16;
  const numbers = new Float64Array(body.buffer, at, count * 4);
  at += count * 32;
  const small = new Uint32Array(body.buffer, at, count * 2);
  at += count * 8;
  const withText = kind === KIND.messages;
  const ends = new Uint32Array(body.buffer, at, withText ? count * 2 : 0);
  at += ends.byteLength;
  const places = new Uint8Array(body.buffer, at, count);
  at += count - body.byteOffset;
  const infos = body.toString('latin1', at, at + infoLength).split('\0');
  if (infos.length < infoCount) return;
  at += infoLength;
  const rows = { count, numbers, small, places, infos };
  if (withText) sink.messages({ ...rows, ends, text: body.toString('latin1', at, at + textLength) });
  else sink.changes(rows);
}

/** The distinct name ends of some rows. No name holds a NUL. */
class TextTable {
  readonly #indices = new Map<string, number>();
  readonly text: string;

  constructor(rows: readonly { readonly info: string }[]) {
    for (const { info } of rows) if (!this.#indices.has(info)) this.#indices.set(info, this.#indices.size);
    this.text = [...this.#indices.keys()].join('\0');
  }

  get count(): number {
    return this.#indices.size;
  }

  indexOf(info: string): number {
    return this.#indices.get(info) ?? 0;
  }
}

function columns(
  rows: readonly JournalChange[],
  infos: TextTable,
): { readonly numbers: Float64Array; readonly small: Uint32Array; readonly octets: Buffer } {
  const numbers = new Float64Array(rows.length * 4);
  const small = new Uint32Array(rows.length * 2);
  const octets = Buffer.alloc(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as JournalChange;
    numbers[i * 4] = row.modseq;
    numbers[i * 4 + 1] = row.rawSize;
    numbers[i * 4 + 2] = row.crlfSize;
    numbers[i * 4 + 3] = row.mtimeMs;
    small[i * 2] = row.uid;
    small[i * 2 + 1] = infos.indexOf(row.info);
    octets[i] = row.place | (row.counted ? COUNTED : 0);
  }
  return { numbers, small, octets };
}

function counts(values: readonly number[]): Buffer {
  return view(new Uint32Array(values));
}

function view(column: Float64Array | Uint32Array): Buffer {
  return Buffer.from(column.buffer, column.byteOffset, column.byteLength);
}

function jsonFrame(kind: number, value: unknown): Buffer {
  return frame(kind, Buffer.from(JSON.stringify(value), 'utf8'));
}

function readJson(body: Buffer): unknown {
  try {
    // Frames end in padding.
    return JSON.parse(body.toString('utf8').replace(/\0+$/, ''));
  } catch {
    return undefined;
  }
}

function frame(kind: number, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const padded = (length + 7) & ~7;
  // Memory of its own: columns and sums want it aligned.
  const bytes = Buffer.from(new ArrayBuffer(FRAME_HEADER + padded));
  bytes.writeUInt32LE(padded, 0);
  bytes.writeUInt32LE(kind, 8);
  let at = FRAME_HEADER;
  for (const part of parts) at += part.copy(bytes, at);
  bytes.writeUInt32LE(checksum(bytes.subarray(8)), 4);
  return bytes;
}
