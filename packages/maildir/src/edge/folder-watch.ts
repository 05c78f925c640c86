// Learns of other programs' changes to one folder while somebody wants to know: kernel notices (which may be lost)
// and a slow poll (which is the truth).

import { watch, type FSWatcher } from 'node:fs';

/** Notices that come together are told once. */
const COALESCE_MS = 10;

export interface WatchOptions {
  readonly paths: readonly string[];
  readonly pollMs: number;
  /** Whether anything changed since the last look, by stats. */
  readonly looksChanged: () => boolean;
  readonly notify: () => void;
}

export class FolderWatch {
  readonly #options: WatchOptions;
  #watchers: FSWatcher[] = [];
  #poll: NodeJS.Timeout | undefined;
  #pending: NodeJS.Timeout | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#poll) return;
    for (const path of this.#options.paths) {
      try {
        const watcher = watch(path, { persistent: false }, () => this.#noticed());
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // No watches left, or the directory is gone: the poll will tell.
      }
    }
    this.#poll = setInterval(() => this.#check(), this.#options.pollMs);
    this.#poll.unref();
    // What happened between the last look and the watch was noticed by nobody.
    this.#check();
  }

  stop(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
    clearInterval(this.#poll);
    clearTimeout(this.#pending);
    this.#poll = undefined;
    this.#pending = undefined;
  }

  #check(): void {
    let changed = true;
    try {
      changed = this.#options.looksChanged();
    } catch {
      // Whoever looks will meet the same error, and report it.
    }
    if (changed) this.#options.notify();
  }

  #noticed(): void {
    this.#pending ??= setTimeout(() => {
      this.#pending = undefined;
      this.#options.notify();
    }, COALESCE_MS);
  }
}
