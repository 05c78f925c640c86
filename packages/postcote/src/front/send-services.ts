// main.cf and master.cf → the services that send mail: each row of master.cf that runs smtp or lmtp, with its own
// settings, tables and TLS context; and the rules by which an address gets one of them.

import { getHashes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { PostfixSettings, TableRegistry } from '@postcote/config';
import type { LoadedConfiguration } from '@postcote/config/edge';
import {
  type ClientSettings,
  type TlsLevel,
  type TransportRules,
  type TransportTable,
  defaultClientSettings,
  parsePort,
  parseTlsLevel,
} from '@postcote/smtp';
import { type SendService } from '@postcote/smtp/edge';
import { outgoingRewritingOf, type RewritingPorts } from './outgoing-rewriting.ts';
import { tlsPartsOf } from './send-tls.ts';

/** Without a master.cf there are those that every installation has. */
const USUAL: readonly (readonly [name: string, command: 'smtp' | 'lmtp'])[] = [
  ['smtp', 'smtp'],
  ['relay', 'smtp'],
  ['lmtp', 'lmtp'],
];

/** By transport name. Throws, with what is wrong, when a setting asks for more than can be kept. */
export function readSendServices(
  configuration: LoadedConfiguration,
  given: ReadonlyMap<string, string>,
  ports: Omit<RewritingPorts, 'program'>,
): ReadonlyMap<string, SendService> {
  const { postfix, master, tables } = configuration;
  const read = (path: string): string => given.get(path) ?? readFileSync(path, 'utf8');
  const services = new Map<string, SendService>();
  for (const [name, command] of USUAL)
    services.set(name, makeService(postfix, tables, { command, program: programOf(name), read, ports }));
  for (const { name, type, command, overrides } of master?.services ?? []) {
    if (type !== 'unix' || (command !== 'smtp' && command !== 'lmtp')) continue;
    const settings = postfix.withOverrides(overrides, name);
    services.set(name, makeService(settings, tables, { command, program: programOf(name), read, ports }));
  }
  return services;
}

/** POSTFIX: a row's program name; Debian's `relay` has a name of its own. */
const programOf = (service: string): string =>
  service === 'relay' ? 'postfix/relay/smtp' : `postfix/${service}`;

function makeService(
  s: PostfixSettings,
  tables: TableRegistry,
  {
    command,
    program,
    read,
    ports,
  }: {
    readonly command: 'smtp' | 'lmtp';
    readonly program: string;
    readonly read: (path: string) => string;
    readonly ports: Omit<RewritingPorts, 'program'>;
  },
): SendService {
  const table = (name: string): TransportTable | undefined => openMaps(s, tables, `${command}_${name}`);
  const tlsPolicyMaps = table('tls_policy_maps');
  const passwordMaps = table('sasl_password_maps');
  const replyFilter = table('reply_filter');
  const statusFilter = table('delivery_status_filter');
  const rewriting = outgoingRewritingOf(s, tables, { command, ports: { ...ports, program } });
  const always = `${command}_connection_cache_destinations`;
  const cached = s.list(always).length === 0 ? undefined : tables.matchList(s, always);
  return {
    settings: clientSettingsOf(s, command),
    ...tlsPartsOf(s, command, read),
    program,
    ...(tlsPolicyMaps === undefined ? {} : { tlsPolicyMaps }),
    ...(passwordMaps === undefined ? {} : { passwordMaps }),
    ...(replyFilter === undefined ? {} : { replyFilter }),
    ...(statusFilter === undefined ? {} : { statusFilter }),
    ...(rewriting === undefined ? {} : { rewrite: rewriting }),
    ...(cached === undefined ? {} : { cacheAlways: (domain: string) => cached.matches({ name: domain }) }),
  };
}

function openMaps(s: PostfixSettings, tables: TableRegistry, name: string): TransportTable | undefined {
  return s.list(name).length === 0 ? undefined : tables.parameter(s, name);
}

const words = (list: readonly string[]): ReadonlySet<string> =>
  new Set(list.map((word) => word.toLowerCase()));

function clientSettingsOf(s: PostfixSettings, protocol: 'smtp' | 'lmtp'): ClientSettings {
  const name = (rest: string): string => `${protocol}_${rest}`;
  const ms = (rest: string): number => s.time(name(rest)) * 1000;
  const hello = protocol === 'lmtp' ? 'lhlo' : 'helo';
  return {
    ...defaultClientSettings(s.string('myhostname')),
    protocol,
    heloName: s.string(name(`${hello}_name`)),
    port: parsePort(s.string(name('tcp_port'))) ?? (protocol === 'lmtp' ? 24 : 25),
    families: familiesOf(s.list('inet_protocols')),
    bindAddress: s.string(name('bind_address')),
    bindAddress6: s.string(name('bind_address6')),
    timeouts: {
      connect: ms('connect_timeout'),
      helo: ms(`${hello}_timeout`),
      mail: ms('mail_timeout'),
      rcpt: ms('rcpt_timeout'),
      dataInit: ms('data_init_timeout'),
      dataXfer: ms('data_xfer_timeout'),
      dataDone: ms('data_done_timeout'),
      quit: ms('quit_timeout'),
      rset: ms('rset_timeout'),
      starttls: ms('starttls_timeout'),
    },
    neverSendEhlo: protocol === 'smtp' && s.bool('smtp_never_send_ehlo'),
    skip5xxGreeting: s.bool(name('skip_5xx_greeting')),
    skipQuitResponse: s.bool(name('skip_quit_response')),
    sendXforward: s.bool(name('send_xforward_command')),
    discardKeywords: words(
      s.list(protocol === 'lmtp' ? 'lmtp_discard_lhlo_keywords' : 'smtp_discard_ehlo_keywords'),
    ),
    lineLengthLimit: s.int(name('line_length_limit')),
    mxAddressLimit: s.int(name('mx_address_limit')),
    mxSessionLimit: s.int(name('mx_session_limit')),
    randomizeAddresses: s.bool(name('randomize_addresses')),
    addressPreference: preferenceOf(s.string(name('address_preference'))),
    deferIfNoMxAddressFound: s.bool(name('defer_if_no_mx_address_found')),
    unixBase: s.string('queue_directory'),
    fallbackRelay: s.list(name('fallback_relay')),
    tlsLevel: clientTlsLevel(s, protocol),
    tlsVerifyMatch: s.list(name('tls_verify_cert_match')).flatMap((item) => item.split(':')),
    tlsSecureMatch: s.list(name('tls_secure_cert_match')).flatMap((item) => item.split(':')),
    tlsLoglevel: s.int(name('tls_loglevel')),
    tlsNoteOffer: s.bool(name('tls_note_starttls_offer')),
    tlsWrappermode: s.bool(name('tls_wrappermode')),
    tlsServername: s.string(name('tls_servername')),
    tlsProtocols: s.string(name('tls_protocols')),
    tlsMandatoryProtocols: s.string(name('tls_mandatory_protocols')),
    tlsCiphers: s.string(name('tls_ciphers')),
    tlsMandatoryCiphers: s.string(name('tls_mandatory_ciphers')),
    tlsExcludeCiphers: s.string(name('tls_exclude_ciphers')),
    tlsMandatoryExcludeCiphers: s.string(name('tls_mandatory_exclude_ciphers')),
    tlsFingerprints: s
      .string(name('tls_fingerprint_cert_match'))
      .split(/[\s,|]+/)
      .filter((print) => print !== ''),
    tlsFingerprintDigest: digestOf(s.string(name('tls_fingerprint_digest'))),
    tlsTrustAnchorFiles: s.list(name('tls_trust_anchor_file')),
    tlsDaneInsecureMxPolicy: insecureMxPolicy(s),
    tlsForceInsecureHostLookup: s.bool(name('tls_force_insecure_host_tlsa_lookup')),
    dnsSupport: dnsSupportOf(s.string(name('dns_support_level'))),
    saslEnabled: s.bool(name('sasl_auth_enable')),
    saslSecurityOptions: words(s.list(name('sasl_security_options'))),
    saslTlsSecurityOptions: words(s.list(name('sasl_tls_security_options'))),
    saslTlsVerifiedSecurityOptions: words(s.list(name('sasl_tls_verified_security_options'))),
    saslMechanismFilter: new Set(
      s
        .string(name('sasl_mechanism_filter'))
        .split(/[\s,]+/)
        .filter((word) => word !== '')
        .map((word) => word.toUpperCase()),
    ),
    saslSoftBounce: s.bool(name('sasl_auth_soft_bounce')),
    senderDependentAuthentication: s.bool(name('sender_dependent_authentication')),
    cacheOnDemand: s.bool(name('connection_cache_on_demand')),
    usesMx:
      lookupsOf(s.list(name('host_lookup'))).has('dns') && s.string(name('dns_support_level')) !== 'disabled',
    bestMxTransport: protocol === 'smtp' ? s.string('best_mx_transport') : '',
    cacheTimeLimit: ms('connection_cache_time_limit'),
    reuseTimeLimit: ms('connection_reuse_time_limit'),
    reuseCountLimit: s.int(name('connection_reuse_count_limit')),
  };
}

function familiesOf(items: readonly string[]): ReadonlySet<4 | 6> {
  const families = new Set<4 | 6>();
  for (const item of items) {
    if (item.toLowerCase() !== 'ipv6') families.add(4);
    if (item.toLowerCase() !== 'ipv4') families.add(6);
  }
  return families.size === 0 ? new Set([4, 6] as const) : families;
}

const preferenceOf = (text: string): ClientSettings['addressPreference'] =>
  text === 'ipv4' || text === 'ipv6' ? text : 'any';

/** Throws for one that this machine's OpenSSL does not know. */
function digestOf(name: string): string {
  const digest = name.toLowerCase();
  if (getHashes().includes(digest)) return digest;
  throw new Error(`the fingerprint digest "${name}" is unknown`);
}

function lookupsOf(list: readonly string[]): ReadonlySet<string> {
  const unknown = list.find((word) => word !== 'dns' && word !== 'native');
  if (unknown === undefined) return new Set(list);
  throw new Error(`smtp_host_lookup: "${unknown}" is neither dns nor native`);
}

function insecureMxPolicy(s: PostfixSettings): ClientSettings['tlsDaneInsecureMxPolicy'] {
  const word = s.string('smtp_tls_dane_insecure_mx_policy');
  if (word === 'dane' || word === 'encrypt' || word === 'may') return word;
  throw new Error(`smtp_tls_dane_insecure_mx_policy = ${word} is none of dane, encrypt and may`);
}

function dnsSupportOf(word: string): ClientSettings['dnsSupport'] {
  if (word === '') return 'enabled';
  if (word === 'disabled' || word === 'enabled' || word === 'dnssec') return word;
  throw new Error(`smtp_dns_support_level = ${word} is none of disabled, enabled and dnssec`);
}

/** POSTFIX: the level overrides `smtp_use_tls` and `smtp_enforce_tls`; the latter with `smtp_tls_enforce_peername`. */
function clientTlsLevel(s: PostfixSettings, protocol: 'smtp' | 'lmtp'): TlsLevel {
  const written = s.string(`${protocol}_tls_security_level`);
  if (written !== '') {
    const reading = parseTlsLevel(written);
    if (reading.kind === 'level') return reading.level;
    throw new Error(`${protocol}_tls_security_level = ${written} is no level of TLS security`);
  }
  if (s.bool(`${protocol}_enforce_tls`))
    return s.bool(`${protocol}_tls_enforce_peername`) ? 'verify' : 'encrypt';
  return s.bool(`${protocol}_use_tls`) ? 'may' : 'none';
}

/** `address_verify_`: those by which probes are routed. */
export function transportRulesOf(
  { postfix: s, tables }: LoadedConfiguration,
  prefix: '' | 'address_verify_' = '',
): TransportRules {
  const table = (name: string): TransportTable | undefined => openMaps(s, tables, prefix + name);
  const text = (name: string): string => s.string(prefix + name);
  const transportMaps = table('transport_maps');
  const senderRelayhosts = table('sender_dependent_relayhost_maps');
  const senderTransports = table('sender_dependent_default_transport_maps');
  return {
    relayhost: text('relayhost'),
    defaultTransport: text('default_transport'),
    relayTransport: text('relay_transport'),
    virtualTransport: text('virtual_transport'),
    recipientDelimiter: s.string('recipient_delimiter'),
    ...(transportMaps === undefined ? {} : { transportMaps }),
    ...(senderRelayhosts === undefined ? {} : { senderDependentRelayhostMaps: senderRelayhosts }),
    ...(senderTransports === undefined ? {} : { senderDependentDefaultTransportMaps: senderTransports }),
  };
}
