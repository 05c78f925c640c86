// main.cf's parameters with a listener's overrides → the typed record that SMTP sessions run on. Only names and
// units change hands here; what the values mean is the smtp package's.

import {
  type LookupTable,
  type MatchList,
  type Origin,
  type PostfixSettings,
  type Restriction,
  type SmtpListener,
  type TableRegistry,
  expand,
  parseTime,
  splitList,
  stripBraces,
} from '@postcote/config';
import {
  type PolicyService,
  type RestrictionItem,
  type SaslSecurityOption,
  type SmtpSettings,
  defaultSmtpSettings,
} from '@postcote/smtp';
import { filterSettingsOf } from './filters/filter-settings.ts';
import { openMiltersOf } from './filters/open-milters.ts';
import type { PolicyServerOptions } from '@postcote/smtp/edge';
import { accessSettingsOf } from './access-settings.ts';

const ms = (seconds: number): number => seconds * 1000;
const words = (list: readonly string[]): ReadonlySet<string> =>
  new Set(list.map((word) => word.toLowerCase()));
const verbs = (list: readonly string[]): ReadonlySet<string> =>
  new Set(list.map((word) => word.toUpperCase()));

/** What settings alone do not hold. */
export interface SmtpSettingsPorts {
  readonly tables: TableRegistry;
  /** A connection to a policy server; equal specifications share one. */
  readonly policyServer: (options: PolicyServerOptions) => PolicyService;
  readonly isOwnAddress: (address: string) => boolean;
}

export function smtpSettingsOf(listener: SmtpListener, ports: SmtpSettingsPorts): SmtpSettings {
  const s = listener.settings;
  const { tables } = ports;
  const item = (restriction: Restriction): RestrictionItem => restrictionItem(restriction, s, ports);
  const list = (name: string): readonly RestrictionItem[] => s.restrictions(name).map(item);
  const maps = (name: string): LookupTable | undefined =>
    s.list(name).length === 0 ? undefined : tables.parameter(s, name);
  const code = (name: string): number => s.int(name);
  return {
    ...defaultSmtpSettings(s.string('myhostname')),
    ...accessSettingsOf(s, tables),
    program: `${listener.syslogName}/smtpd`,
    mailName: s.string('mail_name'),
    banner: s.string('smtpd_banner'),
    restrictions: {
      client: list('smtpd_client_restrictions'),
      helo: list('smtpd_helo_restrictions'),
      sender: list('smtpd_sender_restrictions'),
      relay: list('smtpd_relay_restrictions'),
      recipient: list('smtpd_recipient_restrictions'),
      data: list('smtpd_data_restrictions'),
      endOfData: list('smtpd_end_of_data_restrictions'),
      etrn: list('smtpd_etrn_restrictions'),
    },
    delayReject: s.bool('smtpd_delay_reject'),
    relayBeforeRecipientRestrictions: s.bool('smtpd_relay_before_recipient_restrictions'),
    rejectUnlistedRecipient:
      s.bool('smtpd_reject_unlisted_recipient') &&
      !s.list('receive_override_options').includes('no_unknown_recipient_checks'),
    rejectUnlistedSender: s.bool('smtpd_reject_unlisted_sender'),
    parseRestrictions: (text) => s.restrictionsIn(text, FROM_A_TABLE).map(item),
    expandTemplate(template, values) {
      const expansion = expand(template, (name) => ({ ok: true, value: values.get(name) ?? '' }));
      return expansion.ok ? expansion.value : undefined;
    },
    parentsMatch: s.list('parent_domain_matches_subdomains').includes('smtpd_access_maps'),
    nullAccessLookupKey: s.string('smtpd_null_access_lookup_key'),
    senderLoginMaps: maps('smtpd_sender_login_maps'),
    defaultRblReply: s.string('default_rbl_reply'),
    rblReplyMaps: maps('rbl_reply_maps'),
    recipientDelimiter: s.string('recipient_delimiter'),
    myorigin: s.string('myorigin'),
    stress: s.string('stress'),
    isOwnAddress: ports.isOwnAddress,
    heloRequired: s.bool('smtpd_helo_required'),
    disableVrfyCommand: s.bool('disable_vrfy_command'),
    strictRfc821Envelopes: s.bool('strict_rfc821_envelopes'),
    allowUntrustedRouting: s.bool('allow_untrusted_routing'),
    allowPercentHack: s.bool('allow_percent_hack'),
    swapBangpath: s.bool('swap_bangpath'),
    peernameLookup: s.bool('smtpd_peername_lookup'),
    softBounce: s.bool('soft_bounce'),
    rateLimits: {
      service: listener.service,
      rates: {
        connection: s.int('smtpd_client_connection_rate_limit'),
        message: s.int('smtpd_client_message_rate_limit'),
        recipient: s.int('smtpd_client_recipient_rate_limit'),
        auth: s.int('smtpd_client_auth_rate_limit'),
        newTlsSession: s.int('smtpd_client_new_tls_session_rate_limit'),
      },
      timeUnit: ms(s.time('anvil_rate_time_unit')),
    },
    ...upstreamProxyOf(listener),
    isXclientHost: addressMatcher(tables.matchList(s, 'smtpd_authorized_xclient_hosts')),
    isXforwardHost: addressMatcher(tables.matchList(s, 'smtpd_authorized_xforward_hosts')),
    rejectFooter: s.string('smtpd_reject_footer'),
    clientConnectionCountLimit: s.int('smtpd_client_connection_count_limit'),
    isClientLimitException: addressMatcher(tables.matchList(s, 'smtpd_client_event_limit_exceptions')),
    isMyNetwork: addressMatcher(tables.matchList(s, 'mynetworks')),

    tlsSecurityLevel: tlsLevel(s),
    tlsWrappermode: listener.implicitTls,
    tlsAuthOnly: s.bool('smtpd_tls_auth_only'),
    tlsReceivedHeader: s.bool('smtpd_tls_received_header'),
    tlsLoglevel: Number(s.string('smtpd_tls_loglevel')) || 0,

    saslAuthEnable: s.bool('smtpd_sasl_auth_enable'),
    saslSecurityOptions: words(s.list('smtpd_sasl_security_options')) as ReadonlySet<SaslSecurityOption>,
    saslTlsSecurityOptions: words(
      s.list('smtpd_sasl_tls_security_options'),
    ) as ReadonlySet<SaslSecurityOption>,
    saslAuthenticatedHeader: s.bool('smtpd_sasl_authenticated_header'),
    saslLocalDomain: s.string('smtpd_sasl_local_domain'),
    brokenSaslAuthClients: s.bool('broken_sasl_auth_clients'),
    isSaslException: addressMatcher(tables.matchList(s, 'smtpd_sasl_exceptions_networks')),
    saslResponseLimit: s.int('smtpd_sasl_response_limit'),

    discardEhloKeywords: words(s.list('smtpd_discard_ehlo_keywords')),
    ...ehloKeywordMaps(maps('smtpd_discard_ehlo_keyword_address_maps')),
    smtputf8Enable: s.bool('smtputf8_enable'),
    forbiddenCommands: verbs(s.list('smtpd_forbidden_commands')),
    forbidOddCommands: s.string('smtpd_forbidden_commands').includes('regexp:{{/^[^A-Z]/'),
    noopCommands: verbs(s.list('smtpd_noop_commands')),

    messageSizeLimit: s.int('message_size_limit'),
    lineLengthLimit: s.int('line_length_limit'),
    hopcountLimit: s.int('hopcount_limit'),
    recipientLimit: s.int('smtpd_recipient_limit'),
    recipientOvershootLimit: s.int('smtpd_recipient_overshoot_limit'),
    softErrorLimit: s.int('smtpd_soft_error_limit'),
    hardErrorLimit: s.int('smtpd_hard_error_limit'),
    errorSleepTime: ms(s.time('smtpd_error_sleep_time')),
    junkCommandLimit: s.int('smtpd_junk_command_limit'),
    timeout: ms(s.time('smtpd_timeout')),
    starttlsTimeout: ms(s.time('smtpd_starttls_timeout')),
    forbidUnauthPipelining: s.bool('smtpd_forbid_unauth_pipelining'),
    forbidBareNewline:
      s.string('smtpd_forbid_bare_newline').toLowerCase() === 'reject' ? 'reject' : 'normalize',
    forbidBareNewlineRejectCode: s.int('smtpd_forbid_bare_newline_reject_code'),

    localHeaderRewriteClients: s.list('local_header_rewrite_clients').map((word) => word.toLowerCase()),
    isLocalHeaderAddress: localHeaderAddresses(s, tables),

    ...openMiltersOf(filterSettingsOf(s, 'smtpd_milters', tables)),
    milterDaemonName: s.string('milter_macro_daemon_name'),
    milterVersion: s.string('milter_macro_v'),

    codes: {
      reject: code('reject_code'),
      defer: code('defer_code'),
      accessMapReject: code('access_map_reject_code'),
      accessMapDefer: code('access_map_defer_code'),
      relayDomains: code('relay_domains_reject_code'),
      invalidHostname: code('invalid_hostname_reject_code'),
      nonFqdn: code('non_fqdn_reject_code'),
      unknownAddress: code('unknown_address_reject_code'),
      unknownClient: code('unknown_client_reject_code'),
      unknownHostname: code('unknown_hostname_reject_code'),
      mapsRbl: code('maps_rbl_reject_code'),
      plaintext: code('plaintext_reject_code'),
      unknownLocalRecipient: code('unknown_local_recipient_reject_code'),
      unknownRelayRecipient: code('unknown_relay_recipient_reject_code'),
      unknownVirtualAlias: code('unknown_virtual_alias_reject_code'),
      unknownVirtualMailbox: code('unknown_virtual_mailbox_reject_code'),
      multiRecipientBounce: code('multi_recipient_bounce_reject_code'),
    },
  };
}

/** A table that cannot answer at once says nothing: keywords are no question of access. */
function ehloKeywordMaps(
  table: LookupTable | undefined,
): Pick<SmtpSettings, 'discardEhloKeywordsFor'> | undefined {
  if (table === undefined) return undefined;
  return {
    discardEhloKeywordsFor(address) {
      try {
        const entry = table.find(address);
        return entry === undefined || entry instanceof Promise ? undefined : words(splitList(entry.value));
      } catch {
        return undefined;
      }
    },
  };
}

/** `check_address_map type:table` of `local_header_rewrite_clients`; what cannot be asked now holds nobody. */
function localHeaderAddresses(s: PostfixSettings, tables: TableRegistry): (address: string) => boolean {
  const parameter = 'local_header_rewrite_clients';
  const words = s.list(parameter);
  const found = words
    .filter((_, index) => words[index - 1]?.toLowerCase() === 'check_address_map')
    .map((spec) => tables.open(spec, { parameter, origin: s.originOfWord(parameter, spec) }));
  return (address) => {
    try {
      return found.some((table) => {
        const entry = table.find(address);
        return entry !== undefined && !(entry instanceof Promise);
      });
    } catch {
      return false;
    }
  };
}

/** A list that cannot answer now lets nobody in; networks come from files and are never asked elsewhere. */
function addressMatcher(list: MatchList): (address: string, name?: string) => boolean {
  return (address, name) => {
    try {
      return list.matches({ address, ...(name === undefined ? {} : { name }) }) === true;
    } catch {
      return false;
    }
  };
}

const FROM_A_TABLE: Origin = { file: '(access table)', line: 0 };

function restrictionItem(
  restriction: Restriction,
  s: PostfixSettings,
  { tables, policyServer }: SmtpSettingsPorts,
): RestrictionItem {
  const { word, argument, origin } = restriction;
  if (argument === undefined) return { word, origin };
  if (word === 'check_policy_service')
    return { word, argument, origin, policy: policyServer(policyOptions(restriction, argument, s)) };
  if (word.endsWith('_access'))
    return { word, argument, origin, table: tables.open(argument, { parameter: word, origin }) };
  return { word, argument, origin };
}

/** The parameters' values, and what stands beside the server's name: `{ inet:host:port, timeout=10s, { default_action = 450 later } }`. */
function policyOptions(
  { attributes = [] }: Restriction,
  server: string,
  s: PostfixSettings,
): PolicyServerOptions {
  const own = new Map(
    attributes.map((attribute) => {
      const text = stripBraces(attribute);
      const equals = text.indexOf('=');
      return [text.slice(0, equals).trim(), text.slice(equals + 1).trim()];
    }),
  );
  const time = (name: string): number =>
    ms(parseTime(own.get(name) ?? '', 's') ?? s.time(`smtpd_policy_service_${name}`));
  const count = (name: string): number =>
    Number(own.get(name) ?? NaN) || s.int(`smtpd_policy_service_${name}`);
  const text = (name: string): string => own.get(name) ?? s.string(`smtpd_policy_service_${name}`);
  return {
    server,
    queueDirectory: s.string('queue_directory'),
    context: text('policy_context'),
    defaultAction: text('default_action'),
    timeout: time('timeout'),
    maxIdle: time('max_idle'),
    maxTtl: time('max_ttl'),
    retryDelay: time('retry_delay'),
    requestLimit: count('request_limit'),
    tryLimit: count('try_limit'),
  };
}

/** POSTFIX: `smtpd_tls_security_level` overrides `smtpd_use_tls` and `smtpd_enforce_tls`. */
function tlsLevel(s: PostfixSettings): SmtpSettings['tlsSecurityLevel'] {
  const level = s.string('smtpd_tls_security_level').toLowerCase();
  if (level === 'encrypt' || s.bool('smtpd_enforce_tls')) return 'encrypt';
  if (level === 'may') return 'may';
  if (level === 'none') return 'none';
  return s.bool('smtpd_use_tls') ? 'may' : 'none';
}

/** POSTFIX: where postscreen stands in front, the proxy speaks to it. */
function upstreamProxyOf({
  settings,
  screen,
}: SmtpListener): Pick<SmtpSettings, 'upstreamProxy' | 'upstreamProxyTimeout'> {
  const [s, program] = screen === undefined ? [settings, 'smtpd'] : [screen, 'postscreen'];
  return {
    upstreamProxy: s.string(`${program}_upstream_proxy_protocol`) === 'haproxy' ? 'haproxy' : 'none',
    upstreamProxyTimeout: ms(s.time(`${program}_upstream_proxy_timeout`)),
  };
}
