import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { defaultClientSettings, type ClientSettings } from './client-settings.ts';
import type { SecureAnswer, SecureDns } from './dane.ts';
import type { DnsRecord } from './dns-message.ts';
import { findTlsPolicy } from './tls-policy.ts';
import { tlsRange } from './tls-versions.ts';

const table = (rows: Readonly<Record<string, string>>) => ({
  find: (key: string) => {
    const value = rows[key.toLowerCase()];
    return value === undefined ? undefined : { value };
  },
});
const policies = table({
  'example.com': 'secure match=.mail.example.net:nexthop protocols=>=TLSv1.3',
  '.example.org': 'encrypt',
  '[hub]:587': 'verify',
  'print.example': 'fingerprint match=AA:BB|cc match=dd',
  'noprint.example': 'fingerprint',
  'odd.example': 'sometimes',
  'typo.example': 'secure mtach=x',
  'anchor.example': 'secure tafile=/a tafile=/b',
});

describe('findTlsPolicy', () => {
  const settings = { ...defaultClientSettings('me'), tlsLevel: 'may' as const };
  const ask = (nexthop: string, domain = nexthop) =>
    findTlsPolicy({ nexthop, domain, host: 'mx', port: 25, direct: false }, settings, { policies });
  it.each<[string, string, unknown]>([
    ['else.example', 'else.example', { level: 'may', match: ['mx'] }],
    [
      'example.com',
      'example.com',
      { level: 'secure', match: ['.mail.example.net', 'example.com'], wish: { protocols: '>=TLSv1.3' } },
    ],
    ['sub.example.org', 'sub.example.org', { level: 'encrypt' }],
    ['example.org', 'example.org', { level: 'may' }],
    ['[hub]:587', 'hub', { level: 'verify', match: ['mx'] }],
    [
      'print.example',
      'print.example',
      { level: 'fingerprint', check: { wanted: ['AA:BB', 'cc', 'dd'], digest: 'sha256' } },
    ],
    ['anchor.example', 'anchor.example', { level: 'secure', anchorFiles: ['/a', '/b'] }],
  ])('%s', async (nexthop, domain, expected) =>
    expect(await ask(nexthop, domain)).toMatchObject(expected as object),
  );
  it.each([
    ['odd.example', 'level "sometimes" is unknown'],
    ['typo.example', '"mtach=x" is not understood'],
    ['noprint.example', 'no fingerprints'],
  ])('%s waits', async (nexthop, reason) => expect(await ask(nexthop)).toContain(reason));
});

describe('DANE', () => {
  const digest = createHash('sha256').update('x').digest();
  const tlsa = (usage: number, selector = 1, matching = 1, data = digest): DnsRecord => ({
    type: 'TLSA',
    tlsa: { usage, selector, matching, data },
  });
  const answer = (records: readonly DnsRecord[], secure = true, name = ''): SecureAnswer => ({
    kind: 'answer',
    secure,
    name,
    records,
  });
  const failed: SecureAnswer = { kind: 'failed', reason: 'no answer' };
  const A: DnsRecord = { type: 'A', address: '192.0.2.1' };
  const MX: DnsRecord = { type: 'MX', preference: 10, exchange: 'mx.example.com' };
  /** Everything secure and one record for DANE-EE; `given` replaces answers. */
  const dns = (given: Readonly<Record<string, SecureAnswer>> = {}): SecureDns => ({
    async query(name, type) {
      const zone: Record<string, SecureAnswer> = {
        'example.com MX': answer([MX]),
        'mx.example.com A': answer([A]),
        '_25._tcp.mx.example.com TLSA': answer([tlsa(3)]),
        ...given,
      };
      const found = zone[`${name} ${type}`] ?? answer([]);
      return found.kind === 'answer' && found.name === '' ? { ...found, name } : found;
    },
  });
  const ask = (
    level: 'dane' | 'dane-only',
    zone: Readonly<Record<string, SecureAnswer>> = {},
    given: Partial<ClientSettings> & { readonly direct?: boolean; readonly host?: string } = {},
  ) =>
    findTlsPolicy(
      {
        nexthop: 'example.com',
        domain: given.direct === true ? 'mx.example.com' : 'example.com',
        host: given.host ?? 'mx.example.com',
        port: 25,
        direct: given.direct === true,
      },
      { ...defaultClientSettings('me'), dnsSupport: 'dnssec', ...given, tlsLevel: level },
      { secureDns: dns(zone) },
    );

  it.each<[name: string, zone: Readonly<Record<string, SecureAnswer>>, dane: string, only: string]>([
    ['all secure', {}, 'dane', 'dane-only'],
    ['MX not secure', { 'example.com MX': answer([MX], false) }, 'dane', 'non DNSSEC destination'],
    ['host not secure', { 'mx.example.com A': answer([A], false) }, 'may', 'non DNSSEC host'],
    ['no records', { '_25._tcp.mx.example.com TLSA': answer([]) }, 'may', 'no TLSA records found'],
    ['records not secure', { '_25._tcp.mx.example.com TLSA': answer([tlsa(3)], false) }, 'may', 'no TLSA'],
    [
      'PKIX usages only',
      { '_25._tcp.mx.example.com TLSA': answer([tlsa(0), tlsa(1)]) },
      'encrypt',
      'TLSA records unusable',
    ],
    ['unknown selector', { '_25._tcp.mx.example.com TLSA': answer([tlsa(3, 2)]) }, 'encrypt', 'unusable'],
    [
      'digest of the wrong size',
      { '_25._tcp.mx.example.com TLSA': answer([tlsa(3, 1, 2)]) },
      'encrypt',
      'unusable',
    ],
    ['TLSA failed', { '_25._tcp.mx.example.com TLSA': failed }, 'TLSA lookup error', 'TLSA lookup error'],
    ['MX failed', { 'example.com MX': failed }, 'TLSA lookup error', 'TLSA lookup error'],
    ['address failed', { 'mx.example.com A': failed }, 'TLSA lookup error', 'TLSA lookup error'],
    [
      'signed MX names others',
      { 'example.com MX': answer([{ ...MX, exchange: 'other.example' }]) },
      'is no exchange of example.com',
      'is no exchange',
    ],
  ])('%s', async (_, zone, dane, only) => {
    for (const [level, expected] of [
      ['dane', dane],
      ['dane-only', only],
    ] as const) {
      const policy = await ask(level, zone);
      if (typeof policy === 'string') expect(policy).toContain(expected);
      else expect(policy.level).toBe(expected);
      if (expected === level)
        expect(policy).toMatchObject({ check: { kind: 'tlsa' }, serverName: 'mx.example.com' });
    }
  });

  it('asks for no MX at a host in brackets', async () =>
    expect(await ask('dane-only', { 'example.com MX': failed }, { direct: true })).toMatchObject({
      level: 'dane-only',
      check: { kind: 'tlsa', names: [] },
    }));

  it('names what an anchor must vouch for, the end of a CNAME first', async () => {
    const zone = {
      'mx.example.com A': answer([A], true, 'real.example.net'),
      '_25._tcp.real.example.net TLSA': answer([tlsa(2)]),
    };
    expect(await ask('dane', zone)).toMatchObject({
      serverName: 'real.example.net',
      check: { names: ['real.example.net', 'mx.example.com', 'example.com'] },
    });
    // Without records there, those of its first name count.
    expect(await ask('dane', { ...zone, '_25._tcp.real.example.net TLSA': answer([]) })).toMatchObject({
      serverName: 'mx.example.com',
    });
  });

  it('takes the strongest digest of each kind', async () => {
    const strong = createHash('sha512').update('x').digest();
    const set = [tlsa(3, 1, 1), tlsa(3, 1, 2, strong), tlsa(3, 0, 1)];
    const policy = await ask('dane', { '_25._tcp.mx.example.com TLSA': answer(set) });
    const check = typeof policy === 'string' ? undefined : policy.check;
    expect(check?.kind === 'tlsa' ? check.records.map((r) => `${r.selector}${r.matching}`) : []).toEqual([
      '12',
      '01',
    ]);
  });

  it.each([
    ['encrypt', 'encrypt'],
    ['may', 'may'],
    ['dane', 'dane'],
  ] as const)('smtp_tls_dane_insecure_mx_policy = %s', async (word, expected) =>
    expect(
      await ask('dane', { 'example.com MX': answer([MX], false) }, { tlsDaneInsecureMxPolicy: word }),
    ).toMatchObject({ level: expected }),
  );

  it('waits where main.cf asks for no DNSSEC', async () =>
    expect(await ask('dane', {}, { dnsSupport: 'enabled' })).toContain('smtp_dns_support_level = dnssec'));
});

describe('tlsRange', () => {
  it.each<[string, string]>([
    ['>=TLSv1', 'TLSv1.2-TLSv1.3'],
    ['', 'TLSv1.2-TLSv1.3'],
    ['!SSLv2, !SSLv3', 'TLSv1.2-TLSv1.3'],
    ['!SSLv2 !TLSv1.2', 'TLSv1.3-TLSv1.3'],
    ['>=TLSv1.3', 'TLSv1.3-TLSv1.3'],
    ['TLSv1, TLSv1.2', 'TLSv1.2-TLSv1.2'],
    ['<=0303', 'TLSv1.2-TLSv1.2'],
    ['TLSv1', 'leave none'],
    ['TLSv9', 'is unknown'],
  ])('%s', (protocols, expected) => {
    const range = tlsRange({ protocols, ciphers: 'medium', exclude: '' });
    if (typeof range === 'string') expect(range).toContain(expected);
    else expect(`${range.minVersion}-${range.maxVersion}`).toBe(expected);
  });
  it('takes ciphers away, and no grade that protects nobody', () => {
    expect(tlsRange({ protocols: '', ciphers: 'high', exclude: 'aNULL, RC4' })).toMatchObject({
      ciphers: 'HIGH:!aNULL:!eNULL:!aNULL:!RC4:@STRENGTH',
    });
    expect(tlsRange({ protocols: '', ciphers: 'null', exclude: '' })).toContain('"null" is not supported');
  });
});
