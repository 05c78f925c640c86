import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { makeSelfSigned } from './certificate.ts';

describe('makeSelfSigned', () => {
  it('makes a pair that TLS takes, valid for all the names', async () => {
    const now = new Date('2026-05-01T12:00:00Z');
    const pair = await makeSelfSigned(
      { commonName: 'mail.example.com', alternativeNames: ['localhost', '127.0.0.1', '::1'] },
      now,
    );
    const certificate = new X509Certificate(pair.certificate);
    expect(certificate.checkPrivateKey(createPrivateKey(pair.key))).toBe(true);
    expect(certificate.checkHost('mail.example.com')).toBe('mail.example.com');
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.checkIP('::1')).toBe('::1');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(new Date(certificate.validTo).getTime() - now.getTime()).toBe(365 * 86_400_000);
    expect(() => createSecureContext({ cert: pair.certificate, key: pair.key })).not.toThrow();
  });
});
