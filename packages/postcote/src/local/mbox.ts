// Appends a message to a file: an mbox with the locks of mailbox_delivery_lock, or whatever else a path may name
// (`/dev/null`). Runs with the rights of the file's owner-to-be. POSTFIX: mbox_open(3), mail_copy(3).
//
// Contract: the message is there as a whole and synced, or the file is as it was. Links to somebody else's file are not
// followed, a file with more than one name is not written to.

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, stat, unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { failed, type LocalResult } from './outcome.ts';
import type { LockSettings } from './settings.ts';

export interface Append {
  readonly path: string;
  readonly chunks: AsyncIterable<Buffer>;
  readonly locks: LockSettings;
  /** A folder in which no lock file can be made is no obstacle: for `/file` in aliases and .forward. */
  readonly mayLackDotlock: boolean;
  /** The code where nothing more fitting is known. */
  readonly dsn: string;
  /** Largest size of the file afterwards; 0 for no limit. */
  readonly sizeLimit: number;
  /** What the open file must be; undefined: fine. */
  readonly check?: (file: {
    readonly isFile: boolean;
    readonly uid: number;
    readonly mode: number;
  }) => LocalResult | undefined;
}

/** Undefined: appended. */
export async function appendToFile(append: Append): Promise<LocalResult | undefined> {
  const { path, locks, dsn } = append;
  const existing = await stat(path).catch(() => undefined);
  let dotlock: string | undefined;
  if (locks.styles.includes('dotlock') && existing?.isFile() !== false) {
    const lock = await takeDotlock(path, locks);
    if (lock === 'taken') dotlock = `${path}.lock`;
    else if (lock === 'busy') return failed('4.2.0', `unable to create lock file ${path}.lock: File exists`);
    else if (!append.mayLackDotlock)
      return failed(codeOf(lock, dsn), `unable to create lock file ${path}.lock: ${wordsOf(lock)}`);
  }
  try {
    return await appendLocked(append);
  } catch (error) {
    return failed(codeOf(error, dsn), wordsOf(error));
  } finally {
    if (dotlock !== undefined) await unlink(dotlock).catch(() => {});
  }
}

async function appendLocked({
  path,
  chunks,
  locks,
  sizeLimit,
  check,
}: Append): Promise<LocalResult | undefined> {
  const file = await openSafely(path);
  let holder: LockHolder | undefined;
  try {
    const before = await file.stat();
    const refused = check?.({ isFile: before.isFile(), uid: before.uid, mode: before.mode });
    if (refused !== undefined) return refused;
    if (!before.isFile()) {
      for await (const chunk of chunks) await file.writeFile(chunk);
      return undefined;
    }
    const styles = locks.styles.filter((style) => style !== 'dotlock');
    if (styles.length > 0) {
      const taken = await LockHolder.take(file, styles, locks);
      if (typeof taken === 'string') return failed('4.2.0', `unable to lock for exclusive access: ${taken}`);
      holder = taken;
    }
    // Whoever had the lock may have put another file in its place.
    const { size, nlink } = await file.stat();
    if (nlink !== 1) return failed('4.2.0', 'target file status changed unexpectedly');
    return await writeOrUndo(file, size, { chunks, sizeLimit });
  } finally {
    await file.close();
    await holder?.release();
  }
}

async function writeOrUndo(
  file: FileHandle,
  size: number,
  { chunks, sizeLimit }: { readonly chunks: AsyncIterable<Buffer>; readonly sizeLimit: number },
): Promise<LocalResult | undefined> {
  try {
    let total = size;
    for await (const chunk of chunks) {
      total += chunk.length;
      if (sizeLimit > 0 && total > sizeLimit) throw new FileTooLarge('error writing message: File too large');
      await file.writeFile(chunk);
    }
    await file.sync();
    return undefined;
  } catch (error) {
    await file.truncate(size);
    throw error;
  }
}

class FileTooLarge extends Error {
  readonly code = 'EFBIG';
}

/** POSTFIX: safe_open(3): O_NONBLOCK against FIFOs; a link counts only when root made it; one name only. */
async function openSafely(path: string): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK;
  const named = await lstat(path).catch(() => undefined);
  const follow = named?.isSymbolicLink() === true && named.uid === 0 ? 0 : constants.O_NOFOLLOW;
  const create = named === undefined ? constants.O_CREAT | constants.O_EXCL : 0;
  let file: FileHandle;
  try {
    file = await open(path, flags | follow | create, 0o600);
  } catch (error) {
    const what = named === undefined ? 'cannot create file exclusively' : 'cannot open file';
    const code = error instanceof Error && 'code' in error ? { code: error.code } : {};
    throw Object.assign(new Error(`${what}: ${wordsOf(error)}`, { cause: error }), code, { isSaid: true });
  }
  const { nlink } = await file.stat();
  if (nlink === 1 || named?.isCharacterDevice() === true) return file;
  await file.close();
  throw new Error(`file has ${nlink} hard links`);
}

type Fault = 'taken' | 'busy' | Error;

async function takeDotlock(path: string, locks: LockSettings): Promise<Fault> {
  const name = `${path}.lock`;
  for (let attempt = 1; ; attempt++) {
    try {
      await (await open(name, 'wx', 0)).close();
      return 'taken';
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (!('code' in error) || error.code !== 'EEXIST') return error;
    }
    if (attempt >= locks.attempts) return 'busy';
    const lock = await lstat(name).catch(() => undefined);
    if (lock !== undefined && Date.now() - lock.ctimeMs > locks.staleAfter) {
      await unlink(name).catch(() => {});
      continue;
    }
    await sleep(locks.delay * (0.5 + Math.random()));
  }
}

/**
 * Node can take neither fcntl(2) nor flock(2) locks; perl, which every Debian has, holds them for us on the same open
 * file until it is told to let go or our end of its input closes.
 */
class LockHolder {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** A string says why not. */
  static async take(
    file: FileHandle,
    styles: readonly string[],
    locks: LockSettings,
  ): Promise<LockHolder | string> {
    const child = spawn(
      '/usr/bin/perl',
      ['-e', HOLD_LOCKS, styles.join(' '), String(locks.attempts), String(locks.delay / 1000)],
      { stdio: ['pipe', 'pipe', 'ignore', file.fd], env: {}, cwd: '/' },
    );
    child.stdin?.on('error', () => {});
    const said = await new Promise<string>((resolve) => {
      let text = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (text.includes('\n')) resolve(text.trim());
      });
      child.once('error', (error) => resolve(`${error.message} (perl holds the lock)`));
      child.once('exit', () => resolve(text.trim() || 'the lock holder ended'));
    });
    if (said === 'locked') return new LockHolder(child);
    child.kill('SIGKILL');
    return said;
  }

  async release(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.stdin?.end();
    await ended;
  }
}

const HOLD_LOCKS = `
use Fcntl qw(:DEFAULT :flock F_SETLK F_WRLCK);
$| = 1;
my ($styles, $attempts, $delay) = @ARGV;
open(my $file, '>>&=3') or do { print "$!\\n"; exit 1 };
for my $style (split / /, $styles) {
  my $taken = 0;
  for my $attempt (1 .. $attempts) {
    my $lock = pack('s! s! x![q] q q i x![q]', F_WRLCK, 0, 0, 0, 0);
    $taken = $style eq 'flock'
      ? flock($file, LOCK_EX | LOCK_NB)
      : fcntl($file, F_SETLK, $lock);
    last if $taken;
    select(undef, undef, undef, $delay) if $attempt < $attempts;
  }
  if (!$taken) { print "$!\\n"; exit 1 }
}
print "locked\\n";
sysread(STDIN, my $byte, 1);
`;

function codeOf(error: unknown, standIn: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EAGAIN' || code === 'ESTALE') return '4.2.0';
  if (code === 'ENOSPC') return '4.3.0';
  return code === 'EDQUOT' || code === 'EFBIG' ? '5.2.2' : standIn;
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  ELOOP: 'file is a symbolic link',
  ENOSPC: 'No space left on device',
  EDQUOT: 'Disk quota exceeded',
  EROFS: 'Read-only file system',
  ENXIO: 'nobody reads from it',
};

export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && !('isSaid' in error) ? String(error.code) : '';
  return WORDS[code] ?? error.message;
}
