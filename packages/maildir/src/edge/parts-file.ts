// The structures of one folder's messages, kept: records one behind the other in a file that only grows, each with its sum.
// Read when the first is asked for; written in batches. A cache: what is torn, of another folder or of another version is
// forgotten, and what cannot be written is parsed again another time.

import { closeSync, constants, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { checksum } from '../checksum.ts';
import { STRUCTURE_VERSION } from '../structure-codec.ts';
import { createFile, READ_FLAGS, readAt, writeAll } from './disk.ts';
import { errorCode } from './errors.ts';
import type { IndexFolder } from './index-folder.ts';

/** Larger structures are parsed each time. */
export const MAX_ENCODED = 64 * 1024;
/** Kept back until it is this much. */
const WAITING_OCTETS = 128 * 1024;
/** Read at a time: messages are mostly asked for in order. */
const WINDOW = 64 * 1024;
const WALK_WINDOW = 1024 * 1024;
const MAX_SIZE = 0xf000_0000;
/** `length of the encoding (padded to four), sum of the rest, UID, size of the message's file`. */
const RECORD_HEADER = 16;
const HEAD_LENGTH = 96;

export interface FolderIdentity {
  readonly guid: string;
  readonly uidValidity: number;
}

export class PartsFile {
  readonly #folder: IndexFolder;
  readonly #path: string;
  readonly #identity: FolderIdentity;
  /** UID to where its record begins; undefined while the file was not looked at. */
  #places: Map<number, number> | undefined;
  #size = 0;
  #waiting = new Map<number, Buffer>();
  #waitingOctets = 0;
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;
  #givenUp = false;

  constructor(folder: IndexFolder, path: string, identity: FolderIdentity) {
    this.#folder = folder;
    this.#path = path;
    this.#identity = identity;
  }

  has(uid: number): boolean {
    return this.#find().has(uid) || this.#waiting.has(uid);
  }

  /** The encoding of a message whose file has `rawSize` octets. Good until the next call. */
  get(uid: number, rawSize: number): Buffer | undefined {
    const at = this.#find().get(uid);
    if (at === undefined) {
      const waiting = this.#waiting.get(uid);
      return waiting && this.#open(waiting, uid, rawSize);
    }
    try {
      const record = this.#record(at);
      const body = record && this.#open(record, uid, rawSize);
      if (body === undefined) this.#places?.delete(uid);
      return body;
    } catch (error) {
      this.#giveUp(error);
      return undefined;
    }
  }

  put(uid: number, rawSize: number, encoding: Buffer): void {
    if (this.#givenUp || encoding.length > MAX_ENCODED) return;
    const length = (encoding.length + 3) & ~3;
    const record = Buffer.from(new ArrayBuffer(RECORD_HEADER + length));
    record.writeUInt32LE(length, 0);
    record.writeUInt32LE(uid, 8);
    record.writeUInt32LE(rawSize >>> 0, 12);
    encoding.copy(record, RECORD_HEADER);
    record.writeUInt32LE(checksum(record.subarray(8)), 4);
    this.#waiting.set(uid, record);
    this.#waitingOctets += record.length;
    if (this.#waitingOctets > WAITING_OCTETS) this.flush();
  }

  flush(): void {
    const waiting = this.#waiting;
    if (waiting.size === 0 || this.#givenUp) return;
    const places = this.#find();
    this.#waiting = new Map();
    this.#waitingOctets = 0;
    try {
      if (this.#size === 0) this.#begin();
      const bytes = Buffer.concat([...waiting.values()]);
      if (this.#size + bytes.length > MAX_SIZE) return;
      const fd = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
      try {
        if (fstatSync(fd).size !== this.#size) {
          // Another process is at work on it.
          this.#givenUp = true;
          return;
        }
        if (writeSync(fd, bytes) !== bytes.length)
          throw Object.assign(new Error('short'), { code: 'ENOSPC' });
      } finally {
        closeSync(fd);
      }
      for (const [uid, record] of waiting) {
        places.set(uid, this.#size);
        this.#size += record.length;
      }
    } catch (error) {
      this.#giveUp(error);
    }
  }

  /** Drops the records of messages that are gone, when they are the better part. `alive` is asked for each. */
  tidy(alive: (uid: number) => boolean): void {
    this.flush();
    const places = this.#places;
    if (!places || this.#givenUp || this.#size === 0) return;
    let gone = 0;
    for (const uid of places.keys()) if (!alive(uid)) gone++;
    if (gone < 64 || gone * 2 < places.size) return;
    try {
      const kept: Buffer[] = [];
      for (const [uid, at] of places) {
        const record = alive(uid) ? this.#record(at) : undefined;
        if (record) kept.push(Buffer.from(record));
      }
      const temporary = `${this.#path}.tmp`;
      this.#folder.remove(temporary);
      const fd = createFile(temporary, 0o600);
      try {
        writeAll(fd, Buffer.concat([this.#headLine(), ...kept]));
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, this.#path);
      this.forget();
    } catch (error) {
      this.#giveUp(error);
    }
  }

  /** Gives memory back; the next question reads the file again. */
  forget(): void {
    this.#places = undefined;
    this.#size = 0;
    this.#window = Buffer.alloc(0);
  }

  discard(): void {
    this.#waiting = new Map();
    this.#waitingOctets = 0;
    this.#places = new Map();
    this.#size = 0;
    this.#folder.remove(this.#path);
  }

  #headLine(): Buffer {
    const { guid, uidValidity } = this.#identity;
    const line = `postcote parts ${STRUCTURE_VERSION} ${guid} ${uidValidity}`;
    return Buffer.from(`${line.padEnd(HEAD_LENGTH - 1)}\n`, 'latin1');
  }

  #begin(): void {
    this.#folder.remove(this.#path);
    const head = this.#headLine();
    const fd = createFile(this.#path, 0o600);
    try {
      writeAll(fd, head);
    } finally {
      closeSync(fd);
    }
    this.#size = head.length;
  }

  #find(): Map<number, number> {
    return (this.#places ??= this.#walk());
  }

  /** Goes from record to record. */
  #walk(): Map<number, number> {
    const places = new Map<number, number>();
    this.#size = 0;
    this.#window = Buffer.alloc(0);
    let fd: number;
    try {
      fd = openSync(this.#path, READ_FLAGS);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#giveUp(error);
      return places;
    }
    try {
      const { size } = fstatSync(fd);
      const head = this.#headLine();
      if (!readAt(fd, 0, Math.min(size, head.length)).equals(head)) return places;
      let at = head.length;
      let window: Buffer = Buffer.alloc(0);
      let windowAt = at;
      for (; at + RECORD_HEADER <= size;) {
        if (at + RECORD_HEADER > windowAt + window.length) {
          window = readAt(fd, at, Math.min(WALK_WINDOW, size - at));
          windowAt = at;
          if (window.length < RECORD_HEADER) break;
        }
        const length = window.readUInt32LE(at - windowAt);
        const end = at + RECORD_HEADER + length;
        if (length > MAX_ENCODED || length % 4 !== 0 || end > size) break;
        places.set(window.readUInt32LE(at - windowAt + 8), at);
        at = end;
      }
      // A torn end: all is written anew from the next flush on, which begins where the size is 0.
      if (at < size) places.clear();
      else this.#size = at;
    } catch (error) {
      this.#giveUp(error);
    } finally {
      closeSync(fd);
    }
    return places;
  }

  #record(at: number): Buffer | undefined {
    let start = at - this.#windowAt;
    let end = this.#endIn(start);
    if (end === undefined) {
      const fd = openSync(this.#path, READ_FLAGS);
      try {
        this.#window = readAt(
          fd,
          at,
          Math.min(Math.max(WINDOW, RECORD_HEADER + MAX_ENCODED), this.#size - at),
        );
      } finally {
        closeSync(fd);
      }
      this.#windowAt = at;
      start = 0;
      end = this.#endIn(0);
    }
    return end === undefined ? undefined : this.#window.subarray(start, end);
  }

  #endIn(start: number): number | undefined {
    const window = this.#window;
    if (start < 0 || start + RECORD_HEADER > window.length) return undefined;
    const end = start + RECORD_HEADER + window.readUInt32LE(start);
    return end <= window.length ? end : undefined;
  }

  #open(record: Buffer, uid: number, rawSize: number): Buffer | undefined {
    const fits =
      record.readUInt32LE(8) === uid &&
      record.readUInt32LE(12) === rawSize >>> 0 &&
      record.readUInt32LE(4) === checksum(record.subarray(8));
    return fits ? record.subarray(RECORD_HEADER) : undefined;
  }

  #giveUp(error: unknown): void {
    this.#givenUp = true;
    this.#waiting = new Map();
    this.#places = new Map();
    this.#window = Buffer.alloc(0);
    this.#folder.complain(this.#path, error);
    this.#folder.remove(this.#path);
  }
}
