// The guide's configuration with only paths and ports changed: what a machine set up by it holds in
// /etc/postfix and /etc/dovecot. Both sides read the same text; the private real servers get, besides,
// folders of their own (`real-postfix.ts`, `real-dovecot.ts`).

import fs from 'node:fs';
import path from 'node:path';
import type { CertificateFiles } from './certificate.ts';
import { freePorts } from './ports.ts';
import { SERVICES, type Service, type Transcript } from './transcript.ts';

export const HOSTNAME = 'lollipop.example.com';
/** What the daemon and the real Postfix resolve names against; see dns-server.ts. */
export const LOCAL_DOMAIN = 'example.com';

export type ServicePorts = Readonly<Record<Service, number>>;

export async function choosePorts(): Promise<ServicePorts> {
  const ports = await freePorts(SERVICES.length);
  return Object.fromEntries(SERVICES.map((service, i) => [service, ports[i] ?? 0])) as Record<
    Service,
    number
  >;
}

export type Settings = Transcript['settings'];

export const NO_SETTINGS: Settings = { main: [], dovecot: [], aliases: [], virtual: [] };

export interface ConfigOptions {
  readonly ports: ServicePorts;
  readonly certificate: CertificateFiles;
  readonly settings?: Settings;
  /** Lines that only one side needs. */
  readonly extraMain?: readonly string[];
  readonly extraMaster?: readonly string[];
  readonly extraDovecot?: readonly string[];
  /** Where Dovecot puts Postfix's auth socket. */
  readonly authSocket: string;
}

export interface ConfigFiles {
  readonly postfixDir: string;
  readonly dovecotConf: string;
}

function mainCf(postfixDir: string, options: ConfigOptions): string {
  return `# As Debian's package writes it for an "Internet Site"
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
alias_maps = hash:${postfixDir}/aliases
alias_database = hash:${postfixDir}/aliases
mydestination = $myhostname, example.com, localhost.example.com, localhost
relayhost =
mynetworks = 127.0.0.1/32 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = loopback-only
inet_protocols = ipv4
myorigin = $myhostname

# The guide's edits
smtpd_tls_cert_file=${options.certificate.certFile}
smtpd_tls_key_file=${options.certificate.keyFile}

smtp_use_tls = yes
smtpd_use_tls = yes
smtp_tls_note_starttls_offer = yes
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes

smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes

smtpd_sasl_security_options = noanonymous
smtpd_sasl_local_domain = $myhostname
smtpd_sasl_application_name = smtpd
broken_sasl_auth_clients = yes

smtpd_recipient_restrictions = reject_unknown_sender_domain, reject_unknown_recipient_domain, reject_unauth_pipelining, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination

myhostname = ${HOSTNAME}
virtual_alias_maps = hash:${postfixDir}/virtual
home_mailbox = mail/
${lines(options.extraMain)}${lines(options.settings?.main)}`;
}

function masterCf(options: ConfigOptions): string {
  const { ports } = options;
  // The submission rows are the ones Debian's master.cf carries as comments.
  return `127.0.0.1:${ports.smtp} inet n - n - - smtpd
127.0.0.1:${ports.submission} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o smtpd_reject_unlisted_recipient=no
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
127.0.0.1:${ports.smtps} inet n - n - - smtpd
  -o syslog_name=postfix/smtps
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_reject_unlisted_recipient=no
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
${lines(options.extraMaster)}`;
}

function dovecotConf(options: ConfigOptions): string {
  const { ports } = options;
  // The guide's file as Dovecot 2.3 wants it written; ports are the only other change.
  return `protocols = imap pop3
listen = 127.0.0.1
log_timestamp = "%Y-%m-%d %H:%M:%S "
mail_privileged_group = mail
ssl = yes
ssl_cert = <${options.certificate.certFile}
ssl_key = <${options.certificate.keyFile}
mail_location = maildir:~/mail:LAYOUT=fs:INBOX=~/mail/
auth_mechanisms = plain login
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
service auth {
  unix_listener ${options.authSocket} {
    mode = 0660
    user = postfix
    group = postfix
  }
}
service imap-login {
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.imaps}
    ssl = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = ${ports.pop3}
  }
  inet_listener pop3s {
    port = ${ports.pop3s}
    ssl = yes
  }
}
protocol pop3 {
  pop3_uidl_format = %08Xu%08Xv
}
${lines(options.extraDovecot)}${lines(options.settings?.dovecot)}`;
}

const lines = (list: readonly string[] | undefined): string =>
  (list ?? []).map((line) => `${line}\n`).join('');

/** Writes the files below `folder`. */
export function writeConfig(folder: string, options: ConfigOptions): ConfigFiles {
  const postfixDir = path.join(folder, 'postfix');
  const dovecotDir = path.join(folder, 'dovecot');
  fs.mkdirSync(postfixDir, { recursive: true, mode: 0o755 });
  fs.mkdirSync(dovecotDir, { recursive: true, mode: 0o755 });
  const write = (file: string, text: string): void => fs.writeFileSync(file, text, { mode: 0o644 });
  write(path.join(postfixDir, 'main.cf'), mainCf(postfixDir, options));
  write(path.join(postfixDir, 'master.cf'), masterCf(options));
  write(path.join(postfixDir, 'aliases'), `postmaster: root\n${lines(options.settings?.aliases)}`);
  write(path.join(postfixDir, 'virtual'), lines(options.settings?.virtual));
  const dovecot = path.join(dovecotDir, 'dovecot.conf');
  write(dovecot, dovecotConf(options));
  return { postfixDir, dovecotConf: dovecot };
}
