// Names that nobody can guess. Read from the kernel: loading node:crypto takes a command that starts often half of its
// time.

import { closeSync, openSync, readSync } from 'node:fs';

const OCTETS = 16;

/** 32 hexadecimal digits. */
export function secretName(): string {
  const octets = Buffer.alloc(OCTETS);
  const descriptor = openSync('/dev/urandom', 'r');
  try {
    if (readSync(descriptor, octets, 0, OCTETS, null) !== OCTETS)
      throw new Error('/dev/urandom gave too little');
  } finally {
    closeSync(descriptor);
  }
  return octets.toString('hex');
}
