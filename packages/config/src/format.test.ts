import { describe, expect, it } from 'vitest';
import { readDovecot } from './dovecot/read-dovecot.ts';
import { formatDovecot, formatPostfix } from './format.ts';
import { parseMainCf } from './postfix/main-cf.ts';
import { parseMasterCf } from './postfix/master-cf.ts';
import { PostfixSettings } from './postfix/postfix-settings.ts';
import { guideDovecotConf, makeMemorySystem } from './testing/index.ts';

describe('formatPostfix', () => {
  const main = parseMainCf('/p/main.cf', 'b = $a\na = 1,\n  2\nsmtpd_banner =\n');
  const settings = new PostfixSettings({ main, system: makeMemorySystem() });

  it('prints what is set, sorted, with file and line', () => {
    expect(formatPostfix(settings, { nonDefaultOnly: true })).toBe(
      'a = 1, 2  # /p/main.cf:2\nb = $a  # /p/main.cf:1\nsmtpd_banner =  # /p/main.cf:4\n',
    );
  });

  it('fills names in and adds the services’ own settings on request', () => {
    const master = parseMasterCf('/p/master.cf', 'smtps inet n - n - - smtpd -o x=$b\n');
    const text = formatPostfix(settings, { nonDefaultOnly: true, isExpanded: true, master });
    expect(text).toContain('b = 1, 2  # /p/main.cf:1\n');
    expect(text).toContain('smtps/inet/x = 1, 2  # /p/master.cf:1\n');
  });

  it('prints everything, defaults marked', () => {
    const text = formatPostfix(settings, { nonDefaultOnly: false });
    expect(text).toContain('message_size_limit = 10240000  # default\n');
    expect(text).toContain('myhostname = mail.example.com  # default\n');
    expect(text.split('\n').length).toBeGreaterThan(800);
  });
});

describe('formatDovecot', () => {
  const settings = readDovecot('/d/d.conf', makeMemorySystem({ files: { '/d/d.conf': guideDovecotConf } }));

  it('prints the guide’s file in the words of 2.3', () => {
    expect(formatDovecot(settings, { nonDefaultOnly: true })).toBe(
      [
        'auth_mechanisms = plain login  # /d/d.conf:19',
        'log_timestamp = %Y-%m-%d %H:%M:%S  # /d/d.conf:2',
        'mail_location = maildir:~/mail:LAYOUT=fs:INBOX=~/mail/  # /d/d.conf:6',
        'mail_privileged_group = mail  # /d/d.conf:3',
        'passdb {  # /d/d.conf:20',
        '  driver = pam  # /d/d.conf:20',
        '}',
        'protocols = imap imaps pop3 pop3s  # /d/d.conf:1',
        'service auth {  # /d/d.conf:24',
        '  unix_listener /var/spool/postfix/private/auth {  # /d/d.conf:25',
        '    group = postfix  # /d/d.conf:29',
        '    mode = 0660  # /d/d.conf:27',
        '    type = client  # /d/d.conf:25',
        '    user = postfix  # /d/d.conf:28',
        '  }',
        '}',
        'ssl_cert = </etc/ssl/certs/postfix.pem  # /d/d.conf:4',
        'ssl_key = </etc/ssl/private/postfix.key  # /d/d.conf:5',
        'userdb {  # /d/d.conf:22',
        '  driver = passwd  # /d/d.conf:22',
        '}',
        'protocol pop3 {  # /d/d.conf:11',
        '  pop3_uidl_format = %08Xu%08Xv  # /d/d.conf:12',
        '}',
        '',
      ].join('\n'),
    );
  });

  it('prints everything, defaults marked', () => {
    const text = formatDovecot(settings, { nonDefaultOnly: false });
    expect(text).toContain('mail_max_userip_connections = 10  # default\n');
    expect(text).toContain('first_valid_uid = 500  # default\n');
  });
});
