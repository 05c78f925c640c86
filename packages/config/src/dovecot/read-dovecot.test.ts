import { describe, expect, it } from 'vitest';
import { guideDovecotConf, makeMemorySystem } from '../testing/index.ts';
import type { Problem } from '../origin.ts';
import type { DovecotSettings } from './dovecot-settings.ts';
import { readDovecot } from './read-dovecot.ts';
import { checkDovecot } from './report.ts';

const FILE = '/etc/dovecot/dovecot.conf';
const read = (text: string): DovecotSettings =>
  readDovecot(FILE, makeMemorySystem({ files: { [FILE]: text } }));
const refusals = (text: string): Problem[] =>
  checkDovecot(read(text)).filter(({ severity }) => severity === 'refuse');
const endpoints = ({ listeners }: DovecotSettings): string[] =>
  listeners.map(
    ({ protocol, address, port, implicitTls }) =>
      `${protocol} ${address} ${port}${implicitTls ? ' tls' : ''}`,
  );

const MODERN = `listen = *
ssl = required
ssl_cert = </etc/ssl/c.pem
ssl_key = </etc/ssl/k.pem
mail_location = maildir:~/mail:LAYOUT=fs:INBOX=%h/mail/
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
`;

const NEWEST = `dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {
  imap = yes
  pop3 = yes
}
listen = *
mail_driver = maildir
mail_path = ~/mail
mail_inbox_path = ~/mail/
mailbox_list_layout = fs
auth_allow_cleartext = yes
auth_mechanisms = plain login
ssl_server_cert_file = /etc/ssl/c.pem
ssl_server_key_file = /etc/ssl/k.pem
passdb pam {
  service_name = mail
}
userdb passwd {
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    auto = subscribe
    special_use = \\Sent
  }
}
protocol pop3 {
  mail_max_userip_connections = 3
}
`;

describe('readDovecot', () => {
  it('reads the guide’s file', () => {
    const settings = read(guideDovecotConf);
    expect(settings).toMatchObject({
      isPresent: true,
      dialect: '1.x',
      ssl: 'yes',
      certificate: { certFile: '/etc/ssl/certs/postfix.pem', keyFile: '/etc/ssl/private/postfix.key' },
      mailLocation: { driver: 'maildir', path: '~/mail', layout: 'fs', inboxPath: '~/mail/' },
      mailPrivilegedGroup: 'mail',
      auth: {
        mechanisms: ['PLAIN', 'LOGIN'],
        disablePlaintext: true,
        pamService: 'dovecot',
        passdbDrivers: ['pam'],
        userdbDrivers: ['passwd'],
        clientSockets: [
          { path: '/var/spool/postfix/private/auth', mode: 0o660, user: 'postfix', group: 'postfix' },
        ],
      },
      pop3: { uidlFormat: '%08Xu%08Xv', mailMaxUseripConnections: 10 },
      firstValidUid: 500,
    });
    expect(endpoints(settings)).toEqual([
      'imap 0.0.0.0 143',
      'imap :: 143',
      'imap 0.0.0.0 993 tls',
      'imap :: 993 tls',
      'pop3 0.0.0.0 110',
      'pop3 :: 110',
      'pop3 0.0.0.0 995 tls',
      'pop3 :: 995 tls',
    ]);
    expect(checkDovecot(settings)).toEqual([
      expect.objectContaining({ severity: 'notice', name: 'log_timestamp', line: 2 }),
      expect.objectContaining({ severity: 'notice', name: 'mail_privileged_group', line: 3 }),
    ]);
  });

  it('reads 2.3', () => {
    const settings = read(
      `${MODERN}
protocols = imap
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    address = 127.0.0.1, ::1
    port = 10993
    ssl = yes
  }
  inet_listener extra {
    port = 10143
  }
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    special_use = \\Sent
    auto = subscribe
  }
  mailbox "Sent Messages" {
    special_use = \\Sent
  }
}
namespace inbox {
  mailbox Trash {
    special_use = \\Trash
  }
}
service auth {
  unix_listener auth-userdb {
    mode = 0666
  }
  unix_listener /var/spool/postfix/private/auth {
    mode = 0666
  }
}
protocol imap {
  mail_max_userip_connections = 20
  imap_idle_notify_interval = 29 mins
}
`,
    );
    expect(endpoints(settings)).toEqual([
      'imap 127.0.0.1 10993 tls',
      'imap ::1 10993 tls',
      'imap 0.0.0.0 10143',
    ]);
    expect(settings).toMatchObject({
      dialect: '2.3',
      ssl: 'required',
      mailLocation: { inboxPath: '%h/mail/' },
      imap: { mailMaxUseripConnections: 20, idleNotifyInterval: 1740 },
      pop3: { mailMaxUseripConnections: 10 },
      auth: { clientSockets: [{ path: '/var/spool/postfix/private/auth' }], usernameFormat: '%Lu' },
    });
    expect(settings.specialMailboxes).toEqual([
      { name: 'Sent', uses: ['\\Sent'], auto: 'subscribe' },
      { name: 'Sent Messages', uses: ['\\Sent'], auto: 'no' },
      { name: 'Trash', uses: ['\\Trash'], auto: 'no' },
    ]);
    expect(settings.setting('mail_max_userip_connections', 'imap')).toBe('20');
    expect(settings.setting('mail_max_userip_connections')).toBe('10');
    expect(checkDovecot(settings)).toEqual([]);
  });

  it('reads 2.4', () => {
    const settings = read(NEWEST);
    expect(checkDovecot(settings)).toEqual([]);
    expect(settings).toMatchObject({
      dialect: '2.4',
      mailLocation: { driver: 'maildir', path: '~/mail', layout: 'fs', inboxPath: '~/mail/' },
      certificate: { certFile: '/etc/ssl/c.pem', keyFile: '/etc/ssl/k.pem' },
      auth: { pamService: 'mail', disablePlaintext: false, mechanisms: ['PLAIN', 'LOGIN'] },
      namespaces: [{ name: 'inbox', separator: '/', isInbox: true }],
      specialMailboxes: [{ name: 'Sent', auto: 'subscribe' }],
      pop3: { mailMaxUseripConnections: 3 },
      imap: { mailMaxUseripConnections: 10 },
    });
    expect(endpoints(settings)).toEqual([
      'imap 0.0.0.0 143',
      'imap 0.0.0.0 993 tls',
      'pop3 0.0.0.0 110',
      'pop3 0.0.0.0 995 tls',
    ]);
  });

  it('reads 1.x listeners with ports', () => {
    const text = `protocols = imap imaps pop3
auth default {
  passdb pam {
    args = session=yes *
  }
}
ssl_disable = no
ssl_cert_file = /c
ssl_key_file = /k
mail_location = maildir:~/Maildir
protocol imap {
  listen = *:10143
  ssl_listen = 127.0.0.1:10993
}
listen = 192.0.2.1
`;
    const settings = read(text);
    expect(endpoints(settings)).toEqual([
      'imap 0.0.0.0 10143',
      'imap 127.0.0.1 10993 tls',
      'pop3 192.0.2.1 110',
      'pop3 192.0.2.1 995 tls',
    ]);
    expect(endpoints(read(text.replace('imap imaps pop3', 'imaps')))).toEqual(['imap 127.0.0.1 10993 tls']);
    expect(settings.auth.pamService).toBe('%s');
    expect(settings.mailLocation.layout).toBe('maildir++');
  });

  it('closes the TLS ports with ssl = no', () => {
    expect(endpoints(read(`${MODERN}ssl = no\nprotocols = pop3\n`))).toEqual(['pop3 0.0.0.0 110']);
  });

  it('serves nothing without a file', () => {
    const settings = readDovecot(FILE, makeMemorySystem());
    expect(settings).toMatchObject({ isPresent: false, listeners: [] });
    expect(checkDovecot(settings)).toEqual([expect.objectContaining({ severity: 'notice' })]);
  });
});

describe('checkDovecot', () => {
  it('finds nothing to refuse in a plain file', () => expect(refusals(MODERN)).toEqual([]));

  it.each([
    ['passdb {\n driver = ldap\n}', 'ldap'],
    ['passdb {\n driver = passwd-file\n args = /x\n}', 'passwd-file'],
    ['passdb {\n driver = pam\n deny = yes\n}', 'yes'],
    ['passdb {\n driver = pam\n override_fields = allow_nets=127.0.0.0/8\n}', 'allow_nets=127.0.0.0/8'],
    ['userdb {\n driver = static\n args = uid=vmail\n}', 'static'],
    ['mail_plugins = quota acl', 'acl'],
    ['protocol imap {\n mail_plugins = acl\n}', 'acl'],
    ['protocol imap {\n ssl = no\n}', 'no'],
    ['protocol imap {\n passdb {\n driver = pam\n }\n}', ''],
    ['remote 10.0.0.0/8 {\n disable_plaintext_auth = no\n}', 'disable_plaintext_auth'],
    ['local 192.0.2.1 {\n ssl_cert = </x\n}', 'ssl_cert'],
    ['local_name x.org {\n auth_mechanisms = plain\n}', 'auth_mechanisms'],
    ['auth_policy_server_url = http://x', 'http://x'],
    ['login_access_sockets = tcpwrap', 'tcpwrap'],
    ['auth_ssl_require_client_cert = yes', 'yes'],
    ['auth_mechanisms = cram-md5', 'cram-md5'],
    ['mail_location = mbox:~/mail', 'mbox:~/mail'],
    ['mail_location = maildir:~/mail:INBOX=/var/mail/%u', 'maildir:~/mail:INBOX=/var/mail/%u'],
    ['mail_location = maildir:~/mail:CONTROL=/c/%u', 'maildir:~/mail:CONTROL=/c/%u'],
    ['mail_location = maildir:~/mail:DIRNAME=x', 'maildir:~/mail:DIRNAME=x'],
    ['ssl = maybe', 'maybe'],
    ['namespace x {\n prefix = a/\n}', 'x'],
    ['service imap-login {\n inet_listener imap {\n haproxy = yes\n }\n}', 'yes'],
    ['service imap-login {\n inet_listener imap {\n port = many\n }\n}', 'many'],
    ['listen = nowhere', 'nowhere'],
  ])('refuses %j', (text, value) => {
    const base =
      text.startsWith('passdb') || text.startsWith('userdb') ? MODERN.replace(/passdb[^]*/, '') : MODERN;
    const found = refusals(`${base}${text}\n`);
    expect(found.length).toBe(1);
    expect(found[0]).toMatchObject({ value, file: FILE });
    expect(found[0]?.line).toBeGreaterThan(base.split('\n').length - 1);
  });

  it('asks for a certificate', () => {
    expect(refusals('mail_location = maildir:~/mail\npassdb {\n driver = pam\n}\n')).toEqual([
      expect.objectContaining({ name: 'ssl_cert' }),
    ]);
  });

  it('reports what has no effect, once, with what happens instead', () => {
    const notices = checkDovecot(
      read(
        `${MODERN}auth_debug = yes\nmail_debg = yes\nplugin {\n quota = x\n}\nservice imap {\n process_limit = 5\n}\n`,
      ),
    );
    expect(notices.map(({ severity, name, line }) => [severity, name, line])).toEqual([
      ['notice', 'auth_debug', 12],
      ['notice', 'mail_debg', 13],
      ['notice', 'quota', 15],
      ['notice', 'service imap', 18],
    ]);
    expect(notices[1]?.message).toContain('did you mean mail_debug?');
  });

  it('takes prefix and separator of namespaces', () => {
    const text = `${MODERN.replace('LAYOUT=fs', 'INDEX=/i/%u')}namespace inbox {
 inbox = yes
 prefix = INBOX.
 separator = .
}
`;
    const { problems, namespaces } = read(text);
    expect(problems).toEqual([]);
    expect(namespaces).toMatchObject([{ prefix: 'INBOX.', separator: '.', isInbox: true }]);
  });
});
