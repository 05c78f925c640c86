// Which parameters change what the server does, and one honest sentence for each group of those that do not. A name
// moves into `honouredParameters` when the code that follows it is there.

/** Grouped by who follows them. */
const honouredByGroup: Readonly<Record<string, string>> = {
  configuration: `compatibility_level config_directory mail_name mail_version maillog_file myhostname mydomain myorigin mynetworks
    mynetworks_style inet_interfaces inet_protocols parent_domain_matches_subdomains smtpd_restriction_classes
    syslog_name syslog_facility process_name service_name stress multi_instance_name default_database_type soft_bounce`,
  session: `broken_sasl_auth_clients disable_vrfy_command smtpd_banner smtpd_client_port_logging smtpd_delay_reject
    smtpd_discard_ehlo_keywords smtpd_error_sleep_time smtpd_forbid_bare_newline smtpd_forbid_unauth_pipelining
    smtpd_hard_error_limit smtpd_helo_required smtpd_junk_command_limit smtpd_peername_lookup smtpd_recipient_limit
    smtpd_recipient_overshoot_limit smtpd_soft_error_limit smtpd_starttls_timeout smtpd_timeout line_length_limit
    message_size_limit hopcount_limit header_size_limit smtputf8_enable strict_rfc821_envelopes queue_minfree
    smtpd_reject_unlisted_recipient smtpd_client_connection_count_limit`,
  tls: `smtpd_enforce_tls smtpd_tls_auth_only smtpd_tls_cert_file smtpd_tls_chain_files smtpd_tls_ciphers
    smtpd_tls_key_file smtpd_tls_loglevel smtpd_tls_mandatory_ciphers smtpd_tls_mandatory_protocols
    smtpd_tls_protocols smtpd_tls_received_header smtpd_tls_security_level smtpd_tls_wrappermode smtpd_use_tls`,
  sasl: `smtpd_sasl_auth_enable smtpd_sasl_authenticated_header smtpd_sasl_exceptions_networks
    smtpd_sasl_local_domain smtpd_sasl_mechanism_filter smtpd_sasl_response_limit smtpd_sasl_security_options
    smtpd_sasl_tls_security_options`,
  restrictions: `smtpd_client_restrictions smtpd_data_restrictions smtpd_end_of_data_restrictions
    smtpd_helo_restrictions smtpd_recipient_restrictions smtpd_relay_restrictions smtpd_sender_restrictions
    smtpd_relay_before_recipient_restrictions smtpd_reject_unlisted_sender
    access_map_defer_code access_map_reject_code defer_code invalid_hostname_reject_code maps_rbl_reject_code
    multi_recipient_bounce_reject_code non_fqdn_reject_code plaintext_reject_code reject_code relay_domains_reject_code
    unknown_address_reject_code unknown_client_reject_code unknown_hostname_reject_code
    unknown_local_recipient_reject_code unknown_relay_recipient_reject_code unknown_virtual_alias_reject_code
    unknown_virtual_mailbox_reject_code`,
  addresses: `alias_database alias_maps allow_mail_to_commands allow_mail_to_files append_at_myorigin append_dot_mydomain
    double_bounce_sender duplicate_filter_limit empty_address_recipient expand_owner_alias forward_path
    local_recipient_maps mydestination owner_request_special proxy_interfaces recipient_delimiter relay_domains
    relay_recipient_maps reset_owner_alias virtual_alias_domains virtual_alias_expansion_limit virtual_alias_maps
    virtual_alias_recursion_limit virtual_alias_address_length_limit virtual_mailbox_domains virtual_mailbox_maps
    enable_original_recipient prepend_delivered_header`,
  delivery: `home_mailbox mailbox_size_limit mail_spool_directory`,
  queue: `maximal_backoff_time maximal_queue_lifetime minimal_backoff_time queue_run_delay bounce_queue_lifetime
    enable_long_queue_ids`,
};

export const honouredParameters: ReadonlySet<string> = new Set(
  Object.values(honouredByGroup).flatMap((names) => names.split(/\s+/)),
);

interface Group {
  readonly names: RegExp;
  readonly message: string;
  /** It decides what is let in or who may use the server: ignoring it would open what its author closed. */
  readonly mustRefuse?: boolean;
}

/** The first group that fits speaks. */
const GROUPS: readonly Group[] = [
  {
    names: /^smtpd_sasl_(path|type|application_name|service)$|^cyrus_sasl_config_path$/,
    message: 'passwords are checked in-process against the system accounts; no outside SASL service is asked',
  },
  {
    names: /^(smtpd_milters|smtpd_milter_maps|content_filter|smtpd_proxy_filter|smtpd_command_filter)$/,
    message: 'filters are not called yet, and mail would come in unfiltered; remove this line to run without',
    mustRefuse: true,
  },
  {
    names: /^(header|mime_header|nested_header|body)_checks$/,
    message:
      'content checks are not made yet, and mail would come in unchecked; remove this line to run without',
    mustRefuse: true,
  },
  {
    names: /^smtpd_upstream_proxy_protocol$/,
    message:
      "the proxy's header is not read, and every client would have the proxy's address; remove this line to run without",
    mustRefuse: true,
  },
  {
    names: /^smtpd_tls_req_ccert$/,
    message: 'client certificates are not asked for; remove this line to run without',
    mustRefuse: true,
  },
  { names: /milter/, message: 'filters are not called yet' },
  { names: /^postscreen_|^dnsblog_/, message: 'postscreen is not run; its port is served by smtpd directly' },
  {
    names:
      /^(smtp|lmtp|relay|default|initial)_|^relayhost$|^fallback_relay$|^sender_dependent_|^tls_|^tlsproxy_|transport|^best_mx|^qmgr_|^defer_transports$/,
    message: 'mail for other servers is not sent yet; it waits in the queue',
  },
  {
    names: /canonical|masquerade|generic|_bcc|relocated|rewrite|^propagate_/,
    message: 'addresses are not rewritten by this',
  },
  {
    names: /^(mailbox_|fallback_|luser_relay|local_|virtual_|command_|mail_owner|default_privs|require_home)/,
    message: "local mail goes to each user's home_mailbox; this has no effect on it",
  },
  {
    names: /notice_recipient|^notify_classes$|bounce|^delay_/,
    message: 'bounces and notices are not sent yet',
  },
  { names: /^(smtpd_client_|anvil_).*(limit|rate|time_unit)/, message: 'this limit is not kept yet' },
  { names: /^smtpd_tls_/, message: 'TLS follows its own safe defaults here' },
  {
    names: /_directory$|_path$|^setgid_group$|^mail_owner$|^meta_|^shlib_|^data_directory$/,
    message: 'this names a place in a Postfix installation; nothing here uses it',
  },
  {
    names: /^smtpd_|^strict_|^disable_|^resolve_|^unknown_|^unverified_|^address_verify_/,
    message: 'this is not followed yet',
  },
];

const OTHERS: Group = { names: /(?:)/, message: 'this has no effect' };

/** What happens instead. */
export function explainNotHonoured(name: string): { readonly message: string; readonly mustRefuse: boolean } {
  const group = GROUPS.find(({ names }) => names.test(name)) ?? OTHERS;
  return { message: group.message, mustRefuse: group.mustRefuse ?? false };
}

/** Names of earlier or later Postfix versions, so that they are not taken for typing errors. */
export const otherVersionsParameters: ReadonlySet<string> = new Set([
  'smtpd_sasl_application_name',
  'smtpd_tls_cert_type',
  'smtpd_tls_enable_rpk',
  'smtp_tls_enable_rpk',
  'smtpd_forbid_bare_newline_reject_code',
  'smtpd_hide_client_session',
  'smtpd_reject_filter_maps',
  'force_mime_input_conversion',
  'header_from_format',
  'local_login_sender_maps',
  'tls_config_file',
  'tls_config_name',
  'known_tcp_ports',
  'mysql_require_result_set',
  'enable_shared_memory',
  'virtual_maps',
  'permit_mx_backup_networks',
  'program_directory',
  'authorized_verp_clients',
  'lmtp_cache_connection',
]);
