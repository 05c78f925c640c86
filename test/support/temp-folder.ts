// A folder of a test's own under the system's temporary directory, and how it goes away again.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export interface TempFolder {
  readonly path: string;
  remove(): void;
}

/** Other users may pass through it: users' homes may lie inside. */
export function makeTempFolder(purpose: string): TempFolder {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `postcote-${purpose}-`));
  fs.chmodSync(folder, 0o755);
  return {
    path: folder,
    remove() {
      if (process.env['POSTCOTE_TEST_KEEP'] === undefined) {
        fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
      }
    },
  };
}
