// Which TLS a destination gets: smtp_tls_policy_maps, else smtp_tls_security_level. Pure.

import type { ClientSettings, TlsLevel } from './client-settings.ts';
import type { TransportTable } from './transport.ts';

export interface TlsPolicy {
  readonly level: TlsLevel;
  /** Names one of which the certificate must bear at `verify` and `secure`; `.example.com` for any below it. */
  readonly match: readonly string[];
  /** For SNI. */
  readonly serverName: string;
}

/** What is refused by name: asking for more than can be checked must not end in less. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['dane', 'dane-only', 'fingerprint']);
const LEVELS: ReadonlySet<string> = new Set(['none', 'may', 'encrypt', 'verify', 'secure']);

export type LevelReading =
  | { readonly kind: 'level'; readonly level: TlsLevel }
  | { readonly kind: 'unsupported' | 'unknown' };

export function parseTlsLevel(word: string): LevelReading {
  const level = word.toLowerCase();
  if (LEVELS.has(level)) return { kind: 'level', level: level as TlsLevel };
  return { kind: UNSUPPORTED.has(level) ? 'unsupported' : 'unknown' };
}

export interface TlsQuestion {
  /** The destination as main.cf or a table writes it: `example.com`, `[mail.example.com]:587`. */
  readonly nexthop: string;
  /** The destination without brackets and port. */
  readonly domain: string;
  /** The host that will be asked. */
  readonly host: string;
}

/** The policy, or the reason why there is none: the mail waits then. */
export async function findTlsPolicy(
  question: TlsQuestion,
  settings: ClientSettings,
  policies: TransportTable | undefined,
): Promise<TlsPolicy | string> {
  const row = policies === undefined ? undefined : await findRow(question.nexthop, policies);
  if (row === undefined) return makePolicy(question, settings, settings.tlsLevel, new Map());
  const [word = '', ...rest] = row.trim().split(/[\s,]+/);
  const reading = parseTlsLevel(word);
  if (reading.kind !== 'level')
    return `TLS policy for ${question.nexthop}: level "${word}" is ${reading.kind === 'unknown' ? 'unknown' : 'not supported'}`;
  const attributes = new Map<string, string>();
  for (const item of rest) {
    const equals = item.indexOf('=');
    attributes.set(item.slice(0, Math.max(0, equals)).toLowerCase(), item.slice(equals + 1));
  }
  return makePolicy(question, settings, reading.level, attributes);
}

// POSTFIX: the destination as written, then its parent domains with a dot in front.
async function findRow(nexthop: string, policies: TransportTable): Promise<string | undefined> {
  const name = nexthop.toLowerCase();
  const whole = await policies.find(name);
  if (whole !== undefined) return whole.value;
  if (name.startsWith('[') || name.includes(':')) return undefined;
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const parent = await policies.find(name.slice(dot), 'partial');
    if (parent !== undefined) return parent.value;
  }
  return undefined;
}

function makePolicy(
  { domain, host }: TlsQuestion,
  settings: ClientSettings,
  level: TlsLevel,
  attributes: ReadonlyMap<string, string>,
): TlsPolicy {
  const written = attributes
    .get('match')
    ?.split(':')
    .filter((name) => name !== '');
  const strategies = written ?? (level === 'secure' ? settings.tlsSecureMatch : settings.tlsVerifyMatch);
  const match = strategies.flatMap((name) => {
    if (name === 'hostname') return [host];
    if (name === 'nexthop') return [domain];
    if (name === 'dot-nexthop') return [`.${domain}`];
    return [name];
  });
  const wanted = attributes.get('servername') ?? settings.tlsServername;
  const serverName = wanted === '' || wanted === 'hostname' ? host : wanted === 'nexthop' ? domain : wanted;
  return { level, match, serverName };
}
