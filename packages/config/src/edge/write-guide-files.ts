// Writes files that are not there yet, and never touches one that is.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { GuideFile } from '../guide-files.ts';

export type WriteOutcome =
  | { readonly kind: 'written'; readonly path: string }
  /** Something stands there already; it was left alone. */
  | { readonly kind: 'exists'; readonly path: string }
  | { readonly kind: 'failed'; readonly path: string; readonly reason: string };

export function writeGuideFiles(files: readonly GuideFile[]): readonly WriteOutcome[] {
  return files.map(writeNew);
}

function writeNew({ path, text }: GuideFile): WriteOutcome {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { flag: 'wx', mode: 0o644, flush: true });
    return { kind: 'written', path };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return code === 'EEXIST' ? { kind: 'exists', path } : { kind: 'failed', path, reason: code };
  }
}
