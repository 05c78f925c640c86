// Notices that something in a directory changed: by the kernel's word, which may get lost, and by looking at the
// directory's times now and then, which is the truth. Reads nothing in it.

import { type FSWatcher, watch } from 'node:fs';
import { readDirectorySignature } from '../directory-signature.ts';

export interface DirectoryWatchOptions {
  readonly pollInterval: number;
  /** Changes that come together are told once. */
  readonly onChange: () => void;
}

/** Milliseconds in which several notices count as one. */
const COALESCE = 10;

export class DirectoryWatch {
  readonly #options: DirectoryWatchOptions;
  readonly #watchers = new Map<string, FSWatcher | undefined>();
  readonly #seen = new Map<string, string>();
  readonly #poll: NodeJS.Timeout;
  #pending: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: DirectoryWatchOptions) {
    this.#options = options;
    this.#poll = setInterval(() => void this.#look(), options.pollInterval);
  }

  /** `signature`: the directory's state that is known; any other is a change. */
  add(path: string, signature: string): void {
    if (this.#stopped) return;
    this.#seen.set(path, signature);
    if (!this.#watchers.has(path)) this.#watchers.set(path, this.#open(path));
    // What happened between the last look and the watch was noticed by nobody.
    void this.#lookAt(path);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#poll);
    clearTimeout(this.#pending);
    for (const watcher of this.#watchers.values()) watcher?.close();
    this.#watchers.clear();
  }

  #open(path: string): FSWatcher | undefined {
    try {
      const watcher = watch(path, { persistent: false }, () => this.#notice());
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch {
      // No watches left, or no such directory: looking will tell.
      return undefined;
    }
  }

  async #look(): Promise<void> {
    for (const path of this.#watchers.keys()) await this.#lookAt(path);
  }

  async #lookAt(path: string): Promise<void> {
    const state = await readDirectorySignature(path);
    if (this.#stopped) return;
    const before = this.#seen.get(path);
    this.#seen.set(path, state);
    if (before !== undefined && before !== state) this.#notice();
  }

  #notice(): void {
    if (this.#stopped) return;
    this.#pending ??= setTimeout(() => {
      this.#pending = undefined;
      this.#options.onChange();
    }, COALESCE);
  }
}
