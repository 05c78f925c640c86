// A full mailbox as its sender, its owner and Dovecot see it: mail that does not fit comes back or waits as configured, and
// what is known of the sum is the same to Dovecot afterwards.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { HOSTNAME, NO_SETTINGS } from '../support/guide-config.ts';
import { inbox, sendMail, statusesOf } from '../support/local-mail.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, startOurs, TestBed } from '../support/world.ts';

const QUOTA = [
  'mail_plugins = quota',
  'plugin {',
  '  quota = maildir:User quota',
  '  quota_rule = *:storage=20K',
  '  quota_exceeded_message = No room for this here',
  '}',
];

describeAsRoot('a full mailbox', () => {
  let bed: TestBed;
  let world: OurWorld | undefined;

  beforeAll(async () => {
    bed = await TestBed.open('quota');
  });

  afterAll(async () => {
    await world?.stop();
    await bed.close();
  });

  const start = async (lines: readonly string[], main: readonly string[] = []): Promise<OurWorld> => {
    await world?.stop();
    world = await startOurs(bed, { settings: { ...NO_SETTINGS, main, dovecot: [...QUOTA, ...lines] } });
    return world;
  };

  const fill = async (running: OurWorld, to: string): Promise<void> => {
    await sendMail(running, { from: 'bob@example.com', to, body: 'x'.repeat(900).concat('\r\n').repeat(15) });
  };

  it('sends back what does not fit, and keeps a sum that Dovecot goes on with', async () => {
    const running = await start([]);
    const account = bed.users.one();
    const to = `${account.name}@${HOSTNAME}`;
    await fill(running, to);
    await eventually(() => expect(inbox(account)).toHaveLength(1));
    await fill(running, to);
    await eventually(() => {
      const [first, second] = statusesOf(running.log(), to);
      expect(first).toMatchObject({ status: 'sent' });
      expect(second).toMatchObject({ dsn: '5.2.2', status: 'bounced' });
    });
    expect(running.log()).toContain('No room for this here');
    await sendMail(running, { from: 'bob@example.com', to, body: 'small' });
    await eventually(() => expect(inbox(account)).toHaveLength(2));
    // The sum follows the message.
    await eventually(() => {
      const root = path.join(account.home, 'mail');
      const sizes = fs.readdirSync(path.join(root, 'new')).map((name) => Number(/,S=(\d+)/.exec(name)?.[1]));
      const [head, ...lines] = fs.readFileSync(path.join(root, 'maildirsize'), 'utf8').trim().split('\n');
      expect(head).toBe('20480S');
      const told = lines.reduce((sum, line) => sum + Number(line.split(' ')[0]), 0);
      expect(told).toBe(sizes.reduce((sum, size) => sum + size, 0));
      expect(fs.statSync(path.join(root, 'maildirsize')).uid).toBe(account.uid);
    });
  });

  it('lets it wait where quota_full_tempfail says so', async () => {
    const running = await start(['quota_full_tempfail = yes']);
    const account = bed.users.one();
    const to = `${account.name}@${HOSTNAME}`;
    await fill(running, to);
    await eventually(() => expect(inbox(account)).toHaveLength(1));
    await fill(running, to);
    await eventually(() =>
      expect(statusesOf(running.log(), to)[1]).toMatchObject({ dsn: '4.2.2', status: 'deferred' }),
    );
    expect(inbox(account)).toHaveLength(1);
  });

  it('is told at RCPT where main.cf asks the quota-status service', async () => {
    const running = await start(
      [
        'service quota-status {',
        '  executable = quota-status -p postfix',
        '  inet_listener {',
        '    port = 12340',
        '  }',
        '}',
        'plugin {',
        '  quota_status_success = DUNNO',
        '}',
      ],
      [
        'smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:12340, permit_mynetworks, reject_unauth_destination',
      ],
    );
    const account = bed.users.one();
    const to = `${account.name}@${HOSTNAME}`;
    await fill(running, to);
    await eventually(() => expect(inbox(account)).toHaveLength(1));
    const client = await SmtpClient.connect({ port: running.ports.smtp });
    await client.command('MAIL FROM:<bob@example.com> SIZE=14000', '250');
    expect(await client.command(`RCPT TO:<${to}>`, '554')).toEqual([
      `554 5.2.2 <${to}>: Recipient address rejected: No room for this here`,
    ]);
    await client.command('RSET', '250');
    await client.command('MAIL FROM:<bob@example.com> SIZE=100', '250');
    await client.command(`RCPT TO:<${to}>`, '250');
    await client.quit();
  });
});
