// DANE for SMTP (RFC 7672): which TLSA records count for a host, found by names that DNSSEC vouches for from the mail
// domain on. Pure; the questions are a port's.
//
//   secure MX ──▶ secure address ──▶ TLSA of the host's own name, or of the name its CNAME leads to
//
// What is secure and absent is an answer; what cannot be had is none, and the mail waits: an attacker who suppresses
// answers must not get around TLS.

import type { DnsRecord, SecureType, TlsaRecord } from './dns-message.ts';
import { USAGE, usableRecords } from './peer-certificate.ts';

export type SecureAnswer =
  | {
      readonly kind: 'answer';
      /** A resolver we may believe has validated it. */
      readonly secure: boolean;
      /** Where a chain of CNAMEs ended. */
      readonly name: string;
      /** Empty: the name or the type is not there. */
      readonly records: readonly DnsRecord[];
    }
  | { readonly kind: 'failed'; readonly reason: string };

export interface SecureDns {
  /** Never rejects. */
  query(name: string, type: SecureType): Promise<SecureAnswer>;
}

export interface DaneQuestion {
  /** The next hop's domain; `direct`: it is the host itself, and no MX is asked for. */
  readonly domain: string;
  readonly direct: boolean;
  readonly host: string;
  readonly port: number;
  /** Whether a host found by MX records that are not secure is asked for TLSA records nevertheless. */
  readonly insecureMx: boolean;
  /** smtp_tls_force_insecure_host_tlsa_lookup. */
  readonly insecureHost: boolean;
}

export type DaneFinding =
  | {
      readonly kind: 'records';
      readonly records: readonly TlsaRecord[];
      /** For SNI, and first of the names that count. */
      readonly baseDomain: string;
      readonly names: readonly string[];
      readonly secureMx: boolean;
    }
  /** There are records, and none that we know how to use: TLS without a check (RFC 7672 §2.2). */
  | { readonly kind: 'unusable' }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

export async function findDane(question: DaneQuestion, dns: SecureDns): Promise<DaneFinding> {
  const { domain, direct, host } = question;
  const names = new Set<string>();
  let secureMx = true;
  if (!direct && !isLiteral(domain)) {
    const mx = await dns.query(domain, 'MX');
    if (mx.kind === 'failed') return mx;
    const exchanges = mx.records.flatMap((record) => (record.type === 'MX' ? [record.exchange] : []));
    if (mx.secure) {
      const expected = exchanges.length === 0 ? [domain, mx.name] : exchanges;
      if (!expected.some((name) => sameName(name, host)))
        return { kind: 'failed', reason: `${host} is no exchange of ${domain} by its signed records` };
      names.add(clean(domain)).add(mx.name);
    } else if (exchanges.length > 0) {
      secureMx = false;
      if (!question.insecureMx) return { kind: 'none', reason: 'non DNSSEC destination' };
    }
  }
  if (isLiteral(host)) return { kind: 'none', reason: 'an address has no TLSA records' };
  return await findHostDane(question, dns, { names, secureMx });
}

// RFC 7672 §2.2.2: no question without a secure address, so that a broken zone of others does no harm; where a CNAME
// leads elsewhere, its end is asked first.
async function findHostDane(
  { host, port, insecureHost }: DaneQuestion,
  dns: SecureDns,
  { names, secureMx }: { readonly names: ReadonlySet<string>; readonly secureMx: boolean },
): Promise<DaneFinding> {
  const answers = await Promise.all([dns.query(host, 'A'), dns.query(host, 'AAAA')]);
  const [failed] = answers.filter((answer) => answer.kind === 'failed');
  const found = answers.filter((answer) => answer.kind === 'answer');
  const known = found.find(({ records }) => records.length > 0);
  if (known === undefined && failed !== undefined) return failed;
  const isSecure = known?.secure === true;
  if (!isSecure && !insecureHost) return { kind: 'none', reason: 'non DNSSEC host' };
  const bases = new Set([...(isSecure ? [known.name] : []), clean(host)]);
  for (const base of bases) {
    const answer = await dns.query(`_${port}._tcp.${base}`, 'TLSA');
    if (answer.kind === 'failed') return answer;
    const records = answer.records.flatMap((record) => (record.type === 'TLSA' ? [record.tlsa] : []));
    if (!answer.secure || records.length === 0) continue;
    const usable = usableRecords(records);
    if (usable.length === 0) return { kind: 'unusable' };
    // RFC 7672 §3.2.2: the base domain, and the mail domain where secure records led from it here.
    const all = usable.some(({ usage }) => usage === USAGE.trustAnchor) ? [base, clean(host), ...names] : [];
    return { kind: 'records', records: usable, baseDomain: base, names: [...new Set(all)], secureMx };
  }
  return { kind: 'none', reason: 'no TLSA records found' };
}

const clean = (name: string): string => name.toLowerCase().replace(/\.$/, '');
const sameName = (a: string, b: string): boolean => clean(a) === clean(b);
const isLiteral = (name: string): boolean => name.includes(':') || /^[0-9.]+$/.test(name);
