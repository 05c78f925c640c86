// swaks, the Swiss army knife: plain, STARTTLS, AUTH PLAIN and LOGIN, submission and implicit TLS. What counts is what
// lies in the Maildir afterwards.

import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readMessages } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { type ProgramArguments, type ProgramResult, runProgram } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';

describeWithWorld('swaks', (running) => {
  const swaks = (port: number, args: ProgramArguments): Promise<ProgramResult> =>
    runProgram('swaks', [
      '--server',
      '127.0.0.1',
      '--port',
      String(port),
      '--helo',
      'client.example',
      ...args,
    ]);

  const arrived = (account: Account, count = 1): Promise<string[]> =>
    eventually(() => {
      const messages = readMessages(account.home);
      expect(messages).toHaveLength(count);
      return messages.map((message) => message.bytes.toString('latin1'));
    });

  it('sends in the clear', async () => {
    const account = running.account();
    const sent = await swaks(running.world.ports.smtp, [
      ['--from', 'bob@sender.example', '--to', `${account.name}@example.com`],
      ['--header', 'Subject: from swaks', '--body', 'first\n.\n.hidden\nlast'],
    ]);
    expect(sent.stdout).toMatch(/<-\s+250 2\.0\.0 Ok: queued as [0-9A-F]+/);
    const [text] = await arrived(account);
    expect(text).toMatch(/^Return-Path: <bob@sender\.example>\n/);
    expect(text).toContain('Subject: from swaks\n');
    expect(text).toContain('\nfirst\n.\n.hidden\nlast\n');
    expect(text).toMatch(/ with ESMTP id [0-9A-F]+\n/);
    expect(text).not.toContain('\r');
  });

  it('sends after STARTTLS', async () => {
    const account = running.account();
    const sent = await swaks(running.world.ports.smtp, [
      ['--tls', '--from', 'bob@sender.example', '--to', `${account.name}@localhost`],
    ]);
    expect(sent.stdout).toMatch(/=== TLS started with cipher TLSv1\.[23]/);
    const [text] = await arrived(account);
    expect(text).toMatch(/\(using TLSv1\.[23] with cipher \S+ \(256\/256 bits\)/);
    expect(text).toMatch(/ with ESMTPS id /);
  });

  const authenticated: [string, 'submission' | 'smtps' | 'smtp', string, string][] = [
    ['AUTH PLAIN over submission', 'submission', '--tls', 'PLAIN'],
    ['AUTH LOGIN over submission', 'submission', '--tls', 'LOGIN'],
    ['AUTH PLAIN over implicit TLS', 'smtps', '--tls-on-connect', 'PLAIN'],
    ['AUTH LOGIN over implicit TLS', 'smtps', '--tls-on-connect', 'LOGIN'],
    ['AUTH PLAIN in the clear on port 25', 'smtp', '--pipeline', 'PLAIN'],
  ];
  it.each(authenticated)('%s', async (_name, service, tls, mechanism) => {
    const account = running.account();
    const sent = await swaks(running.world.ports[service], [
      [tls, '--auth', mechanism, '--auth-user', account.name, '--auth-password', account.password],
      ['--from', `${account.name}@example.com`, '--to', `${account.name}@example.com`],
    ]);
    expect(sent.stdout).toContain('235 2.7.0 Authentication successful');
    const [text] = await arrived(account);
    expect(text).toMatch(tls === '--pipeline' ? / with ESMTPA id / : / with ESMTPSA id /);
  });

  it('is refused with a wrong password, and nothing is sent', async () => {
    const account = running.account();
    const sent = await swaks(running.world.ports.submission, [
      ['--tls', '--auth', 'PLAIN', '--auth-user', account.name, '--auth-password', 'wrong'],
      ['--from', `${account.name}@example.com`, '--to', `${account.name}@example.com`],
    ]);
    expect(sent.stdout).toMatch(/<~\*\s+535 5\.7\.8 Error: authentication failed/);
    expect(sent.stdout).not.toContain('RCPT');
    expect(readMessages(account.home)).toEqual([]);
    expect(running.world.log()).not.toContain(account.password);
  });

  it('delivers eight-bit text and attachments unchanged', async () => {
    const account = running.account();
    const body = `Grüße, ${'日本語'.repeat(20)}\n\ttab\n trailing space \n`;
    await swaks(running.world.ports.smtp, [
      ['--from', 'bob@sender.example', '--to', `${account.name}@example.com`, '--body', body],
    ]);
    const [text] = await arrived(account);
    expect(text).toContain(Buffer.from(body).toString('latin1'));
  });
});
