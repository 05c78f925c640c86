import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CertificatePair, makeSelfSigned } from './certificate.ts';
import { RefusedConfiguration, planServer } from './plan.ts';

let folder: string;
let pair: CertificatePair;
let other: CertificatePair;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'plan-'));
  mkdirSync(join(folder, 'postfix'));
  pair = await makeSelfSigned({ commonName: 'localhost' }, new Date());
  other = await makeSelfSigned({ commonName: 'localhost' }, new Date());
  writeFileSync(
    join(folder, 'postfix/main.cf'),
    `compatibility_level = 3.6
myhostname = mail.example.com
smtpd_tls_cert_file = ${folder}/cert
smtpd_tls_key_file = ${folder}/key
smtpd_tls_security_level = may
`,
  );
  writeFileSync(join(folder, 'postfix/master.cf'), '127.0.0.1:2525 inet n - n - - smtpd\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

const plan = async (files: CertificatePair): ReturnType<typeof planServer> => {
  writeFileSync(join(folder, 'cert'), files.certificate);
  writeFileSync(join(folder, 'key'), files.key);
  return await planServer({
    postfixDirectory: join(folder, 'postfix'),
    dovecotConf: join(folder, 'dovecot.conf'),
    dataDirectory: join(folder, 'data'),
  });
};

describe('planServer', () => {
  it('takes a pair that fits', async () => {
    expect((await plan(pair)).smtpTls?.certificate).toBe(pair.certificate);
  });

  // A plan with such a pair would outlive a reload and keep the next front from starting.
  it.each<[string, () => CertificatePair, RegExp]>([
    ['no certificate', () => ({ ...pair, certificate: 'garbage' }), /main\.cf:3.*is not usable/],
    ['no key', () => ({ ...pair, key: 'garbage' }), /main\.cf:3.*is not usable/],
    ["another certificate's key", () => ({ ...pair, key: other.key }), /does not belong to the certificate/],
  ])('refuses %s', async (_title, files, words) => {
    const refused = await plan(files()).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RefusedConfiguration);
    expect(String(refused)).toMatch(words);
  });
});
