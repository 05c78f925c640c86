// A table in memory that outlives the process: each change is a line at the end of a file, and the file is written anew
// when most of its lines are of the past. For what can be found out again (answers of probes, clients that passed a
// test): a change that was made in the moment of a crash may be lost, a broken line is skipped.
//
// Bounded: beyond `maxEntries` the entry that changed longest ago goes. Nothing throws; a disk that fails is told to
// the log once, and the table goes on in memory.

import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import type { Log } from '@postcote/wire';

export interface KeptMapOptions<Value> {
  readonly path: string;
  readonly maxEntries: number;
  /** Undefined for what is no value: it is forgotten. */
  readonly read: (value: unknown) => Value | undefined;
  readonly log: Log;
}

/** Octets of a file that is read at all. */
const MAX_FILE = 64 * 1024 * 1024;
/** Lines of the past that are kept beside as many of the present. */
const SLACK = 1000;

export class KeptMap<Value> {
  readonly #options: KeptMapOptions<Value>;
  readonly #entries = new Map<string, Value>();
  #lines = 0;
  #unwritten: string[] = [];
  #writing: Promise<void> | undefined;
  #failed = false;

  constructor(options: KeptMapOptions<Value>) {
    this.#options = options;
    this.#load();
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: Value): void {
    this.#put(key, value);
    this.#note([key, value]);
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#note([key]);
  }

  /** Forgets what is over. */
  sweep(isOver: (value: Value) => boolean): void {
    for (const [key, value] of this.#entries) if (isOver(value)) this.delete(key);
  }

  /** Settles when everything so far is in the file. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #put(key: string, value: Value): void {
    // Taken out and put in again, so that the oldest stand first.
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#options.maxEntries) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }

  #note(change: readonly unknown[]): void {
    this.#unwritten.push(`${JSON.stringify(change)}\n`);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    // Changes of one turn leave together.
    await Promise.resolve();
    while (this.#unwritten.length > 0) {
      const lines = this.#unwritten;
      this.#unwritten = [];
      this.#lines += lines.length;
      try {
        if (this.#lines > 2 * this.#entries.size + SLACK) this.#writeAnew();
        else await appendFile(this.#options.path, lines.join(''), { mode: 0o600 });
        this.#failed = false;
      } catch (error) {
        this.#complain(error);
      }
    }
  }

  #writeAnew(): void {
    const { path } = this.#options;
    const lines = [...this.#entries].map((entry) => `${JSON.stringify(entry)}\n`);
    writeFileSync(`${path}.new`, lines.join(''), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    this.#lines = lines.length;
  }

  #load(): void {
    const { path, read } = this.#options;
    try {
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? MAX_FILE + 1) > MAX_FILE) return;
      for (const line of readFileSync(path, 'utf8').split('\n')) {
        if (line === '') continue;
        this.#lines++;
        const change = parseChange(line);
        if (change === undefined) continue;
        const value = change.length === 1 ? undefined : read(change[1]);
        if (value === undefined) this.#entries.delete(change[0]);
        else this.#put(change[0], value);
      }
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.log('warn', 'postcote', `warning: ${this.#options.path}: ${reason}`);
  }
}

function parseChange(line: string): readonly [string] | readonly [string, unknown] | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    if (!Array.isArray(parsed) || typeof parsed[0] !== 'string') return undefined;
    return parsed.length === 1 ? [parsed[0]] : [parsed[0], parsed[1]];
  } catch {
    return undefined;
  }
}
