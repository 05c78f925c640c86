// The files of the demonstration server: a small machine in one folder, configured with the same files a real one
// has, only on loopback and high ports.

export interface DemoPorts {
  readonly smtp: number;
  readonly submission: number;
  readonly submissions: number;
  readonly imap: number;
  readonly imaps: number;
  readonly pop3: number;
  readonly pop3s: number;
}

export const DEFAULT_PORTS: DemoPorts = {
  smtp: 2525,
  submission: 2587,
  submissions: 2465,
  imap: 2143,
  imaps: 2993,
  pop3: 2110,
  pop3s: 2995,
};

export const DEMO_DOMAIN = 'demo.example';

export interface DemoUser {
  readonly name: string;
  readonly password: string;
}

export interface DemoPlace {
  readonly folder: string;
  readonly ports: DemoPorts;
  readonly users: readonly DemoUser[];
  /** Who the users' processes run as. */
  readonly uid: number;
  readonly gid: number;
}

/** Relative path → text. The users file is for the server's eyes only. */
export function demoFiles(place: DemoPlace): ReadonlyMap<string, string> {
  const { folder, ports, users } = place;
  return new Map([
    [
      'postfix/main.cf',
      `# The demonstration's main.cf, after the guide's.
compatibility_level = 3.6
myhostname = mail.${DEMO_DOMAIN}
myorigin = ${DEMO_DOMAIN}
mydestination = ${DEMO_DOMAIN}, $myhostname, localhost
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
home_mailbox = mail/
recipient_delimiter = +
alias_maps = hash:${folder}/aliases
virtual_alias_maps = hash:${folder}/postfix/virtual

smtpd_tls_cert_file = ${folder}/tls/demo.pem
smtpd_tls_key_file = ${folder}/tls/demo.key
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
broken_sasl_auth_clients = yes
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
`,
    ],
    [
      'postfix/master.cf',
      `# service             type private unpriv chroot wakeup maxproc command
127.0.0.1:${ports.smtp}        inet n - n - - smtpd
127.0.0.1:${ports.submission}        inet n - n - - smtpd
  -o syslog_name=postfix/submission
127.0.0.1:${ports.submissions}        inet n - n - - smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
`,
    ],
    [
      'postfix/virtual',
      `# address               goes to
info@${DEMO_DOMAIN}       ${users.map((user) => user.name).join(', ')}
`,
    ],
    [
      'aliases',
      `# Local names that are not users.
postmaster: ${users[0]?.name}
root: postmaster
`,
    ],
    [
      'dovecot.conf',
      `# The demonstration's dovecot.conf.
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <${folder}/tls/demo.pem
ssl_key = <${folder}/tls/demo.key
mail_location = maildir:~/mail:LAYOUT=fs:INBOX=~/mail/
first_valid_uid = 1
auth_mechanisms = plain login

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
namespace inbox {
  inbox = yes
  mailbox Drafts {
    special_use = \\Drafts
  }
  mailbox Sent {
    special_use = \\Sent
  }
  mailbox Trash {
    special_use = \\Trash
  }
}
`,
    ],
    [
      'users',
      users
        .map(
          ({ name, password }) =>
            `${name}:{PLAIN}${password}:${place.uid}:${place.gid}::${folder}/home/${name}:\n`,
        )
        .join(''),
    ],
  ]);
}

/** How to try it, for a person with these programs at hand. */
export function howToConnect(place: DemoPlace): string {
  const { ports, users, folder } = place;
  const first = users[0];
  if (first === undefined) return '';
  const cert = `${folder}/tls/demo.pem`;
  const login = `${first.name}:${first.password}`;
  return `
  Users       ${users.map((user) => `${user.name} / ${user.password}`).join('\n              ')}
  Addresses   ${users.map((user) => `${user.name}@${DEMO_DOMAIN}`).join(', ')}, info@${DEMO_DOMAIN} (both)

  Read        curl --cacert ${cert} -u ${login} 'imaps://localhost:${ports.imaps}/INBOX;MAILINDEX=1'
              curl --cacert ${cert} -u ${login} pop3s://localhost:${ports.pop3s}/1
  Send        swaks --server localhost:${ports.submission} --tls --auth-user ${first.name} --auth-password ${first.password} \\
                --from ${first.name}@${DEMO_DOMAIN} --to ${users[1]?.name ?? first.name}@${DEMO_DOMAIN}
  mutt        mutt -e 'set ssl_force_tls folder="imaps://${first.name}@localhost:${ports.imaps}/" spoolfile="+INBOX"
                certificate_file=${cert} smtp_url="smtp://${first.name}@localhost:${ports.submission}/"'
  Thunderbird account ${first.name}@${DEMO_DOMAIN}, configure manually:
                incoming  IMAP localhost, port ${ports.imaps}, SSL/TLS, normal password, user ${first.name}
                          (or POP3, port ${ports.pop3s}, SSL/TLS)
                outgoing  SMTP localhost, port ${ports.submissions}, SSL/TLS, normal password, user ${first.name}
                accept the certificate once: it is self-signed
  Plain ports SMTP ${ports.smtp}, IMAP ${ports.imap}, POP3 ${ports.pop3} (with STARTTLS)

  Log         ${folder}/log
  Everything  ${folder} (delete it to start over)
`;
}
