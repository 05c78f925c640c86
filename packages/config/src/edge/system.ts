// The machine itself as the `System` port.

import { globSync, readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import type { FileRead, InterfaceAddress, System } from '../system.ts';

export function makeSystem(): System {
  return { hostname, interfaces, readFile, glob, addressesOf };
}

/** A configuration file larger than this is a mistake. */
const MAX_FILE = 256 << 20;

function readFile(path: string): FileRead {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_FILE) return { kind: 'unreadable', reason: 'the file is too large' };
    return { kind: 'text', text: bytes.toString('utf8') };
  } catch (error) {
    return describeReadError(error);
  }
}

export function describeReadError(error: unknown): FileRead {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing' };
  if (code === 'EACCES' || code === 'EPERM') return { kind: 'unreadable', reason: 'permission denied' };
  if (code === 'EISDIR') return { kind: 'unreadable', reason: 'it is a directory' };
  return { kind: 'unreadable', reason: code === '' ? 'unknown error' : code };
}

function glob(pattern: string): readonly string[] {
  try {
    return globSync(pattern).sort();
  } catch {
    return [];
  }
}

function interfaces(): readonly InterfaceAddress[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address, cidr, internal, family }) => ({
      address,
      prefixLength: Number(cidr?.split('/')[1] ?? (family === 'IPv4' ? 32 : 128)),
      isLoopback: internal,
    }));
}

const HOSTS_FILE = '/etc/hosts';

function addressesOf(host: string): readonly string[] {
  const read = readFile(HOSTS_FILE);
  if (read.kind !== 'text') return [];
  const wanted = host.toLowerCase();
  const addresses = new Set<string>();
  for (const line of read.text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (names.some((name) => name.toLowerCase() === wanted)) addresses.add(address);
  }
  return [...addresses];
}
