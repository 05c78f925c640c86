import { describe, expect, it } from 'vitest';
import { makeMemorySystem, type MemoryMachine } from '../testing/index.ts';
import { parseMainCf, type Definition } from './main-cf.ts';
import { PostfixSettings } from './postfix-settings.ts';

const settingsOf = (text: string, machine: MemoryMachine = {}): PostfixSettings =>
  new PostfixSettings({ main: parseMainCf('/etc/postfix/main.cf', text), system: makeMemorySystem(machine) });

describe('PostfixSettings', () => {
  // What `postconf -x` of Postfix 3.7 says for the same lines.
  it.each([
    ['', 'smtpd_relay_restrictions', ''],
    ['', 'smtputf8_enable', 'no'],
    ['', 'append_dot_mydomain', 'yes'],
    ['', 'relay_domains', 'mail.example.com, localhost.example.com, localhost'],
    ['', 'smtpd_banner', 'mail.example.com ESMTP Postfix'],
    ['', 'message_size_limit', '10240000'],
    ['', 'virtual_alias_domains', ''],
    ['virtual_alias_maps = hash:/x', 'virtual_alias_domains', 'hash:/x'],
    [
      'compatibility_level = 1',
      'smtpd_relay_restrictions',
      'permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination',
    ],
    ['compatibility_level = 2', 'relay_domains', ''],
    ['compatibility_level = 3.6', 'respectful_logging', 'yes'],
    ['stress = yes', 'smtpd_timeout', '10s'],
    ['myhostname = lollipop.example.com', 'mydomain', 'example.com'],
    ['myhostname = vm', 'mydomain', 'localdomain'],
    ['relayhost = [$mydomain]:587', 'relayhost', '[example.com]:587'],
    ['', 'relay_destination_concurrency_limit', '20'],
    ['', 'forward_path', '$home/.forward${recipient_delimiter}${extension}, $home/.forward'],
  ])('%j gives %s = %j', (text, name, expected) => {
    const settings = settingsOf(text);
    expect(settings.string(name)).toBe(expected);
    expect(settings.problems).toEqual([]);
  });

  it('names a host without a domain after mydomain', () => {
    expect(settingsOf('', { hostname: 'vm' }).string('myhostname')).toBe('vm.localdomain');
    expect(settingsOf('mydomain = x.org', { hostname: 'vm' }).string('myhostname')).toBe('vm.x.org');
  });

  it.each([
    ['', '127.0.0.0/8 192.0.2.0/24 [::1]/128'],
    ['compatibility_level = 2', '127.0.0.1/32 192.0.2.2/32 [::1]/128'],
    ['inet_interfaces = loopback-only', '127.0.0.0/8 [::1]/128'],
    ['inet_protocols = ipv4', '127.0.0.0/8 192.0.2.0/24'],
    ['mynetworks_style = class\ninet_interfaces = 192.0.2.2', '192.0.2.0/24'],
  ])('%j makes mynetworks %s', (text, expected) => {
    const interfaces = [
      { address: '127.0.0.1', prefixLength: 8, isLoopback: true },
      { address: '::1', prefixLength: 128, isLoopback: true },
      { address: '192.0.2.2', prefixLength: 24, isLoopback: false },
    ];
    expect(settingsOf(text, { interfaces }).string('mynetworks')).toBe(expected);
  });

  it('reads /etc/mailname', () => {
    const files = { '/etc/mailname': 'example.org\nmore\n' };
    expect(settingsOf('myorigin = /etc/mailname', { files }).string('myorigin')).toBe('example.org');
    const without = settingsOf('myorigin = /etc/mailname');
    expect(without.string('myorigin')).toBe('');
    expect(without.problems).toEqual([
      expect.objectContaining({ severity: 'refuse', line: 1, name: 'myorigin' }),
    ]);
  });

  it('settles typed values, and a bad one to its default with a refusal', () => {
    const settings = settingsOf(
      'smtpd_helo_required = maybe\nhopcount_limit = many\nsmtpd_timeout = 5x\nqueue_run_delay = 5m',
    );
    expect(settings.known).toMatchObject({
      smtpdHeloRequired: false,
      hopcountLimit: 50,
      smtpdTimeout: 300,
      queueRunDelay: 300,
      maximalQueueLifetime: 432_000,
      smtpdDelayReject: true,
    });
    expect(settings.problems.map(({ name, line, severity }) => [name, line, severity]).sort()).toEqual([
      ['hopcount_limit', 2, 'refuse'],
      ['smtpd_helo_required', 1, 'refuse'],
      ['smtpd_timeout', 3, 'refuse'],
    ]);
    expect(settings.known).toBe(settings.known);
  });

  it('stops at values that refer to themselves', () => {
    const settings = settingsOf('a = $b\nb = $a\nhome_mailbox = $a');
    expect(settings.string('home_mailbox')).toBe('');
    expect(settings.problems).toEqual([
      expect.objectContaining({ severity: 'refuse', name: 'home_mailbox', line: 3 }),
    ]);
  });

  it('lets a service override, also through a name main.cf uses', () => {
    const definition = (name: string, value: string): Definition => ({
      name,
      value,
      origin: { file: 'master.cf', line: 7 },
    });
    const overrides = new Map([
      ['smtpd_tls_wrappermode', definition('smtpd_tls_wrappermode', 'yes')],
      ['syslog_name', definition('syslog_name', 'postfix/$service_name')],
      ['x', definition('x', 'inner')],
    ]);
    const base = settingsOf('smtpd_banner = $x\nx = outer');
    const settings = base.withOverrides(overrides, 'submissions');
    expect(settings.known.smtpdTlsWrappermode).toBe(true);
    expect(settings.known.syslogName).toBe('postfix/submissions');
    expect(settings.known.smtpdBanner).toBe('inner');
    expect(settings.origin('smtpd_tls_wrappermode')).toEqual({ file: 'master.cf', line: 7 });
    expect(base.known.smtpdBanner).toBe('outer');
  });

  it('reads restrictions with arguments, classes and the line of each word', () => {
    const settings = settingsOf(`smtpd_restriction_classes = Strict
Strict = reject_unknown_sender_domain, permit
smtpd_recipient_restrictions =
  Permit_MyNetworks
  check_recipient_access hash:/etc/postfix/access,
  reject_rbl_client zen.example.org=127.0.0.[2..11]
  hash:/etc/postfix/old
  check_policy_service { inet:127.0.0.1:10023, timeout=10s }
  Strict
`);
    const plain = settings
      .restrictions('smtpd_recipient_restrictions')
      .map(({ origin, ...rest }) => ({ ...rest, line: origin.line }));
    expect(plain).toEqual([
      { word: 'permit_mynetworks', line: 4 },
      { word: 'check_recipient_access', argument: 'hash:/etc/postfix/access', line: 5 },
      { word: 'reject_rbl_client', argument: 'zen.example.org=127.0.0.[2..11]', line: 6 },
      { word: 'check_recipient_access', argument: 'hash:/etc/postfix/old', line: 7 },
      {
        word: 'check_policy_service',
        argument: 'inet:127.0.0.1:10023',
        attributes: ['timeout=10s'],
        line: 8,
      },
      { word: 'reject_unknown_sender_domain', line: 2 },
      { word: 'permit', line: 2 },
    ]);
    expect(settings.restrictions('Strict').map(({ word }) => word)).toEqual([
      'reject_unknown_sender_domain',
      'permit',
    ]);
  });

  it('puts classes in their place, under warn_if_reject as a whole, and stops at loops', () => {
    const settings = settingsOf(`smtpd_restriction_classes = one, two, loop
one = reject_a, two
two = reject_b
loop = loop, permit
smtpd_helo_restrictions = warn_if_reject one, reject_c
smtpd_sender_restrictions = loop
`);
    expect(settings.restrictions('smtpd_helo_restrictions').map(({ word }) => word)).toEqual([
      'warn_if_reject',
      'reject_a',
      'warn_if_reject',
      'reject_b',
      'reject_c',
    ]);
    expect(settings.restrictions('smtpd_sender_restrictions').map(({ word }) => word)).toEqual([
      'reject',
      'permit',
    ]);
    expect(settings.problems).toEqual([
      expect.objectContaining({ severity: 'refuse', name: 'loop', line: 4 }),
    ]);
  });
});
