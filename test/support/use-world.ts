// For test files that need a running server: `describeWithWorld` starts it before the first test of the block and
// stops it after the last, or skips the block by name when root is missing.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { makeFolder } from './maildir-files.ts';
import type { Account } from './play-transcript.ts';
import {
  ROOT_MISSING,
  SIDE_UNDER_TEST,
  TestBed,
  type World,
  type WorldOptions,
  startWorld,
} from './world.ts';

export interface RunningWorld {
  readonly bed: TestBed;
  readonly world: World;
  /** A fresh account with an empty `~/mail`. */
  account(): Account;
  /** A folder of the test's own, for a client's files. */
  clientFolder(): string;
}

/** Describes tests that need root, under a name that says why they are skipped without. */
export function describeAsRoot(name: string, tests: () => void): void {
  describe.skipIf(ROOT_MISSING !== undefined)(
    ROOT_MISSING === undefined ? name : `${name} (${ROOT_MISSING})`,
    tests,
  );
}

export function describeWithWorld(
  name: string,
  tests: (running: RunningWorld) => void,
  options: WorldOptions = {},
): void {
  describeAsRoot(name, () => {
    let bed: TestBed | undefined;
    let world: World | undefined;
    const present = <T>(value: T | undefined): T => {
      if (value === undefined) throw new Error('the server is not running');
      return value;
    };
    beforeAll(async () => {
      bed = await TestBed.open('clients');
      world = await startWorld(SIDE_UNDER_TEST, bed, options);
    });
    afterAll(async () => {
      await world?.stop();
      await bed?.close();
    });
    let folders = 0;
    tests({
      get bed() {
        return present(bed);
      },
      get world() {
        return present(world);
      },
      account() {
        const account = present(bed).users.one();
        makeFolder(account, 'INBOX');
        return account;
      },
      clientFolder() {
        const folder = path.join(present(bed).folder, `client${++folders}`);
        fs.mkdirSync(folder, { mode: 0o755 });
        return folder;
      },
    });
  });
}
