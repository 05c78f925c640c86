// Who passed postscreen's tests, and until when: kept in the front's folder over restarts.

import { join } from 'node:path';
import type { Passed, ScreenCache } from '@postcote/smtp/edge';
import type { Log } from '@postcote/wire';
import { KeptMap } from './kept-map.ts';

/** Clients remembered: some 30 MiB. */
const MAX_CLIENTS = 200_000;
const SWEEP = 12 * 3_600_000;

export function openScreenCache(folder: string, log: Log): ScreenCache {
  const cache = new KeptMap<Passed>({
    path: join(folder, 'postscreen_cache'),
    maxEntries: MAX_CLIENTS,
    read: readPassed,
    log,
  });
  setInterval(() => {
    const now = Date.now();
    cache.sweep(({ greet, dnsbl }) => Math.max(greet, dnsbl) <= now);
  }, SWEEP).unref();
  return cache;
}

function readPassed(value: unknown): Passed | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { greet, dnsbl } = value as Partial<Record<keyof Passed, unknown>>;
  return typeof greet === 'number' && typeof dnsbl === 'number' ? { greet, dnsbl } : undefined;
}
