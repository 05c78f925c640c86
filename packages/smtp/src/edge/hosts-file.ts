// /etc/hosts, both ways (hosts(5)). Read again when it has changed, at most every few seconds; a file that cannot be
// read is an empty one.

import { readFile } from 'node:fs/promises';

export interface HostsFile {
  /** Addresses of a name, as written. */
  addresses(name: string): Promise<readonly string[]>;
  /** Names of an address, the canonical one first. */
  names(address: string): Promise<readonly string[]>;
}

interface Tables {
  readonly byName: ReadonlyMap<string, string[]>;
  readonly byAddress: ReadonlyMap<string, string[]>;
}

const FRESH = 10_000;
/** A larger file is no hosts file. */
const MAX_OCTETS = 1024 * 1024;

export function openHostsFile(path = '/etc/hosts'): HostsFile {
  let readAt = -Infinity;
  let tables: Promise<Tables> | undefined;
  const current = (): Promise<Tables> => {
    const now = performance.now();
    if (tables === undefined || now - readAt > FRESH) {
      readAt = now;
      tables = readFile(path, 'utf8').then(parseHosts, () => parseHosts(''));
    }
    return tables;
  };
  return {
    addresses: async (name) => (await current()).byName.get(name.toLowerCase()) ?? [],
    names: async (address) => (await current()).byAddress.get(address) ?? [],
  };
}

export function parseHosts(text: string): Tables {
  const byName = new Map<string, string[]>();
  const byAddress = new Map<string, string[]>();
  for (const line of text.slice(0, MAX_OCTETS).split('\n')) {
    const [address, ...names] = (line.split('#', 1)[0] ?? '').split(/\s+/).filter((word) => word !== '');
    if (address === undefined || names.length === 0) continue;
    append(byAddress, address, ...names);
    for (const name of names) append(byName, name.toLowerCase(), address);
  }
  return { byName, byAddress };
}

function append(map: Map<string, string[]>, key: string, ...values: string[]): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, values);
  else list.push(...values);
}
