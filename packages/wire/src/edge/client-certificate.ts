// The certificate that a client showed in its handshake, in the form in which access tables and `Received:` know it.
//
// Whether OpenSSL trusts it is asked of the TLS handle, as Node's own server does: a bare TLSSocket does not tell in
// any documented way. client-certificate.test.ts fails when that changes; until then nobody would be trusted.

import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../session.ts';

/** Undefined: there is none. */
export function describeCertificate(socket: TLSSocket, digest: string): ClientCertificate | undefined {
  const certificate = socket.getPeerCertificate(true);
  // Node gives an empty object where there is none.
  if (!Buffer.isBuffer(certificate?.raw)) return undefined;
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  const key = new X509Certificate(certificate.raw).publicKey.export({ type: 'spki', format: 'der' });
  return {
    commonName: textOf(certificate.subject?.CN),
    issuer: issuerOf(certificate),
    fingerprint: fingerprint(certificate.raw, digest),
    keyFingerprint: fingerprint(key, digest),
    trusted: isTrusted(socket),
  };
}

/** POSTFIX: the issuer's name, else its organization. */
function issuerOf({ issuer }: DetailedPeerCertificate): string {
  const name = textOf(issuer?.CN);
  return name === '' ? textOf(issuer?.O) : name;
}

/** A name may stand there more than once. */
function textOf(value: string | readonly string[] | undefined): string {
  return (typeof value === 'string' ? value : value?.[0]) ?? '';
}

/** `AB:CD:…` */
function fingerprint(octets: Buffer, digest: string): string {
  const hex = process
    .getBuiltinModule('node:crypto')
    .createHash(digest)
    .update(octets)
    .digest('hex')
    .toUpperCase();
  return hex.match(/../g)?.join(':') ?? '';
}

interface Handle {
  readonly verifyError?: () => unknown;
}

function isTrusted(socket: TLSSocket): boolean {
  const { _handle: handle } = socket as TLSSocket & { readonly _handle?: Handle | null };
  if (typeof handle?.verifyError !== 'function') return false;
  return handle.verifyError() === null;
}
