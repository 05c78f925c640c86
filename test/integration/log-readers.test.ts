// The programs that administrators let read their mail log: fail2ban's filters for Postfix and Dovecot must find the
// attacks in ours, and pflogsumm the mail.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { ImapClient, Pop3Client, SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { mustRun } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';

const STRANGER = '127.0.0.2';

describeWithWorld('the log', (running) => {
  /** The log so far, as a file. */
  const logFile = (): string => {
    const file = path.join(running.clientFolder(), 'mail.log');
    fs.writeFileSync(file, running.world.log());
    return file;
  };

  /** How many lines the filter takes for attacks, and from where. */
  const fail2ban = async (filter: string): Promise<{ matched: number; addresses: Set<string> }> => {
    const { stdout } = await mustRun('fail2ban-regex', [
      ...['--print-all-matched', '--datepattern', '^%b +%d %H:%M:%S'],
      ...[logFile(), filter],
    ]);
    const matched = Number(/^Lines: .* (\d+) matched/m.exec(stdout)?.[1]);
    const addresses = new Set([...stdout.matchAll(/(?:rip=|,|\[)(127\.0\.0\.\d+)/g)].map((m) => m[1] ?? ''));
    return { matched, addresses };
  };

  it('tells fail2ban of wrong passwords and of relaying', async () => {
    const account = running.account();
    const wrong = { name: account.name, password: 'wrong' };
    const { ports } = running.world;
    await expect(
      ImapClient.login({ port: ports.imaps, secure: true, from: STRANGER }, wrong),
    ).rejects.toThrow();
    await expect(
      Pop3Client.login({ port: ports.pop3s, secure: true, from: STRANGER }, wrong),
    ).rejects.toThrow();
    const smtp = await SmtpClient.connect({ port: ports.smtp, from: STRANGER });
    await smtp.command(`AUTH PLAIN ${Buffer.from(`\0${account.name}\0wrong`).toString('base64')}`, '535');
    await smtp.command('MAIL FROM:<x@sender.example>', '250');
    await smtp.command('RCPT TO:<someone@remote.example>', '454');
    await smtp.quit();
    await eventually(() => expect(running.world.log()).toMatch(/disconnect from .*127\.0\.0\.2.* auth=0\/1/));
    const dovecot = await fail2ban('dovecot');
    expect(dovecot.matched).toBeGreaterThanOrEqual(2);
    expect(dovecot.addresses).toContain(STRANGER);
    const auth = await fail2ban('postfix[mode=auth]');
    expect(auth.matched).toBe(1);
    expect(auth.addresses).toEqual(new Set([STRANGER]));
    const relaying = await fail2ban('postfix[mode=more]');
    expect(relaying.matched).toBeGreaterThanOrEqual(1);
  });

  it('tells pflogsumm what was received, delivered and rejected', async () => {
    const account = running.account();
    for (const subject of ['one', 'two', 'three']) {
      const smtp = await SmtpClient.connect({ port: running.world.ports.smtp });
      await smtp.deliver(
        'bob@sender.example',
        [`${account.name}@example.com`],
        `Subject: ${subject}\r\n\r\nx\r\n`,
      );
      await smtp.quit();
    }
    await eventually(() =>
      expect(running.world.log().match(/status=sent/g)?.length).toBeGreaterThanOrEqual(3),
    );
    const sent = running.world.log().match(/status=sent/g)?.length ?? 0;
    const { stdout } = await mustRun('pflogsumm', [logFile()]);
    expect(Number(/^\s*(\d+)\s+received$/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(3);
    expect(Number(/^\s*(\d+)\s+delivered$/m.exec(stdout)?.[1])).toBe(sent);
    expect(Number(/^\s*(\d+)\s+rejected /m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(1);
    expect(stdout).toContain('bob@sender.example');
  });
});
