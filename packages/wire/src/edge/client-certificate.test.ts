import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProtocolSession, SessionHost, TlsInfo } from '../session.ts';
import { driveSocket } from './drive-socket.ts';

/** Asks for TLS at once and tells what came of it. */
class TlsSession implements ProtocolSession {
  readonly #host: SessionHost;
  readonly #secured: (tls: TlsInfo) => void;
  constructor(host: SessionHost, secured: (tls: TlsInfo) => void) {
    this.#host = host;
    this.#secured = secured;
  }
  start(): void {
    this.#host.write('go');
    this.#host.startTls();
  }
  receive(): void {}
  secured(tls: TlsInfo): void {
    this.#secured(tls);
    this.#host.write('done');
  }
  ended(): void {}
  timedOut(): void {}
  shutDown(): void {}
}

let folder: string;
const file = (name: string): string => join(folder, name);
const read = (name: string): string => readFileSync(file(name), 'utf8');
const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'client-certificate-'));
  openssl('req', '-x509', ...KEY, '-subj', '/CN=Test CA', '-keyout', 'ca.key', '-out', 'ca.pem');
  openssl('req', ...KEY, '-subj', '/CN=client.example', '-keyout', 'signed.key', '-out', 'signed.csr');
  openssl(
    'x509',
    '-req',
    '-in',
    'signed.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'signed.pem',
  );
  openssl('req', '-x509', ...KEY, '-subj', '/O=Nobody', '-keyout', 'self.key', '-out', 'self.pem');
});
afterAll(() => rmSync(folder, { recursive: true }));

async function handshake(client: string | undefined, ca: readonly string[]): Promise<TlsInfo> {
  const context = createSecureContext({
    key: read('self.key'),
    cert: read('self.pem'),
    ca: [...ca],
    sessionIdContext: 'test',
  });
  const found = Promise.withResolvers<TlsInfo>();
  const server = createServer((socket) => {
    driveSocket(socket, {
      createSession: (host) => new TlsSession(host, found.resolve),
      tls: { secureContext: () => context, clientCertificates: { digest: 'sha256' } },
      onTlsError: found.reject,
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await new Promise((resolve) => socket.once('data', resolve));
  const pair = client === undefined ? {} : { key: read(`${client}.key`), cert: read(`${client}.pem`) };
  const secured = tlsConnect({ socket, rejectUnauthorized: false, ...pair });
  try {
    return await found.promise;
  } finally {
    secured.destroy();
    server.close();
  }
}

const fingerprintOf = (name: string): string =>
  openssl('x509', '-in', `${name}.pem`, '-noout', '-fingerprint', '-sha256').replace(/^.*=/, '').trim();

describe('the certificate of a client', () => {
  it('is not there when none was shown', async () => {
    expect((await handshake(undefined, [read('ca.pem')])).client).toBeUndefined();
  });

  it('is trusted when an authority of ours signed it', async () => {
    expect((await handshake('signed', [read('ca.pem')])).client).toMatchObject({
      commonName: 'client.example',
      issuer: 'Test CA',
      trusted: true,
      fingerprint: fingerprintOf('signed'),
    });
  });

  it('is known by its fingerprints when nobody vouches for it', async () => {
    const { client } = await handshake('self', [read('ca.pem')]);
    expect(client).toMatchObject({
      commonName: '',
      issuer: 'Nobody',
      trusted: false,
      fingerprint: fingerprintOf('self'),
    });
    expect(client?.keyFingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    expect(client?.keyFingerprint).not.toBe(client?.fingerprint);
  });

  it('is not trusted where there are no authorities, whatever the machine trusts', async () => {
    expect((await handshake('signed', [])).client?.trusted).toBe(false);
  });
});
