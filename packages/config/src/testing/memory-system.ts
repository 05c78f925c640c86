// A made-up machine for tests: files, host name and interfaces as given. Tables read from it do not change.

import type { FileRead, InterfaceAddress, System } from '../system.ts';
import type { OpenFile, TablePorts } from '../tables/open-table.ts';
import type { ParseTable } from '../tables/text-map.ts';

export interface MemoryMachine {
  readonly files?: Readonly<Record<string, string>>;
  readonly hostname?: string;
  readonly interfaces?: readonly InterfaceAddress[];
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** Lines of passwd(5), by name. */
  readonly passwd?: Readonly<Record<string, string>>;
}

const LOOPBACK: readonly InterfaceAddress[] = [
  { address: '127.0.0.1', prefixLength: 8, isLoopback: true },
  { address: '::1', prefixLength: 128, isLoopback: true },
];

export function makeMemorySystem(machine: MemoryMachine = {}): System {
  const files = new Map(Object.entries(machine.files ?? {}));
  const hosts = new Map(Object.entries(machine.hosts ?? {}));
  return {
    hostname: () => machine.hostname ?? 'mail.example.com',
    interfaces: () => machine.interfaces ?? LOOPBACK,
    readFile: (path): FileRead => {
      const text = files.get(path);
      return text === undefined ? { kind: 'missing' } : { kind: 'text', text };
    },
    glob: (pattern) => {
      const expression = pattern
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replace(/\*/g, '[^/]*')
        .replace(/\?/g, '[^/]');
      const matcher = new RegExp(`^${expression}$`);
      return [...files.keys()].filter((path) => matcher.test(path)).sort();
    },
    addressesOf: (host) => hosts.get(host) ?? [],
  };
}

export function makeMemoryTables(machine: MemoryMachine = {}): TablePorts {
  const system = makeMemorySystem(machine);
  const passwd = new Map(Object.entries(machine.passwd ?? {}));
  return {
    openFile: <Content>(path: string, _format: string, parse: ParseTable<Content>): OpenFile<Content> => {
      const read = system.readFile(path);
      if (read.kind !== 'text') return read;
      const { content, errors, warnings } = parse(path, read.text);
      return { kind: 'open', file: { current: () => content }, problems: [...errors, ...warnings] };
    },
    account: (database, name) => (database === 'passwd' ? passwd.get(name) : undefined),
    environment: () => undefined,
  };
}
