// The settings of one SMTP listener: main.cf's parameters with master.cf's overrides applied, as typed values.
// Names and defaults are Postfix's (camel case); durations are milliseconds. The composition root fills the
// record from the parsed configuration; nothing here reads files.

import { type ClientRateLimits, NO_RATE_LIMITS } from './client-limits.ts';
import type { AccessTable, MilterMacros, MilterSession, PolicyService } from './ports.ts';
import { type AccessSettings, DEFAULT_ACCESS_SETTINGS } from './access-settings.ts';

export interface RestrictionItem {
  readonly word: string;
  /** The word's argument (`reject_rbl_client zen.example`), already expanded. */
  readonly argument?: string;
  /** Of a `check_…_access`. */
  readonly table?: AccessTable;
  /** Of a `check_policy_service`. */
  readonly policy?: PolicyService;
  readonly origin: Origin;
}

export interface Origin {
  readonly file: string;
  readonly line: number;
}

export interface RestrictionLists {
  readonly client: readonly RestrictionItem[];
  readonly helo: readonly RestrictionItem[];
  readonly sender: readonly RestrictionItem[];
  readonly relay: readonly RestrictionItem[];
  readonly recipient: readonly RestrictionItem[];
  readonly data: readonly RestrictionItem[];
  readonly endOfData: readonly RestrictionItem[];
  readonly etrn: readonly RestrictionItem[];
}

export type SaslSecurityOption =
  | 'noplaintext'
  | 'noanonymous'
  | 'noactive'
  | 'nodictionary'
  | 'forward_secrecy'
  | 'mutual_auth';

export interface SmtpSettings extends AccessSettings {
  /** Program in log lines: `postfix/smtpd`, or `postfix/submission/smtpd` under `-o syslog_name`. */
  readonly program: string;
  readonly myhostname: string;
  readonly mailName: string;
  /** `smtpd_banner`, expanded. */
  readonly banner: string;

  readonly restrictions: RestrictionLists;
  readonly delayReject: boolean;
  readonly relayBeforeRecipientRestrictions: boolean;
  readonly rejectUnlistedRecipient: boolean;
  readonly rejectUnlistedSender: boolean;
  /** Words that an access table answers with, classes replaced by what they hold. */
  readonly parseRestrictions: (text: string) => readonly RestrictionItem[];
  /** `$name` and `${name?text}` of a template; undefined when it is malformed. */
  readonly expandTemplate: (template: string, values: ReadonlyMap<string, string>) => string | undefined;
  /** Whether `parent_domain_matches_subdomains` names smtpd_access_maps. */
  readonly parentsMatch: boolean;
  /** `smtpd_null_access_lookup_key`. */
  readonly nullAccessLookupKey: string;
  readonly senderLoginMaps: AccessTable | undefined;
  readonly defaultRblReply: string;
  readonly rblReplyMaps: AccessTable | undefined;
  readonly recipientDelimiter: string;
  readonly myorigin: string;
  /** `stress`, as policy servers are told. */
  readonly stress: string;
  /** `permit_inet_interfaces`: an address of this machine that receives mail. */
  readonly isOwnAddress: (address: string) => boolean;
  readonly heloRequired: boolean;
  readonly disableVrfyCommand: boolean;
  readonly strictRfc821Envelopes: boolean;
  readonly allowUntrustedRouting: boolean;
  readonly allowPercentHack: boolean;
  readonly swapBangpath: boolean;
  readonly peernameLookup: boolean;
  readonly softBounce: boolean;
  /** Connections an address may have to one listener; 0: any number. POSTFIX: smtpd_client_connection_count_limit. */
  readonly clientConnectionCountLimit: number;
  /** POSTFIX: smtpd_client_event_limit_exceptions. */
  readonly isClientLimitException: (address: string, name?: string) => boolean;
  readonly rateLimits: ClientRateLimits;
  /** `smtpd_upstream_proxy_protocol`. */
  readonly upstreamProxy: 'none' | 'haproxy';
  readonly upstreamProxyTimeout: number;
  /** `smtpd_authorized_xclient_hosts`, `smtpd_authorized_xforward_hosts`: by address. */
  readonly isXclientHost: (address: string) => boolean;
  readonly isXforwardHost: (address: string) => boolean;
  /** `smtpd_reject_footer`, unexpanded; empty: none. */
  readonly rejectFooter: string;
  /** Whether an address is in `mynetworks`; see `compileNetworks`. */
  readonly isMyNetwork: (address: string) => boolean;

  /** `none`: no TLS; `may`: STARTTLS offered; `encrypt`: required before mail (`smtpd_enforce_tls`). */
  readonly tlsSecurityLevel: 'none' | 'may' | 'encrypt';
  /** Implicit TLS from the first octet (submissions, smtps). */
  readonly tlsWrappermode: boolean;
  readonly tlsAuthOnly: boolean;
  readonly tlsReceivedHeader: boolean;
  readonly tlsLoglevel: number;

  readonly saslAuthEnable: boolean;
  readonly saslSecurityOptions: ReadonlySet<SaslSecurityOption>;
  readonly saslTlsSecurityOptions: ReadonlySet<SaslSecurityOption>;
  readonly saslAuthenticatedHeader: boolean;
  /** POSTFIX: with `smtpd_sasl_type = dovecot` it changes nothing; kept so that it can be shown. */
  readonly saslLocalDomain: string;
  readonly brokenSaslAuthClients: boolean;
  readonly isSaslException: (address: string) => boolean;
  readonly saslResponseLimit: number;
  /** Failed attempts in one session after which it is ended; Postfix knows no such limit. */
  readonly saslAttemptLimit: number;

  /** Keywords not to announce, lower case (`smtpd_discard_ehlo_keywords`). */
  readonly discardEhloKeywords: ReadonlySet<string>;
  /** `smtpd_discard_ehlo_keyword_address_maps`: in place of the former for an address that is listed. */
  readonly discardEhloKeywordsFor?: (address: string) => ReadonlySet<string> | undefined;
  readonly smtputf8Enable: boolean;
  readonly forbiddenCommands: ReadonlySet<string>;
  /** POSTFIX: `regexp:{{/^[^A-Z]/ Bogus}}` in the same list: what does not begin with a letter. */
  readonly forbidOddCommands: boolean;
  readonly noopCommands: ReadonlySet<string>;

  /** 0: no limit. */
  readonly messageSizeLimit: number;
  readonly lineLengthLimit: number;
  readonly hopcountLimit: number;
  readonly recipientLimit: number;
  readonly recipientOvershootLimit: number;
  readonly softErrorLimit: number;
  readonly hardErrorLimit: number;
  readonly errorSleepTime: number;
  readonly junkCommandLimit: number;
  readonly timeout: number;
  readonly starttlsTimeout: number;
  readonly forbidUnauthPipelining: boolean;
  /** `normalize`: CRLF goes on in place of a bare LF; `reject`: 550 5.5.2. Only CRLF.CRLF ends DATA in either. */
  readonly forbidBareNewline: 'normalize' | 'reject';
  readonly forbidBareNewlineRejectCode: number;

  /** Clients whose messages get missing header fields: words as in `local_header_rewrite_clients`. */
  readonly localHeaderRewriteClients: readonly string[];
  /** `check_address_map` of `local_header_rewrite_clients`. */
  isLocalHeaderAddress(address: string): boolean;

  /** The filters of a client's session, `smtpd_milters` or what `smtpd_milter_maps` says; absent: there are none. */
  readonly openMilters?: (
    client: string,
    facts: { readonly macros: MilterMacros; readonly warn: (text: string) => void },
  ) => Promise<MilterSession | undefined>;
  /** `milter_macro_daemon_name`, `milter_macro_v`. */
  readonly milterDaemonName: string;
  readonly milterVersion: string;

  readonly codes: RejectCodes;
}

/** The `*_reject_code` parameters. */
export interface RejectCodes {
  readonly reject: number;
  readonly defer: number;
  readonly accessMapReject: number;
  readonly accessMapDefer: number;
  readonly relayDomains: number;
  readonly invalidHostname: number;
  readonly nonFqdn: number;
  readonly unknownAddress: number;
  readonly unknownClient: number;
  readonly unknownHostname: number;
  readonly mapsRbl: number;
  readonly plaintext: number;
  readonly unknownLocalRecipient: number;
  readonly unknownRelayRecipient: number;
  readonly unknownVirtualAlias: number;
  readonly unknownVirtualMailbox: number;
  readonly multiRecipientBounce: number;
}

export const DEFAULT_REJECT_CODES: RejectCodes = {
  reject: 554,
  defer: 450,
  accessMapReject: 554,
  accessMapDefer: 450,
  relayDomains: 554,
  invalidHostname: 501,
  nonFqdn: 504,
  unknownAddress: 450,
  unknownClient: 450,
  unknownHostname: 450,
  mapsRbl: 554,
  plaintext: 450,
  unknownLocalRecipient: 550,
  unknownRelayRecipient: 550,
  unknownVirtualAlias: 550,
  unknownVirtualMailbox: 550,
  multiRecipientBounce: 550,
};

const BUILT_IN: Origin = { file: '(default)', line: 0 };

/** `smtpd_relay_restrictions` from compatibility level 1 on. */
export const DEFAULT_RELAY_RESTRICTIONS: readonly RestrictionItem[] = [
  { word: 'permit_mynetworks', origin: BUILT_IN },
  { word: 'permit_sasl_authenticated', origin: BUILT_IN },
  { word: 'defer_unauth_destination', origin: BUILT_IN },
];

export const DEFAULT_RBL_REPLY =
  '$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}';

/** Without a configuration there are no classes. */
function wordsAlone(text: string): readonly RestrictionItem[] {
  return text
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .map((word) => ({ word: word.toLowerCase(), origin: BUILT_IN }));
}

/** `$name` and `${name?text}`, once: what the built-in template needs. */
function namesAlone(template: string, values: ReadonlyMap<string, string>): string {
  const named = (text: string): string =>
    text.replace(/\$([a-z_]+)/g, (_, name: string) => values.get(name) ?? '');
  return named(
    template.replace(/\$\{([a-z_]+)\?([^}]*)\}/g, (_, name: string, text: string) =>
      (values.get(name) ?? '') === '' ? '' : text,
    ),
  );
}

/** Postfix's defaults at the newest compatibility level; `myhostname` is all that has none. */
export function defaultSmtpSettings(myhostname: string): SmtpSettings {
  return {
    ...DEFAULT_ACCESS_SETTINGS,
    program: 'postfix/smtpd',
    myhostname,
    mailName: 'Postcote',
    banner: `${myhostname} ESMTP Postcote`,
    restrictions: {
      client: [],
      helo: [],
      sender: [],
      relay: DEFAULT_RELAY_RESTRICTIONS,
      recipient: [],
      data: [],
      endOfData: [],
      etrn: [],
    },
    delayReject: true,
    relayBeforeRecipientRestrictions: true,
    rejectUnlistedRecipient: true,
    rejectUnlistedSender: false,
    parseRestrictions: wordsAlone,
    expandTemplate: namesAlone,
    parentsMatch: true,
    nullAccessLookupKey: '<>',
    senderLoginMaps: undefined,
    defaultRblReply: DEFAULT_RBL_REPLY,
    rblReplyMaps: undefined,
    recipientDelimiter: '',
    myorigin: myhostname,
    stress: '',
    isOwnAddress: () => false,
    heloRequired: false,
    disableVrfyCommand: false,
    strictRfc821Envelopes: false,
    allowUntrustedRouting: false,
    allowPercentHack: true,
    swapBangpath: true,
    peernameLookup: true,
    softBounce: false,
    isMyNetwork: () => false,
    tlsSecurityLevel: 'none',
    tlsWrappermode: false,
    tlsAuthOnly: false,
    tlsReceivedHeader: false,
    tlsLoglevel: 0,
    saslAuthEnable: false,
    saslSecurityOptions: new Set(['noanonymous']),
    saslTlsSecurityOptions: new Set(['noanonymous']),
    saslAuthenticatedHeader: false,
    saslLocalDomain: '',
    brokenSaslAuthClients: false,
    isSaslException: () => false,
    saslResponseLimit: 12_288,
    saslAttemptLimit: 20,
    discardEhloKeywords: new Set(),
    smtputf8Enable: true,
    forbiddenCommands: new Set(['CONNECT', 'GET', 'POST']),
    forbidOddCommands: true,
    noopCommands: new Set(),
    clientConnectionCountLimit: 50,
    isClientLimitException: () => false,
    rateLimits: NO_RATE_LIMITS,
    upstreamProxy: 'none',
    upstreamProxyTimeout: 5000,
    isXclientHost: () => false,
    isXforwardHost: () => false,
    rejectFooter: '',
    messageSizeLimit: 10_240_000,
    lineLengthLimit: 2048,
    hopcountLimit: 50,
    recipientLimit: 1000,
    recipientOvershootLimit: 1000,
    softErrorLimit: 10,
    hardErrorLimit: 20,
    errorSleepTime: 1000,
    junkCommandLimit: 100,
    timeout: 300_000,
    starttlsTimeout: 300_000,
    forbidUnauthPipelining: false,
    forbidBareNewline: 'normalize',
    forbidBareNewlineRejectCode: 550,
    localHeaderRewriteClients: ['permit_inet_interfaces'],
    isLocalHeaderAddress: () => false,
    milterDaemonName: myhostname,
    milterVersion: 'Postcote',
    codes: DEFAULT_REJECT_CODES,
  };
}
