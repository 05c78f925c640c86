// curl speaks SMTP, IMAP and POP3, with and without TLS. The certificate is checked where TLS is used.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readMessages, writeMaildir } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { type ProgramArguments, mustRun, runProgram } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';

const MESSAGE = 'From: bob@sender.example\r\nSubject: by curl\r\n\r\nhello\r\n.dot\r\n';

describeWithWorld('curl', (running) => {
  const curl = async (account: Account, args: ProgramArguments): Promise<string> => {
    const { stdout } = await mustRun('curl', [
      ['--silent', '--show-error', '--cacert', running.bed.certificate.certFile],
      ['--user', `${account.name}:${account.password}`],
      ...args,
    ]);
    return stdout;
  };

  const withMail = (): Account => {
    const account = running.account();
    writeMaildir(account, {
      mails: [
        { folder: 'INBOX', flags: ['\\Seen'], fresh: false, text: 'Subject: one\n\nfirst\n' },
        { folder: 'INBOX', flags: [], fresh: true, text: 'Subject: two\n\n.second\n' },
      ],
    });
    return account;
  };

  const sending: [string, 'smtp' | 'submission' | 'smtps', string, readonly string[]][] = [
    ['in the clear', 'smtp', 'smtp', []],
    ['with STARTTLS', 'submission', 'smtp', ['--ssl-reqd']],
    ['over implicit TLS', 'smtps', 'smtps', []],
  ];
  it.each(sending)('sends %s', async (_name, service, scheme, options) => {
    const account = running.account();
    const file = path.join(running.clientFolder(), 'mail.eml');
    fs.writeFileSync(file, MESSAGE);
    await curl(account, [
      ...options,
      `${scheme}://localhost:${running.world.ports[service]}/client.example`,
      ['--mail-from', `${account.name}@example.com`, '--mail-rcpt', `${account.name}@example.com`],
      ['--upload-file', file],
    ]);
    const messages = await eventually(() => {
      const found = readMessages(account.home);
      expect(found).toHaveLength(1);
      return found;
    });
    const text = messages[0]?.bytes.toString('latin1') ?? '';
    expect(text).toContain('\nFrom: bob@sender.example\nSubject: by curl\n');
    expect(text).toMatch(/\n\nhello\n\.dot\n$/);
  });

  const reading: [string, 'imap' | 'imaps', readonly string[]][] = [
    ['in the clear', 'imap', []],
    ['with STARTTLS', 'imap', ['--ssl-reqd']],
    ['over implicit TLS', 'imaps', []],
  ];
  it.each(reading)('reads by IMAP %s', async (_name, service, options) => {
    const account = withMail();
    const base = `${service}://localhost:${running.world.ports[service]}`;
    expect(await curl(account, [...options, `${base}/INBOX;MAILINDEX=1`])).toBe(
      'Subject: one\r\n\r\nfirst\r\n',
    );
    expect(await curl(account, [...options, `${base}/INBOX;UID=2/;SECTION=TEXT`])).toBe('.second\r\n');
    const flags = await curl(account, [...options, `${base}/INBOX`, '--request', 'FETCH 1:2 (UID FLAGS)']);
    expect(flags).toMatch(/^\* 1 FETCH \(UID 1 FLAGS \(\\Seen\s*(?:\\Recent)?\)\)\r\n/);
    expect(await curl(account, [...options, `${base}/INBOX?UNSEEN`])).toBe('* SEARCH\r\n');
  });

  it('appends, flags and expunges by IMAP', async () => {
    const account = withMail();
    const base = `imaps://localhost:${running.world.ports.imaps}`;
    const file = path.join(running.clientFolder(), 'mail.eml');
    fs.writeFileSync(file, MESSAGE);
    await curl(account, [`${base}/INBOX`, '--upload-file', file]);
    expect(readMessages(account.home)).toHaveLength(3);
    await curl(account, [`${base}/INBOX`, '--request', 'STORE 1 +FLAGS (\\Deleted)']);
    await curl(account, [`${base}/INBOX`, '--request', 'EXPUNGE']);
    const left = readMessages(account.home).map((message) => message.bytes.toString('latin1'));
    expect(left.toSorted()).toEqual([MESSAGE.replaceAll('\r', ''), 'Subject: two\n\n.second\n'].toSorted());
  });

  const popping: [string, 'pop3' | 'pop3s', readonly string[]][] = [
    ['in the clear', 'pop3', []],
    ['with STLS', 'pop3', ['--ssl-reqd']],
    ['over implicit TLS', 'pop3s', []],
  ];
  it.each(popping)('reads by POP3 %s', async (_name, service, options) => {
    const account = withMail();
    const base = `${service}://localhost:${running.world.ports[service]}`;
    expect(await curl(account, [...options, `${base}/2`])).toBe('Subject: two\r\n\r\n.second\r\n');
    const list = await curl(account, [...options, base]);
    expect(list).toBe('1 23\r\n2 25\r\n');
    const uidl = await curl(account, [...options, base, '--request', 'UIDL']);
    expect(uidl).toMatch(/^1 00000001[0-9a-f]{8}\r\n2 00000002[0-9a-f]{8}\r\n$/);
    await curl(account, [...options, `${base}/1`, '--request', 'DELE', '--list-only']);
    await eventually(() => expect(readMessages(account.home)).toHaveLength(1));
  });

  it('is refused with a wrong password', async () => {
    const account = { ...withMail(), password: 'wrong' };
    const result = await runProgram('curl', [
      ['--silent', '--show-error', '--insecure', '--user', `${account.name}:${account.password}`],
      `imaps://localhost:${running.world.ports.imaps}/INBOX;MAILINDEX=1`,
    ]);
    expect(result.stdout).toBe('');
    expect(result.code).toBe(67);
  });
});
