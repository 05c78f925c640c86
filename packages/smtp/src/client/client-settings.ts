// What the sending side is set to: main.cf's smtp_… (or lmtp_…) parameters with one service's overrides, as values.
// Times are milliseconds.

export type TlsLevel =
  | 'none'
  | 'may'
  | 'encrypt'
  | 'fingerprint'
  | 'dane'
  | 'dane-only'
  | 'verify'
  | 'secure';

export interface PhaseTimeouts {
  readonly connect: number;
  readonly helo: number;
  readonly mail: number;
  readonly rcpt: number;
  readonly dataInit: number;
  readonly dataXfer: number;
  readonly dataDone: number;
  readonly quit: number;
  readonly rset: number;
  readonly starttls: number;
}

export interface ClientSettings {
  readonly protocol: 'smtp' | 'lmtp';
  readonly myhostname: string;
  /** smtp_helo_name, lmtp_lhlo_name. */
  readonly heloName: string;
  /** smtp_tcp_port, lmtp_tcp_port. */
  readonly port: number;
  readonly families: ReadonlySet<4 | 6>;
  /** smtp_bind_address, smtp_bind_address6; empty for none. */
  readonly bindAddress: string;
  readonly bindAddress6: string;
  readonly timeouts: PhaseTimeouts;
  readonly neverSendEhlo: boolean;
  readonly skip5xxGreeting: boolean;
  readonly skipQuitResponse: boolean;
  /** smtp_send_xforward_command. */
  readonly sendXforward: boolean;
  /** smtp_discard_ehlo_keywords, in lower case. */
  readonly discardKeywords: ReadonlySet<string>;
  readonly lineLengthLimit: number;
  readonly mxAddressLimit: number;
  readonly mxSessionLimit: number;
  readonly randomizeAddresses: boolean;
  readonly addressPreference: 'any' | 'ipv4' | 'ipv6';
  readonly deferIfNoMxAddressFound: boolean;
  /** Where relative names of unix sockets begin: queue_directory. */
  readonly unixBase: string;
  /** Hosts asked when no host of the destination answers (smtp_fallback_relay). */
  readonly fallbackRelay: readonly string[];

  readonly tlsLevel: TlsLevel;
  readonly tlsVerifyMatch: readonly string[];
  readonly tlsSecureMatch: readonly string[];
  readonly tlsLoglevel: number;
  readonly tlsNoteOffer: boolean;
  readonly tlsWrappermode: boolean;
  readonly tlsServername: string;
  /** smtp_tls_protocols, smtp_tls_ciphers, smtp_tls_exclude_ciphers and their mandatory_ kin. */
  readonly tlsProtocols: string;
  readonly tlsMandatoryProtocols: string;
  readonly tlsCiphers: string;
  readonly tlsMandatoryCiphers: string;
  readonly tlsExcludeCiphers: string;
  readonly tlsMandatoryExcludeCiphers: string;
  /** smtp_tls_fingerprint_cert_match, smtp_tls_fingerprint_digest. */
  readonly tlsFingerprints: readonly string[];
  readonly tlsFingerprintDigest: string;
  readonly tlsTrustAnchorFiles: readonly string[];
  /** smtp_tls_dane_insecure_mx_policy, smtp_tls_force_insecure_host_tlsa_lookup. */
  readonly tlsDaneInsecureMxPolicy: 'dane' | 'encrypt' | 'may';
  readonly tlsForceInsecureHostLookup: boolean;
  /** smtp_dns_support_level. */
  readonly dnsSupport: 'disabled' | 'enabled' | 'dnssec';

  readonly saslEnabled: boolean;
  readonly saslSecurityOptions: ReadonlySet<string>;
  readonly saslTlsSecurityOptions: ReadonlySet<string>;
  readonly saslTlsVerifiedSecurityOptions: ReadonlySet<string>;
  /** smtp_sasl_mechanism_filter: mechanisms in upper case; empty for all. */
  readonly saslMechanismFilter: ReadonlySet<string>;
  readonly saslSoftBounce: boolean;
  readonly senderDependentAuthentication: boolean;

  /** smtp_connection_cache_on_demand: sessions are kept while another message waits for the same next hop. */
  readonly cacheOnDemand: boolean;
  /** smtp_host_lookup names `dns`, and smtp_dns_support_level is not `disabled`: MX records count. */
  readonly usesMx: boolean;
  /** best_mx_transport: who takes mail of which we are the best exchange; empty for nobody. */
  readonly bestMxTransport: string;

  /** Milliseconds an unused session is kept for the next message, and may be used altogether. */
  readonly cacheTimeLimit: number;
  readonly reuseTimeLimit: number;
  /** 0 for no limit. */
  readonly reuseCountLimit: number;
}

const SECOND = 1000;

export function defaultClientSettings(myhostname: string): ClientSettings {
  return {
    protocol: 'smtp',
    myhostname,
    heloName: myhostname,
    port: 25,
    families: new Set([4, 6] as const),
    bindAddress: '',
    bindAddress6: '',
    timeouts: {
      connect: 30 * SECOND,
      helo: 300 * SECOND,
      mail: 300 * SECOND,
      rcpt: 300 * SECOND,
      dataInit: 120 * SECOND,
      dataXfer: 180 * SECOND,
      dataDone: 600 * SECOND,
      quit: 300 * SECOND,
      rset: 20 * SECOND,
      starttls: 300 * SECOND,
    },
    neverSendEhlo: false,
    skip5xxGreeting: true,
    skipQuitResponse: true,
    sendXforward: false,
    discardKeywords: new Set(),
    lineLengthLimit: 998,
    mxAddressLimit: 5,
    mxSessionLimit: 2,
    randomizeAddresses: true,
    addressPreference: 'any',
    deferIfNoMxAddressFound: false,
    unixBase: '/var/spool/postfix',
    fallbackRelay: [],
    tlsLevel: 'none',
    tlsVerifyMatch: ['hostname'],
    tlsSecureMatch: ['nexthop', 'dot-nexthop'],
    tlsLoglevel: 0,
    tlsNoteOffer: false,
    tlsWrappermode: false,
    tlsServername: '',
    tlsProtocols: '>=TLSv1',
    tlsMandatoryProtocols: '>=TLSv1',
    tlsCiphers: 'medium',
    tlsMandatoryCiphers: 'medium',
    tlsExcludeCiphers: '',
    tlsMandatoryExcludeCiphers: '',
    tlsFingerprints: [],
    tlsFingerprintDigest: 'sha256',
    tlsTrustAnchorFiles: [],
    tlsDaneInsecureMxPolicy: 'dane',
    tlsForceInsecureHostLookup: false,
    dnsSupport: 'enabled',
    saslEnabled: false,
    saslSecurityOptions: new Set(['noplaintext', 'noanonymous']),
    saslTlsSecurityOptions: new Set(['noplaintext', 'noanonymous']),
    saslTlsVerifiedSecurityOptions: new Set(['noplaintext', 'noanonymous']),
    saslMechanismFilter: new Set(),
    saslSoftBounce: true,
    senderDependentAuthentication: false,
    cacheOnDemand: true,
    usesMx: true,
    bestMxTransport: '',
    cacheTimeLimit: 2 * SECOND,
    reuseTimeLimit: 300 * SECOND,
    reuseCountLimit: 0,
  };
}
