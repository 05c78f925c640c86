// smtp_tls_trust_anchor_file and `tafile=`: certificates and public keys in PEM, read as if TLSA records named them
// (DANE-TA, whole). Pure. Throws for a file that holds neither, so that nobody is checked against nothing.

import { createPublicKey, X509Certificate } from 'node:crypto';
import type { TlsaRecord } from './dns-message.ts';
import { USAGE } from './peer-certificate.ts';

export function anchorsOf(pem: string): TlsaRecord[] {
  const blocks = pem.match(/-----BEGIN (CERTIFICATE|PUBLIC KEY)-----[^-]*-----END \1-----/g) ?? [];
  if (blocks.length === 0) throw new Error('no certificate and no public key in it');
  return blocks.map((block) => {
    const isKey = block.startsWith('-----BEGIN PUBLIC');
    const data = isKey
      ? createPublicKey(block).export({ type: 'spki', format: 'der' })
      : new X509Certificate(block).raw;
    return { usage: USAGE.trustAnchor, selector: isKey ? 1 : 0, matching: 0, data };
  });
}
