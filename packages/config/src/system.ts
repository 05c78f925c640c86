// What reading a configuration needs from the machine. The edge supplies the real one, tests a made-up one.

export type FileRead =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly reason: string };

export interface InterfaceAddress {
  readonly address: string;
  readonly prefixLength: number;
  readonly isLoopback: boolean;
}

/** Synchronous: it is asked at start and at a reload, never while serving. */
export interface System {
  hostname(): string;
  interfaces(): readonly InterfaceAddress[];
  readFile(path: string): FileRead;
  /** Paths that match a shell pattern, sorted. A pattern without wildcards yields itself if it exists. */
  glob(pattern: string): readonly string[];
  /** Addresses of a host name used in a listener, from the hosts file. */
  addressesOf(host: string): readonly string[];
}
