// A self-signed pair for `localhost` and 127.0.0.1, as the guide has one made, with the names clients check.

import { execFileSync } from 'node:child_process';
import path from 'node:path';

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Throws when openssl fails. */
export function makeCertificate(folder: string, hostname = 'localhost'): CertificateFiles {
  const certFile = path.join(folder, 'postfix.pem');
  const keyFile = path.join(folder, 'postfix.key');
  const request = '-new -x509 -sha256 -days 30 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1';
  const names = `subjectAltName=DNS:localhost,DNS:${hostname},IP:127.0.0.1`;
  const subject = ['-subj', `/CN=${hostname}`, '-addext', names];
  execFileSync('openssl', ['req', ...request.split(' '), ...subject, '-out', certFile, '-keyout', keyFile], {
    stdio: 'ignore',
  });
  return { certFile, keyFile };
}
