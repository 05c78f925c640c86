// What of TLS a listener is set to beyond its key pair: versions, ciphers, and whether clients are asked for a
// certificate. Data alone; the composition root makes contexts of it.

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface TlsRules {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Taken off the safe ciphers, in OpenSSL's words (`smtpd_tls_exclude_ciphers`). */
  readonly excludedCiphers: readonly string[];
  /** `smtpd_tls_ask_ccert`: clients are asked for a certificate, and may do without. */
  readonly askCertificate: boolean;
  /** `smtpd_tls_fingerprint_digest`. */
  readonly fingerprintDigest: string;
  /** Texts of `smtpd_tls_CAfile` and `smtpd_tls_CApath`. */
  readonly authorities: readonly string[];
}

export const DEFAULT_TLS_RULES: TlsRules = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  excludedCiphers: [],
  askCertificate: false,
  fingerprintDigest: 'sha256',
  authorities: [],
};

const ORDER = ['sslv2', 'sslv3', 'tlsv1', 'tlsv1.1', 'tlsv1.2', 'tlsv1.3'] as const;

/**
 * `>=TLSv1.2`, `!SSLv2, !SSLv3`, `TLSv1.2 TLSv1.3` → the versions of ours that are left; undefined: none is. Words that
 * are no versions are left out of account: what Postfix's OpenSSL knows is not ours to judge.
 */
export function parseTlsProtocols(
  words: readonly string[],
): Pick<TlsRules, 'minVersion' | 'maxVersion'> | undefined {
  let low = 0;
  let high = ORDER.length - 1;
  const named = new Set<number>();
  const excluded = new Set<number>();
  for (const word of words) {
    const match = /^(>=|<=|!)?\s*(.+)$/.exec(word.toLowerCase());
    const at = ORDER.findIndex((name) => name === (match?.[2] ?? '').replace(/^tlsv1\.0$/, 'tlsv1'));
    if (match === null || at === -1) continue;
    if (match[1] === '>=') low = at;
    else if (match[1] === '<=') high = at;
    else if (match[1] === '!') excluded.add(at);
    else named.add(at);
  }
  const isLeft = (at: number): boolean =>
    at >= low && at <= high && !excluded.has(at) && (named.size === 0 || named.has(at));
  const versions = (['TLSv1.2', 'TLSv1.3'] as const).filter((_, i) => isLeft(4 + i));
  const [minVersion] = versions;
  const maxVersion = versions.at(-1);
  return minVersion === undefined || maxVersion === undefined ? undefined : { minVersion, maxVersion };
}
