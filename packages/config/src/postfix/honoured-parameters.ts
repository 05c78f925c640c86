// Which parameters change what the server does, and one honest sentence for each group of those that do not. A name
// moves into `honouredParameters` when the code that follows it is there.

/** Grouped by who follows them. */
const honouredByGroup: Readonly<Record<string, string>> = {
  configuration: `compatibility_level config_directory default_database_type inet_interfaces inet_protocols mail_name
    mail_owner mail_version multi_instance_name mydomain myhostname mynetworks mynetworks_style myorigin
    parent_domain_matches_subdomains process_name service_name smtpd_restriction_classes stress syslog_name`,
  connections: `anvil_rate_time_unit smtpd_authorized_xclient_hosts smtpd_authorized_xforward_hosts
    smtpd_client_auth_rate_limit smtpd_client_connection_count_limit smtpd_client_connection_rate_limit
    smtpd_client_event_limit_exceptions smtpd_client_message_rate_limit smtpd_client_new_tls_session_rate_limit
    smtpd_client_recipient_rate_limit smtpd_upstream_proxy_protocol smtpd_upstream_proxy_timeout
    smtpd_discard_ehlo_keyword_address_maps smtpd_command_filter smtpd_reject_footer smtpd_reject_footer_maps`,
  session: `allow_percent_hack allow_untrusted_routing always_add_missing_headers disable_vrfy_command hopcount_limit
    line_length_limit local_header_rewrite_clients smtpd_forbid_bare_newline smtpd_forbid_bare_newline_reject_code
    smtpd_forbid_unauth_pipelining message_size_limit queue_minfree smtpd_banner smtpd_delay_reject smtpd_discard_ehlo_keywords smtpd_error_sleep_time
    smtpd_forbidden_commands smtpd_min_data_rate smtpd_per_request_deadline smtpd_per_record_deadline smtpd_hard_error_limit smtpd_helo_required smtpd_junk_command_limit smtpd_noop_commands
    smtpd_peername_lookup smtpd_recipient_limit smtpd_recipient_overshoot_limit smtpd_soft_error_limit
    smtpd_starttls_timeout smtpd_timeout smtputf8_enable soft_bounce strict_rfc821_envelopes swap_bangpath`,
  tls: `smtpd_tls_CAfile smtpd_tls_CApath smtpd_tls_ask_ccert smtpd_tls_exclude_ciphers smtpd_tls_fingerprint_digest
    smtpd_tls_mandatory_exclude_ciphers smtpd_tls_mandatory_protocols smtpd_tls_protocols smtpd_tls_req_ccert
    smtpd_enforce_tls smtpd_tls_auth_only smtpd_tls_cert_file smtpd_tls_key_file smtpd_tls_loglevel
    smtpd_tls_received_header smtpd_tls_security_level smtpd_tls_wrappermode smtpd_use_tls`,
  sasl: `broken_sasl_auth_clients smtpd_sasl_auth_enable smtpd_sasl_authenticated_header
    smtpd_sasl_exceptions_networks smtpd_sasl_local_domain smtpd_sasl_response_limit smtpd_sasl_security_options
    smtpd_sasl_tls_security_options`,
  restrictions: `access_map_defer_code access_map_reject_code default_rbl_reply rbl_reply_maps
    smtpd_null_access_lookup_key smtpd_policy_service_default_action smtpd_policy_service_max_idle
    smtpd_policy_service_max_ttl smtpd_policy_service_policy_context smtpd_policy_service_request_limit
    smtpd_policy_service_retry_delay smtpd_policy_service_timeout smtpd_policy_service_try_limit
    maps_rbl_domains multi_recipient_bounce_reject_code permit_mx_backup_networks relay_clientcerts reject_tempfail_action
    smtpd_etrn_restrictions smtpd_log_access_permit_actions unknown_address_tempfail_action
    unknown_helo_hostname_tempfail_action
    smtpd_reject_unlisted_sender smtpd_sender_login_maps smtpd_client_restrictions smtpd_data_restrictions smtpd_end_of_data_restrictions
    smtpd_helo_restrictions smtpd_recipient_restrictions smtpd_reject_unlisted_recipient
    smtpd_relay_before_recipient_restrictions smtpd_relay_restrictions smtpd_sender_restrictions
    defer_code invalid_hostname_reject_code maps_rbl_reject_code non_fqdn_reject_code
    plaintext_reject_code reject_code relay_domains_reject_code unknown_address_reject_code unknown_client_reject_code
    unknown_hostname_reject_code unknown_local_recipient_reject_code unknown_relay_recipient_reject_code
    unknown_virtual_alias_reject_code unknown_virtual_mailbox_reject_code`,
  addresses: `alias_database alias_maps append_at_myorigin append_dot_mydomain expand_owner_alias
    local_recipient_maps mydestination owner_request_special propagate_unmatched_extensions recipient_delimiter
    relay_domains relay_recipient_maps show_user_unknown_table_name virtual_alias_address_length_limit
    virtual_alias_domains virtual_alias_expansion_limit virtual_alias_maps virtual_alias_recursion_limit
    virtual_mailbox_domains virtual_mailbox_maps`,
  postscreen: `postscreen_access_list postscreen_allowlist_interfaces postscreen_denylist_action postscreen_dnsbl_action
    postscreen_bare_newline_enable postscreen_non_smtp_command_enable postscreen_pipelining_enable
    postscreen_dnsbl_allowlist_threshold postscreen_dnsbl_max_ttl postscreen_dnsbl_reply_map postscreen_dnsbl_sites
    postscreen_dnsbl_threshold postscreen_dnsbl_timeout postscreen_greet_action postscreen_greet_banner
    postscreen_greet_ttl postscreen_greet_wait postscreen_pre_queue_limit postscreen_upstream_proxy_protocol
    postscreen_upstream_proxy_timeout postscreen_blacklist_action postscreen_whitelist_interfaces
    postscreen_dnsbl_whitelist_threshold`,
  verification: `address_verify_cache_cleanup_interval address_verify_default_transport
    address_verify_local_transport address_verify_negative_cache address_verify_negative_expire_time
    address_verify_negative_refresh_time address_verify_pending_request_limit address_verify_poll_count
    address_verify_poll_delay address_verify_positive_expire_time address_verify_positive_refresh_time
    address_verify_relay_transport address_verify_relayhost address_verify_sender
    address_verify_sender_dependent_default_transport_maps address_verify_sender_dependent_relayhost_maps
    address_verify_sender_ttl address_verify_transport_maps address_verify_virtual_transport
    unverified_recipient_defer_code unverified_recipient_reject_code unverified_recipient_reject_reason
    unverified_recipient_tempfail_action unverified_sender_defer_code unverified_sender_reject_code
    unverified_sender_reject_reason unverified_sender_tempfail_action`,
  rewriting: `always_bcc body_checks body_checks_size_limit canonical_classes canonical_maps cleanup_service_name
    content_filter default_filter_nexthop disable_mime_input_processing empty_address_recipient
    enable_original_recipient header_address_token_limit header_checks header_from_format header_size_limit
    masquerade_classes masquerade_domains masquerade_exceptions message_drop_headers mime_boundary_length_limit
    mime_header_checks mime_nesting_limit nested_header_checks receive_override_options recipient_bcc_maps
    recipient_canonical_classes recipient_canonical_maps relocated_maps remote_header_rewrite_domain sender_bcc_maps
    sender_canonical_classes sender_canonical_maps strict_7bit_headers strict_8bitmime strict_8bitmime_body
    strict_mime_encoding_domain undisclosed_recipients_header`,
  filters: `internal_mail_filter_classes milter_command_timeout milter_connect_macros milter_connect_timeout milter_content_timeout
    milter_data_macros milter_default_action milter_end_of_data_macros milter_end_of_header_macros milter_helo_macros
    milter_header_checks milter_macro_daemon_name milter_macro_defaults milter_macro_v milter_mail_macros milter_protocol milter_rcpt_macros
    milter_unknown_command_macros non_smtpd_milters smtpd_milter_maps smtpd_milters`,
  commands: `fast_flush_domains authorized_flush_users authorized_mailq_users authorized_submit_users`,
  delivery: `allow_mail_to_commands allow_mail_to_files command_execution_directory command_expansion_filter
    command_time_limit default_privs deliver_lock_attempts deliver_lock_delay execution_directory_expansion_filter
    export_environment fallback_transport fallback_transport_maps forward_expansion_filter forward_path home_mailbox
    local_command_shell local_transport luser_relay mail_spool_directory mailbox_command mailbox_command_maps
    mailbox_delivery_lock mailbox_size_limit mailbox_transport mailbox_transport_maps prepend_delivered_header
    require_home_directory stale_lock_time strict_mailbox_ownership virtual_destination_concurrency_limit
    virtual_destination_recipient_limit virtual_gid_maps virtual_mailbox_base virtual_mailbox_limit
    virtual_mailbox_lock virtual_minimum_uid virtual_uid_maps`,
  sending: `default_transport proxy_interfaces relay_transport relayhost sender_dependent_default_transport_maps
    sender_dependent_relayhost_maps smtp_discard_ehlo_keywords smtp_helo_name smtp_helo_timeout smtp_never_send_ehlo
    lmtp_discard_lhlo_keywords lmtp_lhlo_name lmtp_lhlo_timeout transport_maps virtual_transport
    best_mx_transport smtp_tls_dane_insecure_mx_policy tls_append_default_CA`,
  notices: `2bounce_notice_recipient bounce_notice_recipient bounce_queue_lifetime bounce_size_limit bounce_template_file
    delay_notice_recipient delay_warning_time double_bounce_sender maximal_queue_lifetime notify_classes`,
  queue: `default_destination_concurrency_limit default_destination_recipient_limit default_process_limit
    enable_long_queue_ids local_destination_concurrency_limit maximal_backoff_time minimal_backoff_time
    default_destination_concurrency_failed_cohort_limit default_destination_concurrency_negative_feedback
    default_destination_concurrency_positive_feedback default_destination_rate_delay default_transport_rate_delay
    defer_transports initial_destination_concurrency transport_retry_time
    qmgr_message_active_limit qmgr_message_recipient_limit queue_run_delay`,
};

/** Each has a namesake for LMTP: `smtp_…` and `lmtp_…`. */
const sendingTwins = `address_preference bind_address bind_address6 connect_timeout connection_cache_on_demand
  connection_cache_time_limit connection_reuse_count_limit connection_reuse_time_limit
  data_done_timeout data_init_timeout data_xfer_timeout defer_if_no_mx_address_found enforce_tls
  fallback_relay line_length_limit mail_timeout mx_address_limit mx_session_limit quit_timeout
  randomize_addresses rcpt_timeout rset_timeout sasl_auth_enable sasl_auth_soft_bounce
  sasl_mechanism_filter sasl_password_maps sasl_security_options sasl_tls_security_options
  sasl_tls_verified_security_options sender_dependent_authentication skip_5xx_greeting
  send_xforward_command skip_quit_response starttls_timeout tcp_port tls_CAfile tls_CApath tls_cert_file
  tls_enforce_peername tls_key_file tls_loglevel tls_note_starttls_offer tls_policy_maps
  tls_secure_cert_match tls_security_level tls_servername tls_verify_cert_match tls_wrappermode
  dns_support_level tls_chain_files tls_ciphers tls_eccert_file tls_eckey_file tls_exclude_ciphers
  tls_fingerprint_cert_match tls_fingerprint_digest tls_force_insecure_host_tlsa_lookup tls_mandatory_ciphers
  tls_mandatory_exclude_ciphers tls_mandatory_protocols tls_protocols tls_trust_anchor_file use_tls
  body_checks connection_cache_destinations delivery_status_filter generic_maps header_checks host_lookup
  mime_header_checks nested_header_checks reply_filter`;

export const honouredParameters: ReadonlySet<string> = new Set([
  ...Object.values(honouredByGroup).flatMap((names) => names.split(/\s+/)),
  ...sendingTwins.split(/\s+/).flatMap((name) => [`smtp_${name}`, `lmtp_${name}`]),
]);

/** Of `<transport>_…`: what the queue follows for each row of master.cf. */
const transportSuffixes = `destination_concurrency_failed_cohort_limit destination_concurrency_limit
  destination_concurrency_negative_feedback destination_concurrency_positive_feedback destination_rate_delay
  destination_recipient_limit initial_destination_concurrency transport_rate_delay`.split(/\s+/);

/** Whether a name is one of a transport's that count. */
export function isHonouredForTransport(name: string): boolean {
  return transportSuffixes.some((suffix) => name.endsWith(`_${suffix}`));
}

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
    names: /^(smtpd_proxy_filter)$/,
    message: 'filters are not called yet, and mail would come in unfiltered; remove this line to run without',
    mustRefuse: true,
  },
  {
    names: /^address_verify_map$/,
    message: 'what probes found out is kept in the data folder',
  },
  {
    names: /^smtpd_tls_chain_files$/,
    message: 'name the certificate in smtpd_tls_cert_file and its key in smtpd_tls_key_file',
  },
  { names: /^smtpd_sasl_mechanism_filter$/, message: 'PLAIN and LOGIN are offered' },
  { names: /^(maillog_|syslog_facility|debug_peer)/, message: 'log lines go where the daemon sends them' },
  {
    names: /^biff$/,
    message: 'nobody is told of new mail by comsat(8)',
  },
  {
    names: /^(smtp|lmtp)_pix_workaround/,
    message: 'faults of old PIX firewalls are not worked around',
  },
  {
    names: /^(smtp|lmtp)_(tls_session_cache|sasl_type|sasl_path)/,
    message: 'this is not needed here',
  },
  {
    names: /^postscreen_(cache|.*_(pipelining|non_smtp|bare_newline))/,
    message: 'who passed is kept in the data folder; tests after the greeting are not made',
  },
  { names: /^postscreen_|^dnsblog_/, message: 'the smtpd behind postscreen decides this' },
  {
    names:
      /^(smtp|lmtp|relay|default|initial)_|^relayhost$|^fallback_relay$|^sender_dependent_|^tls_|^tlsproxy_|transport|^best_mx|^qmgr_|^defer_transports$/,
    message: 'mail for other servers is sent without this',
  },
  {
    names: /canonical|masquerade|generic|_bcc|relocated|rewrite|^propagate_/,
    message: 'addresses are not rewritten by this',
  },
  {
    names: /^(mailbox_|fallback_|luser_relay|local_|virtual_|command_|mail_owner|default_privs|require_home)/,
    message: "local mail goes to each user's home_mailbox or mailbox_transport; this has no effect on it",
  },
  {
    names: /notice_recipient|^notify_classes$|bounce|^delay_/,
    message: 'bounces and notices are sent without this',
  },
  { names: /^(smtpd_client_|anvil_).*(limit|rate|time_unit)/, message: 'this limit is not kept yet' },
  { names: /^smtpd_tls_/, message: 'TLS 1.2 or newer with safe ciphers is what is offered' },
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
  'program_directory',
  'authorized_verp_clients',
  'lmtp_cache_connection',
]);
