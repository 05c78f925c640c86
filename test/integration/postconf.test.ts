// postconf beside the real one: the same options on the same files give the same words, exit status and files. Needs
// no root.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../support/postcote-daemon.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const REAL = ['/usr/sbin/postconf', '/sbin/postconf'].find((file) => fs.existsSync(file));
const OURS = path.join(REPOSITORY, 'libexec/postconf');

const MAIN = `# a comment
myhostname = mail.example.org
mydestination = $myhostname, localhost,
   example.org
relayhost = [smtp.example.com]:587
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions =
    permit_mynetworks,
    # a comment within
    reject_unauth_destination
 check_policy_service inet:127.0.0.1:10023
virtual_alias_maps = hash:/etc/postfix/virtual
custom_thing = $myhostname
smtpd_client_restrictions = \${custom_thing?permit}
smtpd_restriction_classes = strict
strict = reject
mispelt_parameter = x
message_size_limit = 20480000
compatibility_level = 3.6
`;

const MASTER = `# a comment
smtp      inet  n       -       y       -       -       smtpd
  -o smtpd_proxy_filter=x
# within
  -o { smtpd_client_restrictions = permit_mynetworks, reject }
#smtps inet n - - - - smtpd
submission inet n - y - - smtpd -o syslog_name=postfix/submission -o smtpd_tls_security_level=encrypt
pickup    unix  n       -       y       60      1       pickup

cleanup   unix  n       -       y       -       0       cleanup -v -o mispelt=bar -o always_bcc=y -v
mine      unix  -       n       n       -       -       pipe flags=DRhu user=vmail:vmail argv=/usr/bin/mine -f \${sender} \${recipient}
`;

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  /** In any order: the real one warns in that of its hash table. */
  readonly complaints: readonly string[];
  readonly main: string;
  readonly master: string;
}

describe.skipIf(REAL === undefined)('postconf, beside the real one', () => {
  const folder = makeTempFolder('postconf');
  const at = (name: string): string => path.join(folder.path, name);

  beforeAll(() => fs.chmodSync(folder.path, 0o755));
  afterAll(() => folder.remove());

  const run = (program: string, args: readonly string[]): Outcome => {
    fs.writeFileSync(at('main.cf'), MAIN);
    fs.writeFileSync(at('master.cf'), MASTER);
    const { status, stdout, stderr } = spawnSync(program, ['-c', folder.path, ...args], {
      encoding: 'utf8',
      // It names itself by what it was called.
      argv0: program === REAL ? 'postconf' : program,
    });
    return {
      status,
      stdout,
      complaints: stderr.split('\n').sort(),
      main: fs.readFileSync(at('main.cf'), 'utf8'),
      master: fs.readFileSync(at('master.cf'), 'utf8'),
    };
  };

  it.each<string[]>([
    ['-n'],
    ['-nf'],
    ['-nx'],
    ['-nH'],
    ['-l'],
    ['-f', 'smtpd_recipient_restrictions'],
    ['-h', 'mydestination', 'relayhost'],
    ['-hx', 'mydestination'],
    ['nosuch'],
    ['-d', 'relayhost', 'myhostname', 'smtpd_banner'],
    ['-dx', 'mydomain', 'myorigin'],
    ['-H', 'relayhost'],
    ['-o', 'relayhost=other', 'relayhost'],
    ['-e'],
    ['-e', 'relayhost=', 'myorigin = example.org'],
    ['smtpd_banner=$myhostname hello'],
    ['-X', 'relayhost', 'mydestination'],
    ['-#', 'smtpd_recipient_restrictions'],
    ['-M'],
    ['-Mf'],
    ['-M', 'smtp/inet', 'nosuch'],
    ['-Mh'],
    ['-F'],
    ['-Fh', 'smtp/inet'],
    ['-FH', 'mine/unix'],
    ['-F', '*/*/chroot', 'smtp/inet/command', 'nosuch/inet'],
    ['-F', 'smtp/inet/bogus'],
    ['-P'],
    ['-P', 'submission/inet', 'cleanup/unix/always_bcc', 'nosuch/unix'],
    ['-M', '-e', 'smtp/inet=smtp inet n - n - 10 smtpd -o always_bcc=b'],
    ['-M', '-e', 'new/unix=new unix - n n - - pipe flags=R user=x argv=/bin/true ${recipient}'],
    ['-M', '-X', 'smtp/inet'],
    ['-M', '-#', 'smtp/inet', 'pickup/unix'],
    ['-M', '-X', 'nosuch/inet'],
    ['-M', '-e', 'smtp/inet'],
    ['-M', '-e', 'smtp/inet=smtp inet n'],
    ['-F', '-e', 'submission/inet/chroot=n'],
    ['-F', '-e', 'submission/inet/command=smtpd -v'],
    ['-F', '-e', 'smtp/inet/private=zzz'],
    ['-F', '-e', 'nosuch/inet/chroot=n'],
    ['-F', '-X', 'smtp/inet/chroot'],
    ['-P', '-e', 'submission/inet/syslog_name=new', 'cleanup/unix/myorigin=here'],
    ['-P', '-e', 'submission/inet/syslog_name=a b'],
    ['-P', '-X', 'submission/inet/syslog_name'],
  ])('%s %s %s', (...args) => {
    expect(run(OURS, args)).toEqual(run(REAL ?? '', args));
  });
});
