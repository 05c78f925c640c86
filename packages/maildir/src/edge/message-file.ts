// One message's content, from its file. Small files are read at once and whole, which takes microseconds; large
// ones piece by piece. Nothing here follows a link, waits on a FIFO, or trusts a size that the file contradicts.

import { closeSync, fstatSync, lstatSync, openSync, read as readCallback, type Stats } from 'node:fs';
import { MailboxError, type ByteRange, type MaybePromise, type MessageHandle } from '@postcote/mailbox';
import { parseMessageStructure, StructureParser, type Envelope, type MessageStructure } from '@postcote/mime';
import { crlfCopy, OffsetMap, toCrlf } from '../line-endings.ts';
import { decodeEnvelope, decodeStructure, encodeStructure, Undecodable } from '../structure-codec.ts';
import { recordField, withRecordField } from '../uidlist.ts';
import { allocateShared, READ_FLAGS, readAt, readIfSized } from './disk.ts';
import { toMailboxError } from './errors.ts';
import { isMoved, type MaildirFolder } from './folder.ts';
import type { MessageEntry } from './message-entry.ts';
import { MAX_ENCODED } from './parts-file.ts';

/** Files up to this many octets are read whole and kept for a while. */
export const SMALL_FILE = 1024 * 1024;
/** Below this, a header is taken from the whole message rather than read by itself. */
const HEADER_ONLY_FROM = 16 * 1024;
/** Where most headers end. */
const HEADER_PIECE = 8 * 1024;
const PIECE = 128 * 1024;
/** How often a file that keeps moving is looked for. */
const MAX_MOVES = 8;

interface OpenFile {
  readonly fd: number;
  readonly stat: Stats;
}

export class MaildirMessage implements MessageHandle {
  readonly uid: number;
  readonly #folder: MaildirFolder;
  readonly #entry: MessageEntry;

  constructor(folder: MaildirFolder, entry: MessageEntry) {
    this.#folder = folder;
    this.#entry = entry;
    this.uid = entry.uid;
  }

  get pop3Uidl(): string | undefined {
    const uidl = recordField(this.#entry.fields, 'P');
    // DOVECOT: an empty `P` field stands for the base name.
    return uidl === '' ? this.#entry.base : uidl;
  }

  get pop3Order(): number | undefined {
    const order = recordField(this.#entry.fields, 'O');
    return order !== undefined && /^\d{1,10}$/.test(order) ? Number(order) : undefined;
  }

  get guid(): string {
    return this.#entry.guid;
  }

  get storageName(): string {
    return this.#entry.base;
  }

  /**
   * Names begin with the second in which the file came to be, here or in another program, and a copy or a moved message
   * has a new one. DOVECOT: takes the time of the inode's last change, which a rename may move.
   */
  saveDate(): Date {
    if (this.#entry.dead) throw this.#expunged();
    const seconds = /^(\d{9,10})[._]/.exec(this.#entry.base)?.[1];
    return new Date(seconds === undefined ? this.#stat().mtimeMs : Number(seconds) * 1000);
  }

  size(): MaybePromise<number> {
    const entry = this.#entry;
    if (entry.crlfSize !== -1) return entry.crlfSize;
    const { rawSize } = this.#stat();
    const hinted = entry.hintedSize(rawSize);
    if (hinted !== undefined) {
      entry.toldSize = hinted;
      return (entry.crlfSize = hinted);
    }
    return this.exactSize();
  }

  exactSize(): MaybePromise<number> {
    const entry = this.#entry;
    if (entry.counted) return entry.crlfSize;
    const small = this.#small();
    return small ? small.length : this.#map().then((map) => map.crlfSize);
  }

  internalDate(): Date {
    return new Date(Math.floor(this.#stat().mtimeMs / 1000) * 1000);
  }

  header(): MaybePromise<Buffer> {
    const known = this.#folder.context.contents.get(this.#entry)?.bytes;
    const whole = known ?? (this.#stat().rawSize < HEADER_ONLY_FROM ? this.#small() : undefined);
    if (whole) return headerOf(whole) ?? whole;
    const { fd, stat } = this.#open();
    try {
      let raw: Buffer = Buffer.alloc(0);
      for (let length = HEADER_PIECE; raw.length < stat.size; length *= 4) {
        const more = readAt(fd, raw.length, Math.min(length, stat.size - raw.length));
        if (more.length === 0) break;
        raw = raw.length === 0 ? more : Buffer.concat([raw, more]);
        const header = headerOf(toCrlf(raw));
        if (header) return header;
      }
      return toCrlf(raw);
    } finally {
      closeSync(fd);
    }
  }

  structure(): MaybePromise<MessageStructure> {
    const { contents } = this.#folder.context;
    const known = contents.get(this.#entry)?.structure ?? this.#kept(decodeStructure);
    if (known) return known;
    const small = this.#small();
    if (small) {
      const structure = parseMessageStructure(small);
      contents.put(this.#entry, { structure });
      this.#keep(structure);
      return structure;
    }
    return this.#largeStructure();
  }

  envelope(): MaybePromise<Envelope> {
    const known = this.#folder.context.contents.get(this.#entry)?.structure?.envelope;
    if (known) return known;
    const kept = this.#kept(decodeEnvelope);
    if (kept) return kept;
    const structure = this.structure();
    return structure instanceof Promise ? structure.then((s) => s.envelope) : structure.envelope;
  }

  /** What the index has of this message, if its file is still as large as it was. */
  #kept<T>(decode: (bytes: Buffer) => T): T | undefined {
    const { parts } = this.#folder;
    if (!parts) return undefined;
    const bytes = parts.get(this.uid, this.#stat().rawSize);
    if (!bytes) return undefined;
    try {
      return decode(bytes);
    } catch (error) {
      if (error instanceof Undecodable) return undefined;
      throw error;
    }
  }

  #keep(structure: MessageStructure): void {
    const { parts } = this.#folder;
    if (!parts) return;
    const encoding = encodeStructure(structure, MAX_ENCODED);
    if (encoding) parts.put(this.uid, this.#entry.rawSize, encoding);
  }

  read(range?: ByteRange): MaybePromise<Buffer> {
    const bytes = this.#small();
    if (bytes) {
      if (!range) return bytes;
      // Whoever asks up to a size that a wrong hint made us tell means the end.
      const end = range.end === this.#entry.toldSize ? bytes.length : range.end;
      return bytes.subarray(Math.max(0, range.start), Math.max(0, end));
    }
    return this.#collect(range);
  }

  async *stream(range?: ByteRange): AsyncIterable<Buffer> {
    if (this.#small()) {
      const bytes = await this.read(range);
      if (bytes.length > 0) yield bytes;
      return;
    }
    const start = Math.max(0, range?.start ?? 0);
    const end = range?.end ?? Number.MAX_SAFE_INTEGER;
    const from = start === 0 ? { raw: 0, crlf: 0, previous: 0 } : (await this.#map()).locate(start);
    let { crlf, previous } = from;
    for await (const piece of this.#pieces(from.raw)) {
      const text = toCrlf(piece, previous);
      previous = piece[piece.length - 1] as number;
      const wanted = text.subarray(Math.max(0, start - crlf), Math.max(0, end - crlf));
      crlf += text.length;
      if (wanted.length > 0) yield wanted;
      if (crlf >= end) return;
    }
  }

  async #collect(range?: ByteRange): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.stream(range)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** Size on disk and mtime, asked once per message. */
  #stat(): { rawSize: number; mtimeMs: number } {
    const entry = this.#entry;
    if (entry.dead) throw this.#expunged();
    if (entry.rawSize !== -1 && entry.mtimeMs !== -1) return entry;
    const stat = lstatSync(this.#folder.fileOf(entry), { throwIfNoEntry: false });
    if (stat?.isFile()) {
      entry.rawSize = stat.size;
      entry.mtimeMs = stat.mtimeMs;
    } else {
      closeSync(this.#open().fd);
    }
    return entry;
  }

  /** All of a small message; undefined for a large one. */
  #small(): Buffer | undefined {
    const entry = this.#entry;
    if (entry.rawSize > SMALL_FILE) return undefined;
    const { contents } = this.#folder.context;
    const known = contents.get(entry)?.bytes;
    if (known) return known;
    const bytes = this.#readSmall();
    if (!bytes) return undefined;
    this.#counted(bytes.length);
    contents.put(entry, { bytes });
    return bytes;
  }

  #readSmall(): Buffer | undefined {
    const entry = this.#entry;
    const fd = this.#openFile();
    try {
      // A file that has the size it had needs no second question.
      const known = entry.rawSize !== -1 && entry.mtimeMs !== -1 ? readIfSized(fd, entry.rawSize) : undefined;
      if (known) return crlfCopy(known, allocateShared);
      const { size } = this.#examine(fd);
      if (size > SMALL_FILE) return undefined;
      const sized = readIfSized(fd, size);
      return sized ? crlfCopy(sized, allocateShared) : toCrlf(readAt(fd, 0, size));
    } catch (error) {
      throw toMailboxError(error, `${this.#folder.name} message ${this.uid}`);
    } finally {
      closeSync(fd);
    }
  }

  async #map(): Promise<OffsetMap> {
    const { contents } = this.#folder.context;
    const known = contents.get(this.#entry)?.map;
    if (known) return known;
    const map = new OffsetMap();
    for await (const piece of this.#pieces(0)) map.push(piece);
    this.#counted(map.crlfSize);
    contents.put(this.#entry, { map });
    return map;
  }

  async #largeStructure(): Promise<MessageStructure> {
    const parser = new StructureParser();
    const map = new OffsetMap();
    let previous = 0;
    for await (const piece of this.#pieces(0)) {
      map.push(piece);
      parser.push(toCrlf(piece, previous));
      previous = piece[piece.length - 1] as number;
    }
    const structure = parser.finish();
    this.#counted(map.crlfSize);
    this.#folder.context.contents.put(this.#entry, { map, structure });
    this.#keep(structure);
    return structure;
  }

  /** The file's octets from `position` on. */
  async *#pieces(position: number): AsyncGenerator<Buffer> {
    const { fd } = this.#open();
    try {
      let at = position;
      for (;;) {
        const piece = await readPiece(fd, at);
        if (piece.length === 0) return;
        at += piece.length;
        yield piece;
      }
    } catch (error) {
      throw toMailboxError(error, `${this.#folder.name} message ${this.uid}`);
    } finally {
      closeSync(fd);
    }
  }

  #counted(crlfSize: number): void {
    const entry = this.#entry;
    entry.crlfSize = crlfSize;
    entry.counted = true;
    if (entry.hintedSize(entry.rawSize) === crlfSize) return;
    // DOVECOT: sizes that the name does not tell are kept in the uidlist; it is written when there are enough.
    entry.fields = withRecordField(
      withRecordField(entry.fields, 'S', `${entry.rawSize}`),
      'W',
      `${crlfSize}`,
    );
    this.#folder.countedSizes++;
  }

  #open(): OpenFile {
    const fd = this.#openFile();
    try {
      return { fd, stat: this.#examine(fd) };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Opens the file, wherever it has been moved meanwhile. */
  #openFile(): number {
    const folder = this.#folder;
    const entry = this.#entry;
    for (let attempt = 0; ; attempt++) {
      if (entry.dead || !entry.live) throw this.#expunged();
      try {
        return openSync(folder.fileOf(entry), READ_FLAGS);
      } catch (error) {
        if (!isMoved(error) || attempt >= MAX_MOVES)
          throw toMailboxError(error, `${folder.name} message ${this.uid}`);
        folder.lookAgain();
      }
    }
  }

  #examine(fd: number): Stats {
    const stat = fstatSync(fd);
    if (!stat.isFile())
      throw new MailboxError('unavailable', `${this.#folder.name} message ${this.uid} is no regular file`);
    this.#entry.rawSize = stat.size;
    this.#entry.mtimeMs = stat.mtimeMs;
    return stat;
  }

  #expunged(): MailboxError {
    return new MailboxError('expunged', `${this.#folder.name} message ${this.uid} is gone`);
  }
}

/** The header with its empty line; undefined when the empty line is not there. */
function headerOf(text: Buffer): Buffer | undefined {
  if (text[0] === 13 && text[1] === 10) return text.subarray(0, 2);
  const end = text.indexOf('\r\n\r\n');
  return end === -1 ? undefined : text.subarray(0, end + 4);
}

function readPiece(fd: number, position: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    readCallback(fd, Buffer.allocUnsafe(PIECE), 0, PIECE, position, (error, length, buffer) => {
      if (error) reject(error);
      else resolve(buffer.subarray(0, length));
    });
  });
}
