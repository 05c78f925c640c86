// Self-signed certificates, as the guide makes them with openssl, and a look inside existing ones.
//
// node-forge makes RSA keys slowly in JavaScript; it calls Node's own generator when it may.

import forge from 'node-forge';

export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateNames {
  /** Common name; also the first subjectAltName. */
  readonly commonName: string;
  /** More DNS names and IP addresses to be valid for. */
  readonly alternativeNames?: readonly string[];
}

const KEY_BITS = 2048;
const DEFAULT_DAYS = 365;
/** GeneralName tags (RFC 5280 §4.2.1.6). */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

/** Makes a key and a certificate for it, valid from an hour ago (clocks differ) for `days`. */
export async function makeSelfSigned(
  names: CertificateNames,
  now: Date,
  days: number = DEFAULT_DAYS,
): Promise<CertificatePair> {
  const keys = await generateKeys();
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  // A positive serial number of 16 random octets.
  certificate.serialNumber = `00${forge.util.bytesToHex(forge.random.getBytesSync(16))}`;
  certificate.validity.notBefore = new Date(now.getTime() - 3_600_000);
  certificate.validity.notAfter = new Date(now.getTime() + days * 86_400_000);
  const subject = [{ name: 'commonName', value: names.commonName }];
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  const all = [...new Set([names.commonName, ...(names.alternativeNames ?? [])])];
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectKeyIdentifier' },
    {
      name: 'subjectAltName',
      altNames: all.map((name) =>
        isAddress(name) ? { type: IP_ADDRESS, ip: name } : { type: DNS_NAME, value: name },
      ),
    },
  ]);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return {
    certificate: forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n'),
    key: forge.pki.privateKeyToPem(keys.privateKey).replaceAll('\r\n', '\n'),
  };
}

function generateKeys(): Promise<forge.pki.rsa.KeyPair> {
  return new Promise((resolve, reject) => {
    forge.pki.rsa.generateKeyPair({ bits: KEY_BITS, workers: -1 }, (error, pair) =>
      error === null || error === undefined ? resolve(pair) : reject(error),
    );
  });
}

function isAddress(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(':');
}
