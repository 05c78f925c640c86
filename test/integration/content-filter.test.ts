// Content filters, checks and domains of others, with the whole daemon: what an action does to mail, where it ends up.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SmtpClient } from '../support/clients.ts';
import { Commands } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { makeFolder } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { freePorts } from '../support/ports.ts';
import { ScriptedMx } from '../support/scripted-mx.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

describeAsRoot('content filters and checks', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let bob: Account;
  let filter: ScriptedMx;
  let lmtp: ScriptedMx;
  let filterPort = 0;
  let afterPort = 0;
  let commands: Commands;

  beforeAll(async () => {
    bed = await TestBed.open('content-filter');
    [bob] = bed.users.create(1) as [Account];
    makeFolder(bob, 'INBOX');
    const [a = 0, b = 0, c = 0] = await freePorts(3);
    filterPort = a;
    afterPort = b;
    filter = await ScriptedMx.start('127.0.0.1', filterPort);
    lmtp = await ScriptedMx.start('127.0.0.1', c, { lmtp: true });
    const tables = bed.newFolder('tables');
    const table = (name: string, text: string): string => {
      fs.writeFileSync(path.join(tables, name), text);
      return path.join(tables, name);
    };
    const checks = table(
      'checks',
      `/^Subject: hold/ HOLD\n/^Subject: discard/ DISCARD\n/^Subject: refuse/ REJECT no such words\n` +
        `/^Subject: redirect/ REDIRECT ${bob.name}@example.com\n`,
    );
    ours = await startOurs(bed, {
      settings: {
        main: [
          `content_filter = scan:[127.0.0.1]:${filterPort}`,
          `header_checks = pcre:${checks}`,
          `virtual_mailbox_domains = boxes.example`,
          `virtual_transport = lmtp:inet:127.0.0.1:${c}`,
          `relocated_maps = texthash:${table('relocated', 'gone@example.com new@elsewhere.example\n')}`,
          'local_recipient_maps =',
          'smtpd_recipient_restrictions = permit_mynetworks, reject',
        ],
        dovecot: [],
        aliases: [`team: ${bob.name}`],
        virtual: [`list@example.com team@example.com`],
      },
      extraMaster: [
        'scan unix - - n - 2 smtp',
        `127.0.0.1:${afterPort} inet n - n - - smtpd`,
        '  -o content_filter=',
        '  -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_milters,no_address_mappings',
      ],
    });
    commands = new Commands({
      folder: bed.newFolder('commands'),
      dataDir: ours.dataDir,
      postfixDir: ours.config.postfixDir,
    });
  });
  afterAll(async () => {
    await ours?.stop();
    await filter?.stop();
    await lmtp?.stop();
    await bed?.close();
  });

  async function send(port: number, to: string, text: string, code = '250'): Promise<string> {
    const client = await SmtpClient.connect({ port });
    await client.command(`MAIL FROM:<${bob.name}@example.com>`, '250');
    await client.command(`RCPT TO:<${to}>`, '250');
    await client.command('DATA', '354');
    const reply = await client.command(`${text}.`, code);
    await client.quit();
    return reply.join(' ');
  }

  const mailbox = (): string[] => {
    const folder = path.join(bob.home, 'mail/new');
    return fs.existsSync(folder)
      ? fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name), 'latin1'))
      : [];
  };
  const arrivedWith = async (subject: string): Promise<string> =>
    await eventually(() => {
      const found = mailbox().find(
        (text) => text.includes(`Subject: ${subject}\r\n`) || text.includes(`Subject: ${subject}\n`),
      );
      if (found === undefined) throw new Error(`nothing about ${subject}`);
      return found;
    });

  it('sends mail through the filter, which hands it back for delivery', async () => {
    expect(await send(ours.ports.smtp, 'list@example.com', 'Subject: filtered\r\n\r\nhello\r\n')).toMatch(
      /^250/,
    );
    const taken = await eventually(() => {
      const mail = filter.taken.find(({ octets }) => octets.includes('Subject: filtered'));
      if (mail === undefined) throw new Error('the filter was not asked');
      return mail;
    });
    // Virtual aliases are expanded before the filter, aliases of the local delivery after it.
    expect(taken.commands.find((line) => line.startsWith('RCPT'))).toBe('RCPT TO:<team@example.com>');
    expect(mailbox()).toEqual([]);
    await send(afterPort, 'team@example.com', `X-Scanned: yes\r\n${taken.octets}`);
    expect(await arrivedWith('filtered')).toMatch(/X-Scanned: yes\r?\n/);
    expect(filter.taken).toHaveLength(1);
  });

  it('hands mail for domains of others to their LMTP server', async () => {
    await send(afterPort, 'who@boxes.example', 'Subject: boxed\r\n\r\nhello\r\n');
    await eventually(() => expect(lmtp.taken).toHaveLength(1));
    expect(lmtp.taken[0]?.commands).toContain('RCPT TO:<who@boxes.example>');
    expect(lmtp.lines.some((line) => line.startsWith('LHLO '))).toBe(true);
  });

  it('refuses, holds, throws away and redirects what checks say', async () => {
    expect(await send(ours.ports.smtp, 'x@example.com', 'Subject: refuse\r\n\r\n', '550')).toBe(
      '550 5.7.1 no such words',
    );
    const held =
      /queued as (\w+)/.exec(await send(ours.ports.smtp, 'x@example.com', 'Subject: hold\r\n\r\n'))?.[1] ??
      '';
    const listed = await commands.run('mailq', []);
    expect(listed.stdout).toContain(`${held}!`);
    expect(await send(ours.ports.smtp, 'x@example.com', 'Subject: discard\r\n\r\n')).toMatch(/^250/);
    await send(ours.ports.smtp, 'x@example.com', 'Subject: redirect\r\n\r\n');
    await arrivedWith('redirect');
    expect(filter.taken).toHaveLength(1);
  });

  it('returns what sendmail brought and a check refuses', async () => {
    const sent = await commands.run('sendmail', ['who@example.com'], {
      account: bob,
      input: 'Subject: refuse this\n\nbody\n',
    });
    expect(sent.code).toBe(0);
    await ours.daemon.waitForLog(/status=bounced \(no such words\)/);
    // The notification itself is ours and goes through no filter.
    const notice = await eventually(() => {
      const found = mailbox().find((text) => text.includes('no such words'));
      if (found === undefined) throw new Error('no notification');
      return found;
    });
    expect(notice).toContain('5.7.1');
    expect(notice).not.toContain('\nbody');
  });

  it('tells where a user moved', async () => {
    const client = await SmtpClient.connect({ port: ours.ports.smtp });
    await client.command('MAIL FROM:<x@y.example>', '250');
    expect((await client.command('RCPT TO:<gone@example.com>', '550')).join(' ')).toMatch(
      /550 5\.1\.6 <gone@example\.com>: Recipient address rejected: User has moved to new@elsewhere\.example/,
    );
    await client.quit();
    await send(afterPort, 'gone@example.com', 'Subject: moved\r\n\r\n');
    await ours.daemon.waitForLog(/to=<gone@example\.com>.*dsn=5\.1\.6, status=bounced \(User has moved to/);
  });
});
