// Certificate and key files, the common pair and those of `local_name` blocks.

import type { CertificateFiles } from './dovecot-settings.ts';
import { readValues, sectionsOf, type DovecotNode, type DovecotSetting } from './parse.ts';

/** Undefined when either half is missing. Text that stands in the file itself (not `<path`) is no path. */
export function readCertificate(nodes: readonly DovecotNode[]): CertificateFiles | undefined {
  const values = readValues(nodes);
  const cert = values.get('ssl_cert');
  const key = values.get('ssl_key');
  if (!isPath(cert) || !isPath(key)) return undefined;
  const ca = values.get('ssl_ca');
  const password = values.get('ssl_key_password')?.value ?? '';
  return {
    certFile: cert.value,
    keyFile: key.value,
    ...(isPath(ca) && { caFile: ca.value }),
    ...(password !== '' && { keyPassword: password }),
    origin: cert.origin,
  };
}

function isPath(setting: DovecotSetting | undefined): setting is DovecotSetting {
  return setting !== undefined && setting.isFile && setting.value !== '';
}

export function readNamedCertificates(nodes: readonly DovecotNode[]): ReadonlyMap<string, CertificateFiles> {
  const certificates = new Map<string, CertificateFiles>();
  for (const section of sectionsOf(nodes, 'local_name')) {
    const certificate = readCertificate(section.children);
    if (certificate === undefined) continue;
    for (const name of section.label.split(/\s+/)) certificates.set(name.toLowerCase(), certificate);
  }
  return certificates;
}
