// The TLS half of a service that sends: authorities, the client's own certificate, contexts for what a policy asks,
// trust anchors. Files are read once, when the settings are.

import { readdirSync, readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { PostfixSettings } from '@postcote/config';
import { anchorsOf, type TlsaRecord, tlsRange } from '@postcote/smtp';
import { makeClientContext, type SendService } from '@postcote/smtp/edge';

type Read = (path: string) => string;

/** Throws what keeps a named file from being read. */
export function tlsPartsOf(
  s: PostfixSettings,
  protocol: 'smtp' | 'lmtp',
  read: Read,
): Pick<SendService, 'tlsContext' | 'trustAnchors'> {
  const files = tlsFilesOf(s, protocol, read);
  const contexts = new Map<string, ReturnType<SendService['tlsContext']>>();
  const anchors = new Map<string, readonly TlsaRecord[]>();
  const trustAnchors = (file: string): readonly TlsaRecord[] => {
    const known = anchors.get(file) ?? anchorsOf(read(file));
    anchors.set(file, known);
    return known;
  };
  for (const file of s.list(`${protocol}_tls_trust_anchor_file`)) trustAnchors(file);
  return {
    trustAnchors,
    tlsContext(wish) {
      const key = JSON.stringify(wish);
      const known = contexts.get(key);
      if (known !== undefined) return known;
      const made = makeContext(files, wish);
      // As many as main.cf and the policy table write differently.
      contexts.set(key, made);
      return made;
    },
  };
}

function makeContext(
  files: TlsFiles,
  wish: Parameters<SendService['tlsContext']>[0],
): ReturnType<SendService['tlsContext']> {
  const range = tlsRange(wish);
  if (typeof range === 'string') return range;
  try {
    return makeClientContext({ ...files, range });
  } catch (error) {
    return `TLS cannot be set up: ${error instanceof Error ? error.message : String(error)}`;
  }
}

interface TlsFiles {
  readonly ca: readonly string[];
  readonly certificate?: string;
  readonly key?: string;
}

function tlsFilesOf(s: PostfixSettings, protocol: 'smtp' | 'lmtp', read: Read): TlsFiles {
  const file = s.string(`${protocol}_tls_CAfile`);
  const folder = s.string(`${protocol}_tls_CApath`);
  const ca = [
    ...(file === '' ? [] : [read(file)]),
    ...certificatesIn(folder),
    ...(s.bool('tls_append_default_CA') ? rootCertificates : []),
  ];
  const chain = s.list(`${protocol}_tls_chain_files`);
  if (chain.length > 0) {
    const pem = chain.map((path) => read(path)).join('\n');
    return { ca, certificate: pem, key: pem };
  }
  const certificateFile = s.string(`${protocol}_tls_cert_file`) || s.string(`${protocol}_tls_eccert_file`);
  if (certificateFile === '' || certificateFile === 'none') return { ca };
  const keyFile =
    s.string(`${protocol}_tls_cert_file`) === ''
      ? s.string(`${protocol}_tls_eckey_file`)
      : s.string(`${protocol}_tls_key_file`);
  return { ca, certificate: read(certificateFile), key: read(keyFile || certificateFile) };
}

/** OpenSSL looks for `HASH.N`; other names beside them are other programs'. */
function certificatesIn(folder: string): string[] {
  if (folder === '') return [];
  return readdirSync(folder).flatMap((name) => {
    if (!/^[0-9a-f]{8}\.[0-9]+$/.test(name)) return [];
    try {
      return [readFileSync(`${folder}/${name}`, 'utf8')];
    } catch {
      return [];
    }
  });
}
