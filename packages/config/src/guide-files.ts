// The files that `postcote init` writes: a main.cf, master.cf, virtual, aliases and dovecot.conf that say what the
// guide's say, for the answers to the two questions its package installer asks. Pure text; the edge writes it. A real
// Postfix and Dovecot run from the same files.

export const siteKinds = [
  'Internet Site',
  'Internet with smarthost',
  'Satellite system',
  'Local only',
  'No configuration',
] as const;

export type SiteKind = (typeof siteKinds)[number];

export interface GuideAnswers {
  readonly kind: SiteKind;
  /** What stands after the @ of local addresses; also the host's own name unless `hostname` says otherwise. */
  readonly mailName: string;
  readonly hostname?: string;
  /** For the two kinds that have one: `smtp.example.net`, `[smtp.example.net]:587`. */
  readonly smarthost?: string;
  /** A user who reads root's mail. */
  readonly rootReader?: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly paths: GuidePaths;
}

export interface GuidePaths {
  /** The folder of main.cf, master.cf and virtual. */
  readonly postfixDirectory: string;
  readonly aliases: string;
  readonly dovecotConf: string;
}

export interface GuideFile {
  readonly path: string;
  readonly text: string;
}

export const systemPaths: GuidePaths = {
  postfixDirectory: '/etc/postfix',
  aliases: '/etc/aliases',
  dovecotConf: '/etc/dovecot/dovecot.conf',
};

/** What is wrong with the answers, or undefined. */
export function checkAnswers(answers: GuideAnswers): string | undefined {
  if (answers.kind === 'No configuration') return undefined;
  for (const name of [answers.mailName, answers.hostname ?? answers.mailName]) {
    if (!isDomainName(name)) return `"${name}" is not a name like mail.example.com`;
  }
  const needsSmarthost = answers.kind === 'Internet with smarthost' || answers.kind === 'Satellite system';
  if (needsSmarthost && !isRelayHost(answers.smarthost ?? '')) {
    return `the kind "${answers.kind}" needs the name of the host that takes outgoing mail`;
  }
  for (const path of [answers.certificateFile, answers.keyFile, ...Object.values(answers.paths)]) {
    if (!/^\/[^\s#$]+$/.test(path)) return `"${path}" is not an absolute path without spaces`;
  }
  return undefined;
}

// RFC 1123 §2.1, with at least one dot or the single name localhost.
function isDomainName(name: string): boolean {
  const labels = name.split('.');
  if (name.length > 253 || (labels.length < 2 && name !== 'localhost')) return false;
  return labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label));
}

function isRelayHost(text: string): boolean {
  return /^(\[[^\]\s]+\]|[a-z0-9.-]+)(:\d{1,5}|:[a-z]+)?$/i.test(text);
}

export function guideFiles(answers: GuideAnswers): readonly GuideFile[] {
  if (answers.kind === 'No configuration') return [];
  const { postfixDirectory, aliases, dovecotConf } = answers.paths;
  return [
    { path: `${postfixDirectory}/main.cf`, text: mainCf(answers) },
    { path: `${postfixDirectory}/master.cf`, text: masterCf },
    { path: `${postfixDirectory}/virtual`, text: virtualMap(answers) },
    { path: aliases, text: aliasesFile(answers) },
    { path: dovecotConf, text: dovecotFile(answers) },
  ];
}

function mainCf(answers: GuideAnswers): string {
  const { kind, mailName } = answers;
  const hostname = answers.hostname ?? mailName;
  const isClosed = kind === 'Satellite system' || kind === 'Local only';
  const hasSmarthost = kind === 'Internet with smarthost' || kind === 'Satellite system';
  return `# Kind of site: ${kind}
compatibility_level = 3.6

# Who we are, and which addresses are ours.
myhostname = ${hostname}
myorigin = ${mailName}
mydestination = ${destinations(answers, hostname)}
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
inet_interfaces = ${isClosed ? 'loopback-only' : 'all'}
inet_protocols = all
relayhost = ${hasSmarthost ? (answers.smarthost ?? '') : ''}
${kind === 'Local only' ? 'default_transport = error:local mail only\nrelay_transport = error:local mail only\n' : ''}
# Encryption. These files are read by the server alone; replace them to use a certificate of your own.
smtpd_tls_cert_file = ${answers.certificateFile}
smtpd_tls_key_file = ${answers.keyFile}
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtp_tls_security_level = may
smtp_tls_note_starttls_offer = yes

# System users may send with their own password.
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
smtpd_sasl_local_domain = $myhostname
broken_sasl_auth_clients = yes
# To take passwords only over TLS on port 25 too:
#smtpd_tls_auth_only = yes

# Who may send what to whom.
smtpd_recipient_restrictions = reject_unknown_sender_domain,
    reject_unknown_recipient_domain,
    reject_unauth_pipelining,
    permit_mynetworks,
    permit_sasl_authenticated,
    reject_unauth_destination

# Where mail goes: addresses first, then each user's ~/mail/.
virtual_alias_maps = hash:${answers.paths.postfixDirectory}/virtual
alias_maps = hash:${answers.paths.aliases}
alias_database = hash:${answers.paths.aliases}
home_mailbox = mail/
mailbox_size_limit = 0
recipient_delimiter = +
`;
}

function destinations({ kind, mailName }: GuideAnswers, hostname: string): string {
  const names = ['$myhostname'];
  // A satellite's mail for the common mail name belongs on the smarthost.
  if (mailName !== hostname && kind !== 'Satellite system') names.push(mailName);
  if (hostname.split('.').length > 2) names.push('localhost.$mydomain');
  names.push('localhost');
  return names.join(', ');
}

const masterCf = `# service  type  private unpriv  chroot  wakeup  maxproc command + args
smtp       inet  n       -       n       -       -       smtpd
submission inet  n       -       n       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
submissions inet n       -       n       -       -       smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject

# Postfix's own services. Nothing here listens on the network; they are kept so that Postfix can run from this file.
pickup     unix  n       -       n       60      1       pickup
cleanup    unix  n       -       n       -       0       cleanup
qmgr       unix  n       -       n       300     1       qmgr
tlsmgr     unix  -       -       n       1000?   1       tlsmgr
rewrite    unix  -       -       n       -       -       trivial-rewrite
bounce     unix  -       -       n       -       0       bounce
defer      unix  -       -       n       -       0       bounce
trace      unix  -       -       n       -       0       bounce
verify     unix  -       -       n       -       1       verify
flush      unix  n       -       n       1000?   0       flush
proxymap   unix  -       -       n       -       -       proxymap
proxywrite unix  -       -       n       -       1       proxymap
smtp       unix  -       -       n       -       -       smtp
relay      unix  -       -       n       -       -       smtp
showq      unix  n       -       n       -       -       showq
error      unix  -       -       n       -       -       error
retry      unix  -       -       n       -       -       error
discard    unix  -       -       n       -       -       discard
local      unix  -       n       n       -       -       local
virtual    unix  -       n       n       -       -       virtual
lmtp       unix  -       -       n       -       -       lmtp
anvil      unix  -       -       n       -       1       anvil
scache     unix  -       -       n       -       1       scache
postlog    unix-dgram n  -       n       -       1       postlogd
`;

function virtualMap({ mailName }: GuideAnswers): string {
  return `# Incoming addresses and where their mail goes: a user of this system, or another address; several with commas.
# A change counts at once. For a real Postfix, run postmap on this file afterwards.
#
#username@${mailName}    username
#team@${mailName}        username, foreman@example.net
`;
}

function aliasesFile({ rootReader }: GuideAnswers): string {
  return `# Mail for local names. A change counts at once. For a real Postfix, run newaliases afterwards.
mailer-daemon: postmaster
postmaster: root
abuse: root
hostmaster: root
webmaster: root
${rootReader === undefined ? '# Somebody should read this:\n#root: username' : `root: ${rootReader}`}
`;
}

function dovecotFile(answers: GuideAnswers): string {
  const isClosed = answers.kind === 'Satellite system' || answers.kind === 'Local only';
  return `protocols = imap pop3
listen = ${isClosed ? '127.0.0.1, ::1' : '*, ::'}

# The same certificate as for SMTP.
ssl = yes
ssl_cert = <${answers.certificateFile}
ssl_key = <${answers.keyFile}

# Mail lies in each user's ~/mail/, folders beneath it.
mail_location = maildir:~/mail:LAYOUT=fs:INBOX=~/mail/
mail_privileged_group = mail

namespace inbox {
  inbox = yes
  mailbox Drafts {
    special_use = \\Drafts
  }
  mailbox Junk {
    special_use = \\Junk
  }
  mailbox Sent {
    special_use = \\Sent
  }
  mailbox Trash {
    special_use = \\Trash
  }
}

protocol pop3 {
  pop3_uidl_format = %08Xu%08Xv
}

# System users, checked through PAM.
auth_mechanisms = plain login
passdb {
  driver = pam
}
userdb {
  driver = passwd
}

# Where a real Postfix would ask for passwords.
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
`;
}
