// A small text file that is read again when it changed: recognised by device, inode, size and the times the
// kernel keeps, which an editor's rename and a `useradd` both change.

import { readFile, stat } from 'node:fs/promises';

export class CachedFile<Parsed> {
  readonly path: string;
  readonly #parse: (text: string) => Parsed;
  #key = '';
  #value: Parsed | undefined;
  #loading: Promise<Parsed> | undefined;
  #seen = Number.NEGATIVE_INFINITY;

  constructor(path: string, parse: (text: string) => Parsed) {
    this.path = path;
    this.#parse = parse;
  }

  /** The parsed content as it is now; the same object while the file is unchanged. Throws what the file system says. */
  async read(): Promise<Parsed> {
    // One look at a time: a burst of logins costs one stat.
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return await this.#loading;
  }

  /** The content where somebody looked less than so many milliseconds ago. */
  seenWithin(age: number): Parsed | undefined {
    return performance.now() - this.#seen < age ? this.#value : undefined;
  }

  async #load(): Promise<Parsed> {
    const begun = performance.now();
    const before = await identify(this.path);
    this.#seen = begun;
    if (this.#value !== undefined && before === this.#key) return this.#value;
    const value = this.#parse(await readFile(this.path, 'utf8'));
    // Changed while it was read: keep no key, so that the next look reads again.
    this.#key = (await identify(this.path)) === before ? before : '';
    this.#value = value;
    return value;
  }
}

async function identify(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}
