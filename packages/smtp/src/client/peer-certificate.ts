// Whether the certificates a server showed are those that were asked for: by TLSA records (RFC 6698, 7671), by trust
// anchors of a file, or by fingerprints. Pure: the chain is given, and the answer is a word. Node verifies chains
// only against authorities known before the handshake, so this is done by hand.
//
// Stricter than OpenSSL where a check is not made: an intermediate with name constraints is not followed.

import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { TlsaRecord } from './dns-message.ts';

export const USAGE = { trustAnchor: 2, endEntity: 3 } as const;
const SELECTOR = { certificate: 0, publicKey: 1 } as const;
const DIGESTS: ReadonlyMap<number, { readonly name: string; readonly size: number }> = new Map([
  [1, { name: 'sha256', size: 32 }],
  [2, { name: 'sha512', size: 64 }],
]);
/** Certificates between the server's and the anchor's. POSTFIX: smtp_tls_scert_verifydepth. */
const MAX_DEPTH = 9;
/** Certificates of a chain that are looked at. */
export const MAX_CHAIN = 20;

/**
 * What of a record set can be used: DANE-TA and DANE-EE (RFC 7672 §3.1.3: the PKIX usages mean nothing in SMTP), known
 * selectors and matching types, and of several digests of one kind the strongest (RFC 7671 §9).
 */
export function usableRecords(records: readonly TlsaRecord[]): TlsaRecord[] {
  const usable = records.filter(({ usage, selector, matching, data }) => {
    if (usage !== USAGE.trustAnchor && usage !== USAGE.endEntity) return false;
    if (selector !== SELECTOR.certificate && selector !== SELECTOR.publicKey) return false;
    return matching === 0 ? data.length > 0 : DIGESTS.get(matching)?.size === data.length;
  });
  const strongest = (like: TlsaRecord): number =>
    Math.max(
      ...usable
        .filter(({ usage, selector }) => usage === like.usage && selector === like.selector)
        .map(({ matching }) => matching),
    );
  return usable.filter((record) => record.matching === 0 || record.matching === strongest(record));
}

export interface PeerQuestion {
  /** As the server sent them, its own first. */
  readonly chain: readonly X509Certificate[];
  /** Names of which the server's certificate must bear one where an anchor vouches for it. */
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export type PeerVerdict = 'matched' | 'wrongName' | 'untrusted';

export function checkTlsa(records: readonly TlsaRecord[], question: PeerQuestion): PeerVerdict {
  const [own] = question.chain;
  if (own === undefined) return 'untrusted';
  // RFC 7671 §5.1: neither names nor dates count for DANE-EE.
  if (records.some((record) => record.usage === USAGE.endEntity && matches(record, own))) return 'matched';
  const anchors = records.filter(({ usage }) => usage === USAGE.trustAnchor);
  if (anchors.length === 0 || !leadsToAnchor(own, anchors, question)) return 'untrusted';
  return question.names.some((name) => bearsName(own, name)) ? 'matched' : 'wrongName';
}

function matches({ selector, matching, data }: TlsaRecord, certificate: X509Certificate): boolean {
  const whole = certificate.raw;
  const selected = selector === SELECTOR.certificate ? whole : publicKeyOf(whole);
  if (selected === undefined) return false;
  const digest = DIGESTS.get(matching);
  if (digest === undefined) return matching === 0 && selected.equals(data);
  return createHash(digest.name).update(selected).digest().equals(data);
}

// From the server's certificate upwards, one issuer at a time, until one is an anchor (RFC 7671 §5.2). An anchor comes
// with the chain, or stands whole in the record, or is a bare key there.
function leadsToAnchor(
  own: X509Certificate,
  anchors: readonly TlsaRecord[],
  { chain, now }: PeerQuestion,
): boolean {
  const inRecords = anchors.flatMap(({ selector, matching, data }) =>
    selector === SELECTOR.certificate && matching === 0 ? readCertificate(data) : [],
  );
  const keys = anchors.flatMap(({ selector, matching, data }) =>
    selector === SELECTOR.publicKey && matching === 0 ? readKey(data) : [],
  );
  const candidates = [...chain.slice(1, MAX_CHAIN), ...inRecords];
  let current = own;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    if (!isInDate(current, now)) return false;
    if (keys.some((key) => isSignedBy(current, () => key))) return true;
    const at = candidates.findIndex(
      (candidate) => current.checkIssued(candidate) && isSignedBy(current, () => candidate.publicKey),
    );
    const [issuer] = at === -1 ? [] : candidates.splice(at, 1);
    if (issuer === undefined) return false;
    if (anchors.some((anchor) => matches(anchor, issuer))) return isInDate(issuer, now);
    if (!mayIssue(issuer, depth)) return false;
    current = issuer;
  }
  return false;
}

function isInDate(certificate: X509Certificate, now: number): boolean {
  return certificate.validFromDate.getTime() <= now && now <= certificate.validToDate.getTime();
}

/** Whether an intermediate may stand above `depth` others (RFC 5280 §4.2.1.9). */
function mayIssue(certificate: X509Certificate, depth: number): boolean {
  if (!certificate.ca || certificate.raw.includes(NAME_CONSTRAINTS)) return false;
  const limit = pathLength(certificate.raw);
  return limit === undefined || depth <= limit;
}

const NAME_CONSTRAINTS = Buffer.from('0603551d1e', 'hex');
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex');

/** The pathLenConstraint of a certificate's basicConstraints. */
function pathLength(der: Buffer): number | undefined {
  const at = der.indexOf(BASIC_CONSTRAINTS);
  if (at === -1) return undefined;
  const critical = der[at + 5] === 0x01 ? 3 : 0;
  const octets = der.subarray(at + 5 + critical);
  // OCTET STRING of SEQUENCE of BOOLEAN and perhaps INTEGER, all short.
  const match = /^\x04.\x30.\x01\x01\xff(?:\x02\x01(.))?/s.exec(octets.subarray(0, 10).toString('latin1'));
  return match?.[1]?.charCodeAt(0);
}

/** A key of a kind that OpenSSL does not know signs nothing: even asking for it throws. */
function isSignedBy(certificate: X509Certificate, key: () => KeyObject): boolean {
  try {
    return certificate.verify(key());
  } catch {
    return false;
  }
}

function readCertificate(der: Buffer): X509Certificate[] {
  try {
    return [new X509Certificate(der)];
  } catch {
    return [];
  }
}

function readKey(spki: Buffer): KeyObject[] {
  try {
    return [createPublicKey({ key: spki, format: 'der', type: 'spki' })];
  } catch {
    return [];
  }
}

/** Whether a certificate bears a name; `.example.com` stands for any name below it. */
export function bearsName(certificate: X509Certificate, name: string): boolean {
  const isAddress = name.includes(':') || /^[0-9.]+$/.test(name);
  try {
    return (isAddress ? certificate.checkIP(name) : certificate.checkHost(name, NAME_RULES)) !== undefined;
  } catch {
    return false;
  }
}

const NAME_RULES = { subject: 'default', partialWildcards: false } as const;

/**
 * The SubjectPublicKeyInfo of a certificate as its octets are: exporting the key would write it anew, which need not
 * give the octets a digest was made of. RFC 5280 §4.1: the seventh field of the TBSCertificate, the version included.
 */
export function publicKeyOf(der: Buffer): Buffer | undefined {
  const certificate = readElement(der, 0);
  const tbs = certificate === undefined ? undefined : readElement(der, certificate.start);
  if (tbs === undefined) return undefined;
  let at = tbs.start;
  const fields = der[at] === 0xa0 ? 6 : 5;
  for (let i = 0; i < fields; i++) {
    const field = readElement(der, at);
    if (field === undefined) return undefined;
    at = field.end;
  }
  const key = readElement(der, at);
  return key === undefined ? undefined : der.subarray(at, key.end);
}

function readElement(der: Buffer, at: number): { readonly start: number; readonly end: number } | undefined {
  const first = der[at + 1];
  if (first === undefined) return undefined;
  const count = first < 0x80 ? 0 : first & 0x7f;
  if (count > 3 || at + 2 + count > der.length) return undefined;
  const length = count === 0 ? first : der.readUIntBE(at + 2, count);
  const start = at + 2 + count;
  return start + length > der.length ? undefined : { start, end: start + length };
}

// POSTFIX: a level of `fingerprint` compares the certificate's and its public key's digest, written with colons.
export function hasFingerprint(
  certificate: X509Certificate,
  wanted: readonly string[],
  digest: string,
): boolean {
  const key = publicKeyOf(certificate.raw);
  const found = [certificate.raw, ...(key === undefined ? [] : [key])].map((octets) =>
    createHash(digest).update(octets).digest('hex'),
  );
  return wanted.some((one) => found.includes(one.replaceAll(':', '').toLowerCase()));
}
