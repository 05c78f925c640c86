// Chains made by openssl: a root, an intermediate, a server's certificate; and what does not fit.

import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TlsaRecord } from './dns-message.ts';
import { bearsName, checkTlsa, hasFingerprint, publicKeyOf } from './peer-certificate.ts';
import { anchorsOf } from './trust-anchors.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'postcote-chain-'));
const openssl = (...args: string[]): void => {
  execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
};
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Signed by `issuer`, or by itself. */
function make(name: string, extensions: string, issuer?: string): X509Certificate {
  if (issuer === undefined) {
    const added = extensions.split('\n').flatMap((line) => ['-addext', line]);
    openssl(
      'req',
      '-x509',
      ...EC,
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-days',
      '5',
      ...added,
    );
  } else {
    openssl('req', ...EC, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    fs.writeFileSync(path.join(folder, `${name}.ext`), `${extensions}\n`);
    const signed = [
      '-CA',
      `${issuer}.pem`,
      '-CAkey',
      `${issuer}.key`,
      '-CAcreateserial',
      '-extfile',
      `${name}.ext`,
    ];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.pem`, '-days', '5');
  }
  return new X509Certificate(fs.readFileSync(path.join(folder, `${name}.pem`)));
}

const chain: Record<string, X509Certificate> = {};
const cert = (name: string): X509Certificate => chain[name] as X509Certificate;
beforeAll(() => {
  const ca = 'basicConstraints=critical,CA:TRUE';
  chain['root'] = make('root', ca);
  chain['middle'] = make('middle', `${ca},pathlen:0`, 'root');
  chain['server'] = make('server', 'subjectAltName=DNS:mx.example.com,DNS:*.wild.example', 'middle');
  chain['notca'] = make('notca', 'basicConstraints=CA:FALSE', 'root');
  chain['below-notca'] = make('below-notca', 'subjectAltName=DNS:mx.example.com', 'notca');
  chain['low'] = make('low', ca, 'middle');
  chain['too-low'] = make('too-low', 'subjectAltName=DNS:mx.example.com', 'low');
  chain['narrow'] = make('narrow', `${ca}\nnameConstraints=critical,permitted;DNS:example.com`, 'root');
  chain['narrowed'] = make('narrowed', 'subjectAltName=DNS:mx.example.com', 'narrow');
  chain['stranger'] = make('stranger', 'subjectAltName=DNS:mx.example.com');
}, 60_000);
afterAll(() => fs.rmSync(folder, { recursive: true }));

function tlsa(usage: number, selector: number, matching: number, certificate: X509Certificate): TlsaRecord {
  const whole = selector === 0 ? certificate.raw : (publicKeyOf(certificate.raw) ?? Buffer.alloc(0));
  const hash = matching === 1 ? 'sha256' : 'sha512';
  const data = matching === 0 ? whole : createHash(hash).update(whole).digest();
  return { usage, selector, matching, data };
}
/** The certificates are made after this line. */
const NOW = Date.now() + 3_600_000;
const check = (
  records: readonly TlsaRecord[],
  names: readonly string[],
  shown: readonly string[],
  now = NOW,
) => checkTlsa(records, { chain: shown.map(cert), names: [...names], now });

describe('checkTlsa', () => {
  it('knows the public key as its octets are', () =>
    expect(publicKeyOf(cert('server').raw)).toEqual(
      cert('server').publicKey.export({ type: 'spki', format: 'der' }),
    ));

  it.each([0, 1].flatMap((selector) => [0, 1, 2].map((matching) => [selector, matching] as const)))(
    'selector %d, matching type %d',
    (selector, matching) => {
      const year = 366 * 86_400_000;
      const own = tlsa(3, selector, matching, cert('server'));
      expect(check([own], [], ['server'])).toBe('matched');
      // Neither names nor dates count.
      expect(check([own], ['other.example'], ['server'], NOW + year)).toBe('matched');
      expect(check([own], [], ['stranger'])).toBe('untrusted');
      const anchor = tlsa(2, selector, matching, cert('root'));
      const shown = ['server', 'middle', 'root'];
      expect(check([anchor], ['mx.example.com'], shown)).toBe('matched');
      expect(check([anchor], ['other.example', 'a.wild.example'], shown)).toBe('matched');
      expect(check([anchor], ['other.example'], shown)).toBe('wrongName');
      expect(check([anchor], ['mx.example.com'], shown, NOW + year)).toBe('untrusted');
      expect(check([anchor], ['mx.example.com'], ['stranger', 'middle', 'root'])).toBe('untrusted');
      // An anchor that is a digest must come with the chain.
      const bare = check([anchor], ['mx.example.com'], ['server', 'middle']);
      expect(bare).toBe(matching === 0 ? 'matched' : 'untrusted');
    },
  );

  it.each<[string, readonly string[]]>([
    ['an issuer that is no authority', ['below-notca', 'notca', 'root']],
    ['more authorities than a path length allows', ['too-low', 'low', 'middle', 'root']],
    ['name constraints, which are not checked', ['narrowed', 'narrow', 'root']],
    ['a link that is missing', ['server', 'root']],
    ['a stranger beside the right chain', ['stranger', 'server', 'middle', 'root']],
    ['nothing', []],
  ])('untrusted: %s', (_, shown) =>
    expect(check([tlsa(2, 0, 1, cert('root'))], ['mx.example.com'], shown)).toBe('untrusted'),
  );

  it('takes the anchor nearest to the server', () =>
    expect(check([tlsa(2, 1, 1, cert('middle'))], ['mx.example.com'], ['server', 'middle'])).toBe('matched'));

  it('takes one of two records', () =>
    expect(check([tlsa(3, 1, 1, cert('stranger')), tlsa(3, 1, 1, cert('server'))], [], ['server'])).toBe(
      'matched',
    ));
});

describe('other checks', () => {
  it('fingerprints of the certificate and of its key', () => {
    const own = cert('server');
    const key = createHash('sha256')
      .update(publicKeyOf(own.raw) ?? '')
      .digest('hex');
    expect(hasFingerprint(own, ['00', own.fingerprint256], 'sha256')).toBe(true);
    expect(hasFingerprint(own, [key.toUpperCase()], 'sha256')).toBe(true);
    expect(hasFingerprint(own, [cert('middle').fingerprint256], 'sha256')).toBe(false);
    expect(hasFingerprint(own, [own.fingerprint], 'sha1')).toBe(true);
  });
  it.each([
    ['mx.example.com', true],
    ['MX.Example.COM', true],
    ['.example.com', true],
    ['.mx.example.com', false],
    ['a.wild.example', true],
    ['a.b.wild.example', false],
    ['192.0.2.1', false],
    ['', false],
  ])('the name %s: %s', (name, expected) => expect(bearsName(cert('server'), name)).toBe(expected));
  it('trust anchors of a file', () => {
    const pem = (name: string): string => fs.readFileSync(path.join(folder, `${name}.pem`), 'utf8');
    const key = cert('middle').publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const anchors = anchorsOf(`some text\n${pem('stranger')}${key}`);
    expect(anchors).toHaveLength(2);
    expect(check(anchors, ['mx.example.com'], ['server'])).toBe('matched');
    expect(check(anchorsOf(pem('root')), ['mx.example.com'], ['server', 'middle'])).toBe('matched');
    expect(() => anchorsOf('nothing')).toThrow('no certificate');
  });
});
