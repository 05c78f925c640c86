// Table files, read once and kept fresh. A poll of size and time is the truth; a watch on the folder makes the next
// poll come sooner. A changed file is read when it has been quiet for a moment, parsed, and put in place as a whole;
// if the new text is bad or gone, the last good content stays and the log says so once per edit.

import { readFileSync, statSync, watch, type FSWatcher } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Log } from '@postcote/wire';
import { formatProblem } from '../origin.ts';
import type { LiveFile, OpenFile } from '../tables/open-table.ts';
import type { ParseTable } from '../tables/text-map.ts';
import { describeReadError } from './system.ts';

const POLL_INTERVAL = 5_000;
/** After a hint from the watch: editors write in several steps. */
const SETTLE_TIME = 100;
const LOG_PROGRAM = 'postcote/tables';

/** What tells one edit from the next. */
type Fingerprint = string;

interface Stamped {
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly ino: bigint;
}

const fingerprintOf = ({ size, mtimeNs, ctimeNs, ino }: Stamped): Fingerprint =>
  `${size}:${mtimeNs}:${ctimeNs}:${ino}`;

const EXACT = { bigint: true } as const;

class TableFile<Content> implements LiveFile<Content> {
  readonly path: string;
  readonly #parse: ParseTable<Content>;
  readonly #log: Log;
  #content: Content;
  /** Of the text that was last looked at, good or bad. */
  #seen: Fingerprint;
  #isChecking = false;

  constructor(
    path: string,
    parse: ParseTable<Content>,
    first: { content: Content; seen: Fingerprint; log: Log },
  ) {
    this.path = path;
    this.#parse = parse;
    this.#content = first.content;
    this.#seen = first.seen;
    this.#log = first.log;
  }

  current(): Content {
    return this.#content;
  }

  /** Looks whether the file changed, and takes the change over if it is good. Never throws. */
  async check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      await this.#checkOnce();
    } catch (error) {
      const read = describeReadError(error);
      const reason = read.kind === 'unreadable' ? read.reason : 'the file is gone';
      if (this.#seen !== reason) this.#keepLast(reason);
      this.#seen = reason;
    } finally {
      this.#isChecking = false;
    }
  }

  async #checkOnce(): Promise<void> {
    const before = fingerprintOf(await stat(this.path, EXACT));
    if (before === this.#seen) return;
    const text = await readFile(this.path, 'utf8');
    // Still being written: the next look decides.
    if (fingerprintOf(await stat(this.path, EXACT)) !== before) return;
    this.#seen = before;
    const parsed = this.#parse(this.path, text);
    const [first] = parsed.errors;
    if (first !== undefined) {
      this.#keepLast(
        formatProblem({ ...first, message: first.message.replace('; the line is skipped', '') }),
      );
      return;
    }
    this.#content = parsed.content;
    this.#log('info', LOG_PROGRAM, `${this.path} changed and was read again`);
    for (const warning of parsed.warnings) this.#log('warn', LOG_PROGRAM, formatProblem(warning));
  }

  #keepLast(reason: string): void {
    this.#log(
      'error',
      LOG_PROGRAM,
      `${this.path}: the edit is not taken over, the last good content stays: ${reason}`,
    );
  }
}

export interface TableFilesOptions {
  readonly log: Log;
  /** Text of files that this process may not read itself (passwords for other servers), by path. */
  readonly given?: ReadonlyMap<string, string>;
  /** For tests; milliseconds. */
  readonly pollInterval?: number;
  readonly settleTime?: number;
}

export class TableFiles {
  readonly #options: TableFilesOptions;
  readonly #files = new Map<string, TableFile<unknown>>();
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #settling = new Map<string, NodeJS.Timeout>();
  #poll: NodeJS.Timeout | undefined;

  constructor(options: TableFilesOptions) {
    this.#options = options;
  }

  open<Content>(path: string, format: string, parse: ParseTable<Content>): OpenFile<Content> {
    const key = `${format} ${path}`;
    const remembered = this.#files.get(key);
    // One format and path always come with the same parser.
    if (remembered !== undefined) {
      return { kind: 'open', file: remembered as TableFile<Content>, problems: [] };
    }
    const given = this.#options.given?.get(path);
    if (given !== undefined) {
      const { content, errors, warnings } = parse(path, given);
      return { kind: 'open', file: { current: () => content }, problems: [...errors, ...warnings] };
    }
    let seen: Fingerprint;
    let text: string;
    try {
      seen = fingerprintOf(statSync(path, EXACT));
      text = readFileSync(path, 'utf8');
    } catch (error) {
      const read = describeReadError(error);
      return read.kind === 'missing' ? read : { kind: 'unreadable', reason: reasonOf(read) };
    }
    const parsed = parse(path, text);
    const file = new TableFile(path, parse, { content: parsed.content, seen, log: this.#options.log });
    this.#files.set(key, file as TableFile<unknown>);
    if (this.#poll !== undefined) this.#watchFolder(dirname(path));
    return { kind: 'open', file, problems: [...parsed.errors, ...parsed.warnings] };
  }

  /** Starts watching; without it the tables stay as they were read. */
  start(): void {
    if (this.#poll !== undefined) return;
    this.#poll = setInterval(() => void this.check(), this.#options.pollInterval ?? POLL_INTERVAL);
    this.#poll.unref();
    for (const file of this.#files.values()) this.#watchFolder(dirname(file.path));
  }

  stop(): void {
    clearInterval(this.#poll);
    this.#poll = undefined;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    for (const timer of this.#settling.values()) clearTimeout(timer);
    this.#settling.clear();
  }

  /** Looks at every file now. */
  async check(): Promise<void> {
    for (const file of this.#files.values()) await file.check();
  }

  #watchFolder(folder: string): void {
    if (this.#watchers.has(folder)) return;
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#settle(folder));
      watcher.on('error', () => {
        // The poll still sees every change.
        watcher.close();
        this.#watchers.delete(folder);
      });
      this.#watchers.set(folder, watcher);
    } catch {
      // No watch to be had (the kernel's limit, say): the poll is enough.
    }
  }

  #settle(folder: string): void {
    clearTimeout(this.#settling.get(folder));
    const timer = setTimeout(() => void this.#checkFolder(folder), this.#options.settleTime ?? SETTLE_TIME);
    timer.unref();
    this.#settling.set(folder, timer);
  }

  async #checkFolder(folder: string): Promise<void> {
    for (const file of this.#files.values()) {
      if (dirname(file.path) === folder) await file.check();
    }
  }
}

function reasonOf(read: ReturnType<typeof describeReadError>): string {
  return read.kind === 'unreadable' ? read.reason : 'unknown error';
}
