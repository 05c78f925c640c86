// The parameters that code asks for all the time, as one typed object settled once: each name in camelCase
// (`smtpd_helo_required` → `smtpdHeloRequired`, `smtpd_tls_CAfile` → `smtpdTlsCAfile`). Times are in seconds.
// Everything else is there by name on `PostfixSettings`.

import type { Restriction } from './restrictions.ts';

const bools = [
  'allow_min_user',
  'allow_percent_hack',
  'allow_untrusted_routing',
  'append_at_myorigin',
  'append_dot_mydomain',
  'biff',
  'broken_sasl_auth_clients',
  'disable_vrfy_command',
  'enable_long_queue_ids',
  'enable_original_recipient',
  'expand_owner_alias',
  'owner_request_special',
  'require_home_directory',
  'reset_owner_alias',
  'resolve_dequoted_address',
  'resolve_null_domain',
  'resolve_numeric_domain',
  'respectful_logging',
  'smtp_sasl_auth_enable',
  'smtp_tls_note_starttls_offer',
  'smtp_use_tls',
  'smtpd_client_port_logging',
  'smtpd_delay_open_until_valid_rcpt',
  'smtpd_delay_reject',
  'smtpd_enforce_tls',
  'smtpd_forbid_unauth_pipelining',
  'smtpd_helo_required',
  'smtpd_peername_lookup',
  'smtpd_reject_unlisted_recipient',
  'smtpd_reject_unlisted_sender',
  'smtpd_relay_before_recipient_restrictions',
  'smtpd_sasl_auth_enable',
  'smtpd_sasl_authenticated_header',
  'smtpd_tls_ask_ccert',
  'smtpd_tls_auth_only',
  'smtpd_tls_received_header',
  'smtpd_tls_req_ccert',
  'smtpd_tls_wrappermode',
  'smtpd_use_tls',
  'smtputf8_enable',
  'soft_bounce',
  'strict_7bit_headers',
  'strict_8bitmime',
  'strict_8bitmime_body',
  'strict_mailbox_ownership',
  'strict_mime_encoding_domain',
  'strict_rfc821_envelopes',
  'strict_smtputf8',
  'swap_bangpath',
] as const;

const ints = [
  'access_map_defer_code',
  'access_map_reject_code',
  'default_destination_concurrency_limit',
  'default_destination_recipient_limit',
  'default_process_limit',
  'defer_code',
  'duplicate_filter_limit',
  'header_address_token_limit',
  'header_size_limit',
  'hopcount_limit',
  'initial_destination_concurrency',
  'invalid_hostname_reject_code',
  'line_length_limit',
  'local_destination_concurrency_limit',
  'mailbox_size_limit',
  'maps_rbl_reject_code',
  'message_size_limit',
  'multi_recipient_bounce_reject_code',
  'non_fqdn_reject_code',
  'plaintext_reject_code',
  'qmgr_message_active_limit',
  'queue_minfree',
  'reject_code',
  'relay_domains_reject_code',
  'smtp_line_length_limit',
  'smtpd_client_auth_rate_limit',
  'smtpd_client_connection_count_limit',
  'smtpd_client_connection_rate_limit',
  'smtpd_client_message_rate_limit',
  'smtpd_client_new_tls_session_rate_limit',
  'smtpd_client_recipient_rate_limit',
  'smtpd_hard_error_limit',
  'smtpd_junk_command_limit',
  'smtpd_recipient_limit',
  'smtpd_recipient_overshoot_limit',
  'smtpd_sasl_response_limit',
  'smtpd_soft_error_limit',
  'smtpd_tls_ccert_verifydepth',
  'smtpd_tls_loglevel',
  'unknown_address_reject_code',
  'unknown_client_reject_code',
  'unknown_hostname_reject_code',
  'unknown_local_recipient_reject_code',
  'unknown_relay_recipient_reject_code',
  'unknown_virtual_alias_reject_code',
  'unknown_virtual_mailbox_reject_code',
  'virtual_alias_address_length_limit',
  'virtual_alias_expansion_limit',
  'virtual_alias_recursion_limit',
  'virtual_mailbox_limit',
] as const;

const times = [
  'bounce_queue_lifetime',
  'command_time_limit',
  'delay_warning_time',
  'maximal_backoff_time',
  'maximal_queue_lifetime',
  'minimal_backoff_time',
  'queue_run_delay',
  'smtpd_error_sleep_time',
  'smtpd_policy_service_timeout',
  'smtpd_starttls_timeout',
  'smtpd_timeout',
] as const;

const strings = [
  'always_bcc',
  'compatibility_level',
  'default_transport',
  'double_bounce_sender',
  'empty_address_recipient',
  'fallback_transport',
  'forward_path',
  'home_mailbox',
  'local_transport',
  'luser_relay',
  'mail_name',
  'mail_spool_directory',
  'mail_version',
  'mailbox_command',
  'mailbox_transport',
  'mydomain',
  'myhostname',
  'myorigin',
  'queue_directory',
  'recipient_delimiter',
  'relay_transport',
  'relayhost',
  'smtp_helo_name',
  'smtp_tls_security_level',
  'smtpd_banner',
  'smtpd_forbid_bare_newline',
  'smtpd_sasl_local_domain',
  'smtpd_sasl_path',
  'smtpd_sasl_type',
  'smtpd_tls_CAfile',
  'smtpd_tls_CApath',
  'smtpd_tls_cert_file',
  'smtpd_tls_ciphers',
  'smtpd_tls_key_file',
  'smtpd_tls_mandatory_ciphers',
  'smtpd_tls_security_level',
  'smtpd_upstream_proxy_protocol',
  'syslog_name',
  'virtual_transport',
] as const;

const lists = [
  'alias_maps',
  'inet_interfaces',
  'inet_protocols',
  'local_header_rewrite_clients',
  'local_recipient_maps',
  'mydestination',
  'mynetworks',
  'parent_domain_matches_subdomains',
  'proxy_interfaces',
  'relay_domains',
  'relay_recipient_maps',
  'smtpd_authorized_xclient_hosts',
  'smtpd_authorized_xforward_hosts',
  'smtpd_client_event_limit_exceptions',
  'smtpd_discard_ehlo_keyword_address_maps',
  'smtpd_discard_ehlo_keywords',
  'smtpd_forbidden_commands',
  'smtpd_noop_commands',
  'smtpd_restriction_classes',
  'smtpd_sasl_exceptions_networks',
  'smtpd_sasl_mechanism_filter',
  'smtpd_sasl_security_options',
  'smtpd_sasl_tls_security_options',
  'smtpd_tls_chain_files',
  'smtpd_tls_mandatory_protocols',
  'smtpd_tls_protocols',
  'transport_maps',
  'virtual_alias_domains',
  'virtual_alias_maps',
  'virtual_mailbox_domains',
  'virtual_mailbox_maps',
] as const;

const restrictionLists = [
  'smtpd_client_restrictions',
  'smtpd_data_restrictions',
  'smtpd_end_of_data_restrictions',
  'smtpd_etrn_restrictions',
  'smtpd_helo_restrictions',
  'smtpd_recipient_restrictions',
  'smtpd_relay_restrictions',
  'smtpd_sender_restrictions',
] as const;

type Camel<Name extends string> = Name extends `${infer Head}_${infer Rest}`
  ? `${Head}${Capitalize<Camel<Rest>>}`
  : Name;

type Fields<Names extends readonly string[], Value> = {
  readonly [Name in Names[number] as Camel<Name>]: Value;
};

export type KnownSettings = Fields<typeof bools, boolean> &
  Fields<typeof ints | typeof times, number> &
  Fields<typeof strings, string> &
  Fields<typeof lists, readonly string[]> &
  Fields<typeof restrictionLists, readonly Restriction[]>;

/** The accessors the object is settled from. */
export interface ByName {
  bool(name: string): boolean;
  int(name: string): number;
  time(name: string): number;
  string(name: string): string;
  list(name: string): readonly string[];
  restrictions(name: string): readonly Restriction[];
}

export function settleKnownSettings(source: ByName): KnownSettings {
  const settled = new Map<string, unknown>();
  const settle = <Value>(names: readonly string[], read: (name: string) => Value): void => {
    for (const name of names) settled.set(camelCase(name), read(name));
  };
  settle(bools, (name) => source.bool(name));
  settle(ints, (name) => source.int(name));
  settle(times, (name) => source.time(name));
  settle(strings, (name) => source.string(name));
  settle(lists, (name) => source.list(name));
  settle(restrictionLists, (name) => source.restrictions(name));
  return Object.freeze(Object.fromEntries(settled)) as unknown as KnownSettings;
}

export function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, first: string) => first.toUpperCase());
}

export const restrictionListNames: readonly string[] = restrictionLists;
