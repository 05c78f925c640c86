import { describe, expect, it } from 'vitest';
import { mustNotStart, readConfiguration, type Configuration } from './load.ts';
import { formatProblem } from './origin.ts';
import {
  guideAliases,
  guideDovecotConf,
  guideMainCf,
  guideRestrictions,
  guideVirtual,
  makeMemorySystem,
  makeMemoryTables,
} from './testing/index.ts';

const guideFiles = {
  '/etc/postfix/main.cf': guideMainCf,
  '/etc/postfix/virtual': guideVirtual,
  '/etc/aliases': guideAliases,
  '/etc/dovecot/dovecot.conf': guideDovecotConf,
};

function load(files: Readonly<Record<string, string>>): Configuration {
  const machine = {
    files,
    hostname: 'lollipop',
    passwd: { username: 'username:x:1000:1000::/home/username:/bin/sh' },
  };
  return readConfiguration({
    postfixDirectory: '/etc/postfix',
    dovecotConf: '/etc/dovecot/dovecot.conf',
    system: makeMemorySystem(machine),
    tables: makeMemoryTables(machine),
    supportedRestrictions: guideRestrictions,
  });
}

const withMain = (extra: string): Configuration =>
  load({ ...guideFiles, '/etc/postfix/main.cf': `${guideMainCf}${extra}` });
const added = (extra: string): string[] =>
  withMain(extra)
    .problems.filter(({ file, line }) => file === '/etc/postfix/main.cf' && line > 23)
    .map((problem) => `${problem.severity} ${formatProblem(problem)}`);

describe('the guide’s files', () => {
  const configuration = load(guideFiles);

  it('start', () => {
    expect(mustNotStart(configuration.problems)).toBe(false);
    expect(configuration.problems.map(({ file, line, name }) => `${file}:${line} ${name}`)).toEqual([
      '/etc/postfix/main.cf:10 smtpd_sasl_type',
      '/etc/postfix/main.cf:11 smtpd_sasl_path',
      '/etc/postfix/main.cf:16 smtpd_sasl_application_name',
      '/etc/postfix/virtual:1 <username@example.com>',
      '/etc/postfix/virtual:3 <fore@example.com>',
      '/etc/postfix/virtual:5 <team@example.com>',
      '/etc/dovecot/dovecot.conf:2 log_timestamp',
      '/etc/dovecot/dovecot.conf:3 mail_privileged_group',
    ]);
  });

  it('mean what they say', async () => {
    const { postfix, tables, listeners } = configuration;
    expect(listeners.map(({ address, port }) => [address, port])).toEqual([
      ['0.0.0.0', 25],
      ['::', 25],
    ]);
    expect(postfix.known).toMatchObject({
      myhostname: 'lollipop.example.com',
      mydomain: 'example.com',
      myorigin: 'lollipop.example.com',
      mydestination: ['lollipop.example.com', 'localhost.example.com', 'localhost'],
      virtualAliasMaps: ['hash:/etc/postfix/virtual'],
      homeMailbox: 'mail/',
      brokenSaslAuthClients: true,
      smtpdSaslLocalDomain: 'lollipop.example.com',
      smtpdTlsReceivedHeader: true,
      smtpdRelayRestrictions: [],
      messageSizeLimit: 10_240_000,
    });
    const mydestination = tables.matchList(postfix, 'mydestination');
    expect(await mydestination.matches({ name: 'lollipop.example.com' })).toBe(true);
    expect(await mydestination.matches({ name: 'example.com' })).toBe(false);
    expect(await tables.matchList(postfix, 'mynetworks').matches({ address: '127.0.0.9' })).toBe(true);
    expect(await tables.parameter(postfix, 'alias_maps').find('root')).toEqual({
      value: 'username',
      origin: { file: '/etc/aliases', line: 1 },
    });
    const recipients = tables.parameter(postfix, 'local_recipient_maps');
    expect(await recipients.lookup('username')).toContain('username:x:1000');
    expect(await recipients.lookup('root')).toBe('username');
    expect(await recipients.lookup('nobody')).toBeUndefined();
  });
});

describe('refusals and notices', () => {
  it.each([
    ['smtpd_client_restrictions = reject_unknown_clnt', 'refuse', 'reject_unknown_clnt'],
    ['smtpd_sender_restrictions =\n  permit_mynetworks,\n  check_sender_access', 'refuse', ':26: '],
    ['transport_maps = ldap:/x', 'refuse', 'ldap'],
    ['smtp_tls_security_level = dane', 'refuse', 'smtp_dns_support_level = dnssec'],
    ['smtp_tls_security_level = always', 'refuse', 'no level of TLS security'],
    ['smtp_pix_workarounds = delay_dotcrlf', 'notice', 'PIX'],
    ['virtual_alias_maps = ldap:/etc/ldap.cf', 'refuse', 'ldap'],
    ['mynetworks = 10.0.0/8', 'refuse', '10.0.0'],
    ['mynetworks = 192.0.2.4/24', 'refuse', '192.0.2.0/24'],
    ['smtpd_proxy_filter = 127.0.0.1:10025', 'refuse', 'remove this line'],
    ['smtpd_helo_required = maybe', 'refuse', 'neither yes nor no'],
    ['home_mailbx = mail/', 'notice', 'did you mean home_mailbox?'],
    ['smtpd_banner = $myhostname $', 'refuse', 'dollar'],
    ['biff = yes', 'notice', 'comsat'],
    ['virtual_alias_maps = hash:/etc/postfix/missing', 'refuse', 'create it'],
  ])('%j is a %s', (text, severity, words) => {
    const found = added(text);
    const last = found[found.length - 1] ?? '';
    expect(last.startsWith(severity)).toBe(true);
    expect(last).toContain(words);
  });

  it('says nothing about DANE with all it needs', () =>
    expect(added('smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n')).toEqual([]));

  it('says nothing about the administrator’s own names', () => {
    expect(added('my_limit = 20\nsmtpd_recipient_limit = $my_limit\n')).toEqual([]);
    expect(
      added(
        'smtpd_restriction_classes = strict\nstrict = reject_unauth_pipelining\nsmtpd_helo_restrictions = strict\n',
      ),
    ).toEqual([]);
  });

  it('looks into restriction classes', () => {
    expect(added('smtpd_restriction_classes = strict\nstrict = permit_mynetwroks\n')).toEqual([
      expect.stringContaining('permit_mynetwroks'),
    ]);
  });

  it('refuses an open relay', () => {
    const open = withMain('smtpd_recipient_restrictions = permit_mynetworks\n');
    expect(open.problems.filter(({ severity }) => severity === 'refuse').map(formatProblem)).toEqual([
      expect.stringContaining('anybody could relay'),
    ]);
  });

  it('looks at each service’s own settings', () => {
    const master =
      'submission inet n - y - - smtpd\n  -o smtpd_client_restrictions=permit_sasl_authenticated,rejct\n';
    const { problems } = load({ ...guideFiles, '/etc/postfix/master.cf': master });
    expect(problems.filter(({ severity }) => severity === 'refuse')).toEqual([
      expect.objectContaining({ file: '/etc/postfix/master.cf', line: 2, value: 'rejct' }),
    ]);
  });

  it('says what to do where there is no main.cf', () => {
    const { problems } = load({});
    expect(problems.filter(({ severity }) => severity === 'refuse').map(formatProblem)).toEqual([
      expect.stringContaining('postcote init'),
    ]);
    expect(mustNotStart(problems)).toBe(true);
  });

  it('names each problem once', () => {
    const { problems } = withMain('biff = no\n');
    const seen = problems.map(formatProblem);
    expect(new Set(seen).size).toBe(seen.length);
  });
});
