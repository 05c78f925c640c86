// Small file operations that the rest of this package is made of: paths with odd octets, modes, durable
// directories, whole-file reads and writes. Synchronous calls are those that take microseconds on a local disk.

import {
  closeSync,
  constants,
  fchmodSync,
  fdatasync,
  fstatSync,
  fsync,
  mkdirSync,
  open,
  openSync,
  readSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { errorCode } from './errors.ts';

/** Names are latin1 strings; a name beyond ASCII must not be encoded again. */
export function pathOf(directory: string, name: string): string | Buffer {
  for (let i = 0; i < name.length; i++) {
    if (name.charCodeAt(i) > 127)
      return Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, 'latin1')]);
  }
  return `${directory}/${name}`;
}

/** Reading never follows a link, never waits for a FIFO's writer. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
export const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Modes for what is made below a root directory. */
export interface Modes {
  readonly directory: number;
  /** The format's own files. */
  readonly file: number;
  readonly message: number;
}

/**
 * Directories and files follow the root's mode. Message files are for the user alone unless the root singles its
 * group out (0770, 02750…): the 0755 of a plain `mkdir ~/mail` says nothing about wanting one's mail read.
 */
export function modesUnder(rootMode: number): Modes {
  const mode = rootMode & 0o777;
  const group = (mode >> 3) & 7;
  const shared = group !== (mode & 7);
  return {
    directory: mode | 0o700,
    file: (mode & 0o666) | 0o600,
    message: shared ? (mode & 0o660) | 0o600 : 0o600,
  };
}

/** Creates for writing; the mode holds whatever the umask. */
export function createFile(path: string | Buffer, mode: number): number {
  const fd = openSync(path, CREATE_FLAGS, mode);
  if (mode !== 0o600) fchmodSync(fd, mode);
  return fd;
}

/** Files and directories being synced now. */
let syncs = 0;

/**
 * The same without holding everybody up: while other files are being synced, a new one may have to wait for the
 * file system's journal.
 */
export function createFileUnhurried(path: string | Buffer, mode: number): number | Promise<number> {
  // Alone, the way over another thread costs more than it saves.
  if (syncs === 0) return createFile(path, mode);
  return new Promise((resolve, reject) => {
    open(path, CREATE_FLAGS, mode, (error, fd) => {
      if (error) {
        reject(error);
        return;
      }
      if (mode !== 0o600) fchmodSync(fd, mode);
      resolve(fd);
    });
  });
}

/** True when it was made, false when it was there. */
export function makeDirectory(path: string, mode: number): boolean {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  if (mode !== 0o700) {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      // A set-group-ID bit comes from the parent and stays.
      fchmodSync(fd, (fstatSync(fd).mode & 0o7000) | mode);
    } finally {
      closeSync(fd);
    }
  }
  return true;
}

export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at);
}

/** What is in an open file from `position` on, up to `length`; shorter at its end. */
export function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  while (at < length) {
    const n = readSync(fd, bytes, at, length - at, position + at);
    if (n === 0) break;
    at += n;
  }
  return at === length ? bytes : bytes.subarray(0, at);
}

/** Room for a small file and one octet more, which tells where it ends. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024 + 1);

/**
 * What an open file has, if it is `size` octets long now; else undefined. One system call for most files, and no
 * memory: the answer is good until the next call.
 */
export function readIfSized(fd: number, size: number): Buffer | undefined {
  if (size >= scratch.length) return undefined;
  return readSync(fd, scratch, 0, size + 1, 0) === size ? scratch.subarray(0, size) : undefined;
}

/** Octets of one slab; what is larger than a quarter of it gets memory of its own. */
const SLAB = 64 * 1024;
let slab = Buffer.alloc(0);

/** Memory for a message: many share one slab, which the collector has less work with than with one each. */
export function allocateShared(length: number): Buffer {
  if (length > SLAB / 4) return Buffer.allocUnsafeSlow(length);
  if (length > slab.length) slab = Buffer.allocUnsafeSlow(SLAB);
  const bytes = slab.subarray(0, length);
  slab = slab.subarray(length);
  return bytes;
}

/** A regular file's text (latin1) and stat; undefined when there is none. Larger than `limit` throws. */
export function readText(path: string, limit: number): { text: string; stat: Stats } | undefined {
  let fd: number;
  try {
    fd = openSync(path, READ_FLAGS);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error(`${path} is no regular file`);
    if (stat.size > limit) throw new Error(`${path} has ${stat.size} octets, more than ${limit}`);
    return { text: readAt(fd, 0, stat.size).toString('latin1'), stat };
  } finally {
    closeSync(fd);
  }
}

export function fsyncFile(fd: number): Promise<void> {
  syncs++;
  return new Promise((resolve, reject) => {
    fsync(fd, (error) => {
      syncs--;
      if (error) reject(error);
      else resolve();
    });
  });
}

export function fdatasyncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Makes a directory's entries durable. Calls that come while one is under way share the next one, so that many
 * deliveries at once cost few commits of the file system.
 */
export class DirectorySync {
  readonly #running = new Map<string, { current: Promise<void>; next: Promise<void> | undefined }>();

  sync(path: string): Promise<void> {
    const running = this.#running.get(path);
    if (!running) return this.#start(path);
    running.next ??= running.current.then(
      () => this.#start(path),
      () => this.#start(path),
    );
    return running.next;
  }

  #start(path: string): Promise<void> {
    const state: { current: Promise<void>; next: Promise<void> | undefined } = {
      current: syncDirectory(path),
      next: undefined,
    };
    this.#running.set(path, state);
    const done = (): void => {
      if (this.#running.get(path) === state && !state.next) this.#running.delete(path);
    };
    state.current.then(done, done);
    return state.current;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await fsyncFile(fd);
  } catch (error) {
    // Some network file systems have no fsync for directories; they are synchronous by themselves.
    if (errorCode(error) !== 'EINVAL') throw error;
  } finally {
    closeSync(fd);
  }
}

/** Lets other work run between slices of a long job. */
export function yieldTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
