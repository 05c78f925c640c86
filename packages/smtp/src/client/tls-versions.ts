// smtp_tls_protocols, smtp_tls_ciphers and kin as what Node's TLS understands. Pure.
//
// POSTFIX: the default `>=TLSv1` is cut at TLS 1.2 here, as Debian's openssl.cnf cuts it there.

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface TlsWish {
  /** `>=TLSv1.2`, `!SSLv2, !SSLv3`, `TLSv1.3`. */
  readonly protocols: string;
  /** `medium`, `high`. */
  readonly ciphers: string;
  /** OpenSSL's names of what is left out. */
  readonly exclude: string;
}

export interface TlsRange {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly ciphers?: string;
}

const VERSIONS = ['sslv2', 'sslv3', 'tlsv1', 'tlsv1.1', 'tlsv1.2', 'tlsv1.3'] as const;
const HEX: ReadonlyMap<string, string> = new Map([
  ['0300', 'sslv3'],
  ['0301', 'tlsv1'],
  ['0302', 'tlsv1.1'],
  ['0303', 'tlsv1.2'],
  ['0304', 'tlsv1.3'],
]);
const NAMES: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];

/** A text says what is wrong. */
export function tlsRange(wish: TlsWish): TlsRange | string {
  const spoken = versionsOf(wish.protocols);
  if (typeof spoken === 'string') return spoken;
  const [minVersion] = spoken;
  const maxVersion = spoken.at(-1);
  if (minVersion === undefined || maxVersion === undefined)
    return `TLS protocols "${wish.protocols}" leave none that is spoken here (TLSv1.2, TLSv1.3)`;
  const ciphers = ciphersOf(wish);
  if (ciphers === undefined) return `TLS cipher grade "${wish.ciphers}" is not supported`;
  return { minVersion, maxVersion, ...(ciphers === '' ? {} : { ciphers }) };
}

// POSTFIX: `>=` and `<=` bound; else what is named alone is spoken, and `!` takes away.
function versionsOf(text: string): TlsVersion[] | string {
  const words = text.split(/[\s,:]+/).filter((word) => word !== '');
  const named = new Set<number>();
  const excluded = new Set<number>();
  let low = 0;
  let high: number = VERSIONS.length - 1;
  for (const word of words) {
    const match = /^(>=|<=|!)?(.+)$/.exec(word.toLowerCase());
    const name = match?.[2] ?? '';
    const at = VERSIONS.findIndex((version) => version === (HEX.get(name) ?? name));
    if (at === -1) return `TLS protocol "${word}" is unknown`;
    if (match?.[1] === '>=') low = at;
    else if (match?.[1] === '<=') high = at;
    else if (match?.[1] === '!') excluded.add(at);
    else named.add(at);
  }
  return NAMES.filter((name) => {
    const at = VERSIONS.findIndex((version) => version === name.toLowerCase());
    if (at < low || at > high || excluded.has(at)) return false;
    return named.size === 0 || named.has(at);
  });
}

/** Node's own list for the usual grades; undefined for those that mean no protection. */
function ciphersOf({ ciphers, exclude }: TlsWish): string | undefined {
  const grade = ciphers.toLowerCase();
  if (grade !== 'medium' && grade !== 'high' && grade !== '') return undefined;
  const left = exclude.split(/[\s,:]+/).filter((word) => /^[\w+.-]+$/.test(word));
  if (left.length === 0 && grade !== 'high') return '';
  return ['HIGH', '!aNULL', '!eNULL', ...left.map((word) => `!${word}`), '@STRENGTH'].join(':');
}
