// Which TLS a destination gets: smtp_tls_policy_maps, else smtp_tls_security_level. Pure.
//
// A policy that cannot be understood or kept is a reason, never a lower level: the mail waits.

import type { ClientSettings, TlsLevel } from './client-settings.ts';
import { type DaneFinding, findDane, type SecureDns } from './dane.ts';
import type { TlsaRecord } from './dns-message.ts';
import type { TlsWish } from './tls-versions.ts';
import type { TransportTable } from './transport.ts';

/** How a certificate is checked other than by the authorities we know. */
export type PeerCheck =
  | { readonly kind: 'tlsa'; readonly records: readonly TlsaRecord[]; readonly names: readonly string[] }
  | { readonly kind: 'fingerprint'; readonly wanted: readonly string[]; readonly digest: string };

export interface TlsPolicy {
  readonly level: TlsLevel;
  /** Names one of which the certificate must bear at `verify` and `secure`; `.example.com` for any below it. */
  readonly match: readonly string[];
  /** For SNI. */
  readonly serverName: string;
  readonly wish: TlsWish;
  readonly check?: PeerCheck;
  /** Files of trust anchors that alone count at `verify` and `secure`. */
  readonly anchorFiles: readonly string[];
}

const LEVELS: ReadonlySet<string> = new Set([
  'none',
  'may',
  'encrypt',
  'fingerprint',
  'dane',
  'dane-only',
  'verify',
  'secure',
]);

export type LevelReading =
  | { readonly kind: 'level'; readonly level: TlsLevel }
  | { readonly kind: 'unknown' };

export function parseTlsLevel(word: string): LevelReading {
  const level = word.toLowerCase();
  return LEVELS.has(level) ? { kind: 'level', level: level as TlsLevel } : { kind: 'unknown' };
}

/** Whether mail may not go to a server whose certificate fails the policy's check. */
export function mustMatch({ level }: TlsPolicy): boolean {
  return level !== 'none' && level !== 'may' && level !== 'encrypt';
}

export interface TlsQuestion {
  /** The destination as main.cf or a table writes it: `example.com`, `[mail.example.com]:587`. */
  readonly nexthop: string;
  /** The destination without brackets and port. */
  readonly domain: string;
  /** The host that will be asked. */
  readonly host: string;
  readonly port: number;
  /** No MX records were asked for. */
  readonly direct: boolean;
}

export interface TlsPolicyPorts {
  readonly policies?: TransportTable;
  readonly secureDns?: SecureDns;
}

/** The policy, or the reason why there is none: the mail waits then. */
export async function findTlsPolicy(
  question: TlsQuestion,
  settings: ClientSettings,
  ports: TlsPolicyPorts,
): Promise<TlsPolicy | string> {
  const row = ports.policies === undefined ? undefined : await findRow(question.nexthop, ports.policies);
  const policy =
    row === undefined ? madeOf(question, settings, settings.tlsLevel) : readRow(row, question, settings);
  if (typeof policy === 'string' || (policy.level !== 'dane' && policy.level !== 'dane-only')) return policy;
  return await withDane(policy, { question, settings, dns: ports.secureDns });
}

function readRow(row: string, question: TlsQuestion, settings: ClientSettings): TlsPolicy | string {
  const [word = '', ...rest] = row.trim().split(/[\s,]+/);
  const reading = parseTlsLevel(word);
  const about = `TLS policy for ${question.nexthop}`;
  if (reading.kind !== 'level') return `${about}: level "${word}" is unknown`;
  const attributes: Attributes = new Map();
  for (const item of rest) {
    const equals = item.indexOf('=');
    const name = item.slice(0, Math.max(0, equals)).toLowerCase();
    if (!ATTRIBUTES.has(name)) return `${about}: "${item}" is not understood`;
    attributes.set(name, [...(attributes.get(name) ?? []), item.slice(equals + 1)]);
  }
  return madeOf(question, settings, reading.level, attributes);
}

const ATTRIBUTES: ReadonlySet<string> = new Set([
  'match',
  'servername',
  'protocols',
  'ciphers',
  'exclude',
  'tafile',
  // Sessions are reused as smtp_connection_cache_on_demand says.
  'connection_reuse',
]);

type Attributes = Map<string, readonly string[]>;

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

// oxlint-disable-next-line max-params
function madeOf(
  question: TlsQuestion,
  settings: ClientSettings,
  level: TlsLevel,
  attributes: Attributes = new Map(),
): TlsPolicy | string {
  const { domain, host, nexthop } = question;
  const last = (name: string): string | undefined => attributes.get(name)?.at(-1);
  const written = attributes.get('match') ?? [];
  const anchorFiles = attributes.get('tafile') ?? settings.tlsTrustAnchorFiles;
  const mandatory = level !== 'none' && level !== 'may';
  const wish: TlsWish = {
    protocols: mandatory ? (last('protocols') ?? settings.tlsMandatoryProtocols) : settings.tlsProtocols,
    ciphers: last('ciphers') ?? (mandatory ? settings.tlsMandatoryCiphers : settings.tlsCiphers),
    exclude:
      last('exclude') ??
      (mandatory
        ? `${settings.tlsExcludeCiphers} ${settings.tlsMandatoryExcludeCiphers}`
        : settings.tlsExcludeCiphers),
  };
  const wanted = last('servername') ?? settings.tlsServername;
  const serverName = wanted === '' || wanted === 'hostname' ? host : wanted === 'nexthop' ? domain : wanted;
  if (level === 'fingerprint') {
    const prints = written.length > 0 ? written.flatMap((list) => list.split('|')) : settings.tlsFingerprints;
    if (prints.length === 0) return `TLS policy for ${nexthop}: no fingerprints to compare with`;
    const check = { kind: 'fingerprint', wanted: prints, digest: settings.tlsFingerprintDigest } as const;
    return { level, match: [], serverName, wish, check, anchorFiles: [] };
  }
  const names = written.flatMap((list) => list.split(':')).filter((name) => name !== '');
  const strategies =
    names.length > 0 ? names : level === 'secure' ? settings.tlsSecureMatch : settings.tlsVerifyMatch;
  const match = strategies.flatMap((name) => {
    if (name === 'hostname') return [host];
    if (name === 'nexthop') return [domain];
    if (name === 'dot-nexthop') return [`.${domain}`];
    return [name];
  });
  const anchored = level === 'verify' || level === 'secure';
  return { level, match, serverName, wish, anchorFiles: anchored ? anchorFiles : [] };
}

// POSTFIX: `dane` without records is `may`, with none that can be used `encrypt`; `dane-only` waits for records.
async function withDane(
  policy: TlsPolicy,
  {
    question,
    settings,
    dns,
  }: {
    readonly question: TlsQuestion;
    readonly settings: ClientSettings;
    readonly dns: SecureDns | undefined;
  },
): Promise<TlsPolicy | string> {
  const { host, port, domain, direct } = question;
  const only = policy.level === 'dane-only';
  if (dns === undefined || settings.dnsSupport !== 'dnssec')
    return `TLS policy for ${question.nexthop}: ${policy.level} needs ${settings.protocol}_dns_support_level = dnssec`;
  const found: DaneFinding = await findDane(
    {
      domain,
      direct,
      host,
      port,
      insecureMx: !only && settings.tlsDaneInsecureMxPolicy !== 'may',
      insecureHost: settings.tlsForceInsecureHostLookup,
    },
    dns,
  );
  switch (found.kind) {
    case 'failed':
      return `TLSA lookup error for ${host}:${port}: ${found.reason}`;
    case 'none':
      return only
        ? `${host}: ${found.reason}, and dane-only is required`
        : { ...policy, level: 'may', wish: opportune(policy, settings) };
    case 'unusable':
      return only
        ? `${host}: TLSA records unusable, and dane-only is required`
        : { ...policy, level: 'encrypt' };
    case 'records':
      if (!found.secureMx && settings.tlsDaneInsecureMxPolicy === 'encrypt')
        return { ...policy, level: 'encrypt' };
      return {
        ...policy,
        serverName: found.baseDomain,
        check: { kind: 'tlsa', records: found.records, names: found.names },
      };
  }
}

const opportune = ({ wish }: TlsPolicy, settings: ClientSettings): TlsWish => ({
  ...wish,
  protocols: settings.tlsProtocols,
});
