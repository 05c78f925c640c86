// The `dovecot-uidlist` of one folder on disk: remembers how far it was read, reads on when it grew, reads all when
// it was replaced. Writing is for the holder of the folder's lock only.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { MailboxError } from '@postcote/mailbox';
import {
  formatUidlistHeader,
  parseUidlistHeader,
  parseUidlistRecords,
  type RecordSink,
  type UidlistHeader,
} from '../uidlist.ts';
import { createFile, fdatasyncFile, READ_FLAGS, readAt, writeAll } from './disk.ts';
import { errorCode } from './errors.ts';

/** A million messages make about 80 MB. */
const MAX_SIZE = 256 * 1024 * 1024;
/** Octets before the end of what was read that must still be there when the file has merely grown. */
const TAIL = 64;

/** Room for a header line. */
const HEADER_ROOM = 4096;

/** How far the file was read. */
export interface UidlistStanding {
  readonly header: UidlistHeader;
  readonly lastUid: number;
  readonly records: number;
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly end: number;
  readonly tail: string;
}

/** How the file relates to the last look. `all` means that every record was given again. */
export type UidlistOutcome = 'unchanged' | 'grown' | 'all' | 'missing' | 'damaged';

export class UidlistFile {
  path: string;
  /** Undefined before the first reading that succeeds; kept when the file then goes missing or bad. */
  header: UidlistHeader | undefined;
  lastUid = 0;
  /** Records in the file, stale ones included. */
  records = 0;
  /** The file is not as we would write it: skipped lines, version 1, a torn last line. */
  irregular = false;
  #ino = 0;
  #size = -1;
  #mtimeMs = 0;
  #end = 0;
  #tail = '';

  constructor(path: string) {
    this.path = path;
  }

  /** For another process to go on with; undefined while the file is not as it should be. */
  get standing(): UidlistStanding | undefined {
    if (!this.header || this.irregular || this.#size === -1) return undefined;
    return {
      header: this.header,
      lastUid: this.lastUid,
      records: this.records,
      ino: this.#ino,
      size: this.#size,
      mtimeMs: this.#mtimeMs,
      end: this.#end,
      tail: this.#tail,
    };
  }

  restore(standing: UidlistStanding): void {
    this.header = standing.header;
    this.lastUid = standing.lastUid;
    this.records = standing.records;
    this.#ino = standing.ino;
    this.#size = standing.size;
    this.#mtimeMs = standing.mtimeMs;
    this.#end = standing.end;
    this.#tail = standing.tail;
  }

  /** The next reading gives all records again. */
  forgetPosition(): void {
    this.#size = -1;
    this.#ino = 0;
  }

  /** The header on disk as it is now, without taking it over. */
  peekHeader(): UidlistHeader | undefined {
    let fd: number;
    try {
      fd = openSync(this.path, READ_FLAGS);
    } catch {
      return undefined;
    }
    try {
      return parseUidlistHeader(readAt(fd, 0, HEADER_ROOM).toString('latin1'))?.header;
    } finally {
      closeSync(fd);
    }
  }

  get uidNext(): number {
    return Math.max(this.header?.nextUid ?? 1, this.lastUid + 1);
  }

  /** One stat. */
  looksChanged(): boolean {
    const stat = statSync(this.path, { throwIfNoEntry: false });
    return stat ? !this.#isSame(stat) : this.#size !== -1;
  }

  /** Reads what is new. `onAll` is called before the first record when all are given again. */
  read(sink: RecordSink, onAll: () => void): UidlistOutcome {
    let fd: number;
    try {
      fd = openSync(this.path, READ_FLAGS);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      if (this.#size === -1 && this.irregular) return 'unchanged';
      this.#forget();
      return 'missing';
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > MAX_SIZE)
        throw new MailboxError('unavailable', `${this.path} is no uidlist`);
      if (this.#isSame(stat)) return 'unchanged';
      return this.#hasGrown(fd, stat)
        ? this.#readGrown(fd, stat, sink)
        : this.#readAll(fd, stat, sink, onAll);
    } finally {
      closeSync(fd);
    }
  }

  /** Adds complete lines in one write; takes them back when they do not fit. */
  async append(lines: string, last: { uid: number; records: number }): Promise<void> {
    const bytes = Buffer.from(lines, 'latin1');
    const fd = openSync(this.path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
    try {
      const before = fstatSync(fd);
      if (before.ino !== this.#ino || before.size !== this.#end) {
        throw new MailboxError('unavailable', `${this.path} changed under our lock`);
      }
      try {
        if (writeSync(fd, bytes) !== bytes.length)
          throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
        // Before anything else can run: a look meanwhile must not take these lines for another program's.
        this.#remember(fstatSync(fd), this.#end + bytes.length, (this.#tail + lines).slice(-TAIL));
        this.lastUid = last.uid;
        this.records += last.records;
        await fdatasyncFile(fd);
      } catch (error) {
        ftruncateSync(fd, before.size);
        this.#size = -1;
        throw error;
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Writes the whole file anew beside the old one and renames it over. */
  rewrite(
    header: UidlistHeader,
    body: { readonly text: string; readonly lastUid: number; readonly records: number },
    mode: number,
  ): void {
    const temporary = `${this.path}.tmp`;
    try {
      unlinkSync(temporary);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    const text = formatUidlistHeader(header) + body.text;
    const fd = createFile(temporary, mode);
    try {
      writeAll(fd, Buffer.from(text, 'latin1'));
      // Waiting for the disk here keeps what is written and what is known from drifting apart.
      fsyncSync(fd);
      renameSync(temporary, this.path);
      this.#remember(fstatSync(fd), text.length, text.slice(-TAIL));
    } catch (error) {
      try {
        unlinkSync(temporary);
      } catch {
        // The first error is the one to tell.
      }
      throw error;
    } finally {
      closeSync(fd);
    }
    this.header = header;
    this.lastUid = body.lastUid;
    this.records = body.records;
    this.irregular = false;
  }

  #isSame(stat: Stats): boolean {
    return stat.ino === this.#ino && stat.size === this.#size && stat.mtimeMs === this.#mtimeMs;
  }

  /** Inodes are used again: what was read last must still stand where it stood. */
  #hasGrown(fd: number, stat: Stats): boolean {
    if (!this.header || stat.ino !== this.#ino || stat.size <= this.#size) return false;
    return readAt(fd, this.#end - this.#tail.length, this.#tail.length).toString('latin1') === this.#tail;
  }

  #readGrown(fd: number, stat: Stats, sink: RecordSink): UidlistOutcome {
    const text = readAt(fd, this.#end, stat.size - this.#end).toString('latin1');
    const version = this.header?.version ?? 3;
    const body = parseUidlistRecords(text, { from: 0, lastUid: this.lastUid, version }, sink);
    this.lastUid = body.lastUid;
    this.records += body.records;
    if (body.bad > 0 || body.end < text.length) this.irregular = true;
    this.#remember(stat, this.#end + body.end, (this.#tail + text.slice(0, body.end)).slice(-TAIL));
    return 'grown';
  }

  #readAll(fd: number, stat: Stats, sink: RecordSink, onAll: () => void): UidlistOutcome {
    const text = readAt(fd, 0, stat.size).toString('latin1');
    const parsed = parseUidlistHeader(text);
    if (!parsed) {
      this.#forget();
      return 'damaged';
    }
    onAll();
    const { header } = parsed;
    const body = parseUidlistRecords(text, { from: parsed.end, lastUid: 0, version: header.version }, sink);
    this.header = header;
    this.lastUid = body.lastUid;
    this.records = body.records;
    this.irregular =
      body.bad > 0 ||
      body.end < text.length ||
      header.version !== 3 ||
      header.guid === undefined ||
      text.length < stat.size;
    this.#remember(stat, body.end, text.slice(Math.max(0, body.end - TAIL), body.end));
    return 'all';
  }

  #remember(stat: Stats, end: number, tail: string): void {
    this.#ino = stat.ino;
    this.#size = stat.size;
    this.#mtimeMs = stat.mtimeMs;
    this.#end = end;
    this.#tail = tail;
  }

  #forget(): void {
    this.irregular = true;
    this.#size = -1;
    this.#ino = 0;
    this.#tail = '';
    this.#end = 0;
  }
}
