// What must be said about a dovecot.conf: settings and sections without effect, each with what happens instead, and
// refusals for whatever decides who may log in or read and is not understood.

import { notice, refuse, type Problem } from '../origin.ts';
import { nearestName } from '../postfix/nearest-name.ts';
import { dovecotDefault, dovecotNames, isDovecotName } from './defaults.ts';
import type { DovecotDialect, DovecotSettings } from './dovecot-settings.ts';
import { isYes } from './normalise.ts';
import { readValues, type DovecotNode, type DovecotSection, type DovecotSetting } from './parse.ts';
import { isQuotaSetting } from './quota.ts';
import { TEXT_INDEX_SETTINGS } from './text-index.ts';
import { splitWords } from './values.ts';

export const honouredDovecotSettings: ReadonlySet<string> = new Set(
  `auth_failure_delay auth_mechanisms auth_username_format base_dir disable_plaintext_auth dovecot_config_version
  dovecot_storage_version first_valid_uid imap_capability imap_client_workarounds
  imap_hibernate_timeout imap_id_log imap_id_send imap_idle_notify_interval imap_logout_format imap_max_line_length last_valid_uid listen
  login_greeting mail_control_path mail_driver mail_inbox_path mail_index_path mail_location mail_max_lock_timeout
  mail_max_userip_connections mail_path mailbox_list_layout pop3_client_workarounds pop3_deleted_flag pop3_enable_last
  pop3_lock_session pop3_no_flag_updates pop3_reuse_xuidl pop3_uidl_duplicates pop3_uidl_format
  protocols quota_full_tempfail ssl ssl_cert ssl_key ssl_key_password ssl_listen`.split(/\s+/),
);

/** Set to anything but "no" or nothing, these close a door that would stand open if they were ignored. */
const DOORS: ReadonlyMap<string, string> = new Map([
  ['auth_ssl_require_client_cert', 'client certificates are not asked for'],
  ['auth_policy_server_url', 'the policy server is not asked'],
  ['login_access_sockets', 'tcp wrappers are not asked'],
  ['mail_chroot', 'mail processes are not locked into a folder'],
  ['auth_require_tls', 'this is not understood'],
]);

const GROUPS: readonly (readonly [names: RegExp, message: string])[] = [
  [
    /^(log_|info_log|debug_log|syslog_facility|verbose_|auth_(verbose|debug)|mail_debug|login_log_format|deliver_log)/,
    'log lines have one form and go where the daemon sends them',
  ],
  [
    /_(process|processes)_|process_(limit|min_avail|size)|_vsz_limit|client_limit|^default_|^login_(user|max|process|chroot)/,
    'processes are started as needed',
  ],
  [/^mail_privileged_group$/, 'Maildirs in the homes need no privileged group'],
  [/^mail_fsync$/, 'what is acknowledged is on the disk, always'],
  [/^auth_username_chars$/, 'the names of system accounts are what counts'],
  [
    /^(ssl_dh|ssl_ca|ssl_cipher_list|ssl_min_protocol|ssl_prefer_server|ssl_parameters|ssl_crypto|ssl_curve|ssl_options|ssl_cipher_suites|ssl_client_|ssl_require_crl|ssl_verify_client|ssl_cert_username|ssl_alt_)/,
    'TLS 1.2 or newer with safe ciphers is what is offered',
  ],
  [
    /^auth_(cache|worker|realms|default_realm|master_user|gssapi|krb5|winbind|use_winbind|proxy|anonymous|policy)|^master_user_separator/,
    'system accounts are checked each time, under their own names only',
  ],
  [
    /^(lmtp|lda|submission|sendmail|postmaster|hostname|rejection|quota|recipient_delimiter|deliver)/,
    'mail is delivered by the server itself',
  ],
  [/^(mail_plugins|mail_plugin_dir)$/, 'plugins are not loaded'],
  [
    /^(mmap|dotlock|mail_nfs|mail_cache|mail_always|mail_never|lock_method|mailbox_|mdbox|mbox|maildir_|mail_prefetch|mail_temp|mail_sort|mail_vsize)/,
    'the store works in its own way; the files on disk stay compatible',
  ],
  [
    /^(director|imapc|pop3c|dsync|doveadm|replicat|old_stats|stats|dict|imap_urlauth|imap_metadata)/,
    'this service is not provided',
  ],
  [
    /^(mail_uid|mail_gid|mail_home|mail_access_groups|first_valid_gid|last_valid_gid|valid_chroot)/,
    "each user's own uid, groups and home are used",
  ],
  [/^(imap|pop3)_/, 'this is not followed yet'],
];

function explain(name: string): string {
  return GROUPS.find(([names]) => names.test(name))?.[1] ?? 'this has no effect';
}

export function checkDovecot(settings: DovecotSettings): Problem[] {
  const problems = [...settings.problems];
  if (!settings.isPresent) return problems;
  checkLevel(settings.tree.nodes, settings.dialect, problems);
  for (const node of settings.tree.nodes) {
    if (node.kind === 'section') checkSection(node, settings, problems);
  }
  return problems;
}

function checkLevel(nodes: readonly DovecotNode[], dialect: DovecotDialect, problems: Problem[]): void {
  for (const [, setting] of readValues(nodes)) checkSetting(setting, dialect, problems);
}

function checkSetting(setting: DovecotSetting, dialect: DovecotDialect, problems: Problem[]): void {
  const { name, value, origin } = setting;
  if (name === 'mail_plugins') return checkPlugins(setting, problems);
  if (dialect === '2.4' && isQuotaSetting(name)) return;
  if (honouredDovecotSettings.has(name)) return;
  const door = DOORS.get(name);
  if (door !== undefined && value !== '' && !/^no?$/i.test(value)) {
    const message = `${door}, and more people would get in than this line allows; remove it to run without`;
    problems.push(refuse(origin, { name, value, message }));
    return;
  }
  if (value === '' || value === dovecotDefault(name, dialect)) return;
  if (isDovecotName(name) || dialect !== '2.3') {
    problems.push(notice(origin, { name, value, message: `not honoured: ${explain(name)}` }));
    return;
  }
  const nearest = nearestName(name, dovecotNames());
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  problems.push(notice(origin, { name, value, message: `no setting has this name${hint}` }));
}

function checkPlugins(setting: DovecotSetting, problems: Problem[]): void {
  const { name, origin } = setting;
  for (const plugin of splitWords(setting.value)) {
    if (plugin === 'acl' || plugin === 'imap_acl' || plugin === 'mail_filter' || plugin === 'mail_crypt') {
      const message = `the ${plugin} plugin decides who may read what, and is not supported; remove it to run without`;
      problems.push(refuse(origin, { name, value: plugin, message }));
    } else if (plugin !== 'quota' && plugin !== 'imap_quota') {
      problems.push(notice(origin, { name, value: plugin, message: `not honoured: ${explain(name)}` }));
    }
  }
}

/** Read elsewhere, or without meaning here and silent. */
const QUIET_SECTIONS: ReadonlySet<string> = new Set([
  'passdb',
  'userdb',
  'namespace',
  'service',
  'local_name',
]);

function checkSection(section: DovecotSection, settings: DovecotSettings, problems: Problem[]): void {
  switch (section.name) {
    case 'protocol':
      checkProtocol(section, settings, problems);
      return;
    case 'local':
    case 'remote':
      checkLocal(section, problems);
      return;
    case 'local_name':
      checkLocalName(section, problems);
      return;
    case 'service':
      checkService(section, problems);
      return;
    case 'plugin':
      for (const child of section.children) {
        const value = child.kind === 'setting' ? child.value : '';
        if (TEXT_INDEX_SETTINGS.has(child.name)) continue;
        if (settings.quota !== undefined && isQuotaSetting(child.name)) continue;
        problems.push(
          notice(child.origin, { name: child.name, value, message: 'not honoured: plugins are not loaded' }),
        );
      }
      return;
    default:
      if (section.name === 'quota' && settings.quota !== undefined) return;
      if (!QUIET_SECTIONS.has(section.name) && section.children.length > 0) {
        const name = `${section.name} ${section.label}`.trim();
        problems.push(notice(section.origin, { name, message: 'not honoured: this section has no effect' }));
      }
  }
}

const SERVED_PROTOCOLS: ReadonlySet<string> = new Set(['imap', 'pop3']);

function checkProtocol(section: DovecotSection, settings: DovecotSettings, problems: Problem[]): void {
  const words = splitWords(section.label);
  const isServed = section.label.startsWith('!') || words.some((word) => SERVED_PROTOCOLS.has(word));
  if (!isServed) {
    if (section.children.length === 0) return;
    const message = `not honoured: ${section.label} is not served`;
    problems.push(notice(section.origin, { name: `protocol ${section.label}`, message }));
    return;
  }
  for (const child of section.children) {
    if (child.kind === 'section') {
      refuseInside(child, `inside "protocol ${section.label}"`, problems);
    } else if (decidesAccess(child.name)) {
      const message = `inside "protocol ${section.label}" this is not supported; set it for all protocols`;
      problems.push(refuse(child.origin, { name: child.name, value: child.value, message }));
    }
  }
  const ordinary = section.children.filter(({ name }) => !decidesAccess(name));
  // `listen` and `ssl_listen` stand here in 1.x only.
  const others = ordinary.filter(({ name }) => settings.dialect !== '1.x' || !/^(ssl_)?listen$/.test(name));
  checkLevel(others, settings.dialect, problems);
}

/** Who gets in, and over what kind of connection. */
function decidesAccess(name: string): boolean {
  return /^(auth_|disable_plaintext_auth$|ssl$|ssl_(ca|cert|key|min_protocol|verify|require)|passdb|userdb|first_valid|last_valid|mail_location$|login_trusted)/.test(
    name,
  );
}

function refuseInside(section: DovecotSection, where: string, problems: Problem[]): void {
  if (section.name !== 'passdb' && section.name !== 'userdb' && section.name !== 'namespace') return;
  const message = `${where} this is not supported, and it decides who may read what; move it to the top level`;
  problems.push(refuse(section.origin, { name: section.name, value: section.label, message }));
}

function checkLocal(section: DovecotSection, problems: Problem[]): void {
  const name = `${section.name} ${section.label}`.trim();
  const deciding = section.children.find((child) => decidesAccess(child.name) || child.kind === 'section');
  if (deciding !== undefined) {
    const message = `settings for some addresses only are not supported, and "${deciding.name}" decides who gets in and how; remove this block`;
    problems.push(refuse(deciding.origin, { name, value: deciding.name, message }));
    return;
  }
  const message = 'not honoured: settings for some addresses only are not supported';
  if (section.children.length > 0) problems.push(notice(section.origin, { name, message }));
}

function checkLocalName(section: DovecotSection, problems: Problem[]): void {
  for (const child of section.children) {
    if (/^ssl_(cert|key|ca|key_password)$/.test(child.name)) continue;
    const message = 'only a certificate and its key can be chosen by server name';
    const make = decidesAccess(child.name) ? refuse : notice;
    problems.push(make(child.origin, { name: `local_name ${section.label}`, value: child.name, message }));
  }
}

const READ_SERVICES: ReadonlySet<string> = new Set(['imap-login', 'pop3-login', 'auth', 'quota-status']);

function checkService(section: DovecotSection, problems: Problem[]): void {
  const name = `service ${section.label}`;
  for (const child of section.children) {
    const isListener = child.kind === 'section' && READ_SERVICES.has(section.label);
    if (isListener && (child.name === 'inet_listener' || child.name === 'unix_listener')) continue;
    if (child.kind === 'section' && child.children.length === 0) continue;
    if (child.kind === 'setting' && isYes(child.value) && child.name === 'haproxy') continue;
    if (section.label === 'quota-status') continue;
    const value =
      child.kind === 'setting' ? `${child.name} = ${child.value}` : `${child.name} ${child.label}`;
    const message = 'not honoured: processes and sockets are arranged differently here';
    problems.push(notice(child.origin, { name, value, message }));
  }
}
