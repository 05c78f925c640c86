// Which state a directory is in, in one short text: it changes with every entry that comes, goes or is renamed.

import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';

/** A directory that cannot be looked at has its error as its state. */
export function directorySignature(path: string): string {
  try {
    return describe(statSync(path, { bigint: true }));
  } catch (error) {
    return describeError(error);
  }
}

/** The same, without waiting for the disk. */
export function readDirectorySignature(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(describe, describeError);
}

const describe = ({ dev, ino, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${dev} ${ino} ${mtimeNs} ${ctimeNs}`;
const describeError = (error: unknown): string => String((error as NodeJS.ErrnoException).code);
