// A folder for a test's Maildir, in memory where the machine has such a place: fsync costs nothing there.

import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryRoot {
  /** `mail` in a fresh folder; not made yet. */
  readonly path: string;
  remove(): void;
}

export function makeTemporaryRoot(): TemporaryRoot {
  const directory = mkdtempSync(join(fastFolder(), 'postcote-maildir-'));
  return { path: join(directory, 'mail'), remove: () => rmSync(directory, { recursive: true }) };
}

function fastFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}
