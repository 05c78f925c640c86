// One filter as main.cf names it, with the settings that hold for it alone.

export type DefaultAction = 'accept' | 'reject' | 'tempfail' | 'quarantine' | 'shutdown';

export interface MilterService {
  /** As it stands in main.cf and in the log: `inet:localhost:11332`. */
  readonly name: string;
  /** What counts when the filter cannot be asked; other words than `DefaultAction`'s are a configuration problem. */
  readonly defaultAction: string;
  /** `milter_protocol`. */
  readonly protocol: string;
  /** Milliseconds, as are the others. */
  readonly connectTimeout: number;
  readonly commandTimeout: number;
  readonly contentTimeout: number;
}

export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

/** `inet:host:port`, `inet:[::1]:port`, `unix:path`, `local:path`; or what is wrong with it, in Postfix's words. */
export function parseEndpoint(name: string): Endpoint | string {
  const colon = name.indexOf(':');
  const transport = name.slice(0, Math.max(0, colon));
  const rest = name.slice(colon + 1);
  if (transport === '' || rest === '') return `Milter service needs transport:endpoint instead of "${name}"`;
  if (transport === 'unix' || transport === 'local') return { path: rest };
  if (transport !== 'inet') return `invalid transport name: ${transport} in Milter service: ${name}`;
  const match = /^(?:\[([^\]]+)\]|([^:]*)):([0-9]{1,5})$/.exec(rest);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535)
    return `Milter service needs host:port instead of "${rest}"`;
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? 'localhost' : host, port };
}
