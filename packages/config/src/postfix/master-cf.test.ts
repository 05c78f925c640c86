import { describe, expect, it } from 'vitest';
import { parseMasterCf } from './master-cf.ts';

describe('parseMasterCf', () => {
  it('reads rows with their overrides', () => {
    const { services, problems } = parseMasterCf(
      'master.cf',
      `# comment
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       5       smtpd -v
  -o syslog_name=postfix/submission
  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }
  -osmtpd_tls_security_level=encrypt
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d \${recipient}
`,
    );
    expect(problems).toEqual([]);
    expect(
      services.map(({ name, type, command, processLimit }) => [name, type, command, processLimit]),
    ).toEqual([
      ['smtp', 'inet', 'smtpd', undefined],
      ['submission', 'inet', 'smtpd', 5],
      ['maildrop', 'unix', 'pipe', undefined],
    ]);
    const submission = services[1];
    expect(submission?.arguments).toEqual(['-v']);
    expect(
      [...(submission?.overrides ?? [])].map(([name, { value, origin }]) => [name, value, origin.line]),
    ).toEqual([
      ['syslog_name', 'postfix/submission', 4],
      ['smtpd_client_restrictions', 'permit_sasl_authenticated, reject', 5],
      ['smtpd_tls_security_level', 'encrypt', 6],
    ]);
  });

  it('keeps the last of two rows for one service', () => {
    const text = 'smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\nsmtp inet n - n - 1 smtpd\n';
    const { services, problems } = parseMasterCf('master.cf', text);
    expect(services.map(({ type, processLimit }) => [type, processLimit])).toEqual([
      ['inet', 1],
      ['unix', undefined],
    ]);
    expect(problems).toEqual([expect.objectContaining({ severity: 'notice', line: 3, name: 'smtp' })]);
  });

  it.each([
    ['smtp inet n - n - smtpd', 'eight columns'],
    ['smtp tcp n - n - - smtpd', 'tcp'],
    ['smtp inet x - n - - smtpd', '"x"'],
    ['smtp inet n - n soon - smtpd', 'soon'],
    ['smtp inet n - n - 5? smtpd', '5?'],
    ['smtp inet n - n - - smtpd -o nonsense', 'nonsense'],
    ['smtp inet n - n - - smtpd -o { a = b', 'not closed'],
    [' smtp inet n - n - - smtpd', 'white space'],
  ])('refuses %j', (row, word) => {
    const { problems } = parseMasterCf('master.cf', row);
    expect(problems).toEqual([expect.objectContaining({ severity: 'refuse', line: 1 })]);
    expect(problems[0]?.message).toContain(word);
  });
});
