// Mail handed to a real Dovecot over LMTP: a unix socket and a port; one reply for each recipient, so that of one message one
// copy is kept, one returned and one waits.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { choosePorts } from '../support/guide-config.ts';
import { makeFolder } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { freePorts } from '../support/ports.ts';
import { REPOSITORY } from '../support/postcote-daemon.ts';
import { type RealDovecot, startRealDovecot } from '../support/real-dovecot.ts';
import { mustRun } from '../support/run-program.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

describeAsRoot('LMTP to a real Dovecot', () => {
  let bed: TestBed;
  let dovecot: RealDovecot;
  let ours: OurWorld;
  let sender: Account;
  let kept: Account;
  let full: Account;
  let folder = '';

  beforeAll(async () => {
    bed = await TestBed.open('lmtp');
    [sender, kept, full] = bed.users.create(3) as [Account, Account, Account];
    for (const account of [sender, kept, full]) makeFolder(account, 'INBOX');
    folder = bed.newFolder('dovecot');
    const [port = 0] = await freePorts(1);
    const socket = path.join(folder, 'lmtp');
    dovecot = await startRealDovecot({
      folder,
      ports: await choosePorts(),
      certificate: bed.certificate,
      extraDovecot: [
        'protocols = imap pop3 lmtp',
        'auth_username_format = %Ln',
        `service lmtp {\n  unix_listener ${socket} {\n    mode = 0666\n  }\n  inet_listener lmtp {\n    address = 127.0.0.1\n    port = ${port}\n  }\n}`,
      ],
    });
    fs.chmodSync(folder, 0o755);
    ours = await startOurs(bed, {
      settings: {
        main: [
          'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination',
          'virtual_mailbox_domains = virtual.example',
          `virtual_transport = lmtp:unix:${socket}`,
          `transport_maps = inline:{ { inet.example = lmtp:inet:127.0.0.1:${port} } }`,
          'relay_domains = inet.example',
        ],
        dovecot: [],
        aliases: [],
        virtual: [],
      },
    });
  }, 60_000);
  afterAll(async () => {
    await ours?.stop();
    await dovecot?.stop();
    await bed?.close();
  });

  async function send(to: readonly string[], subject: string): Promise<string> {
    const client = await SmtpClient.connect({ port: ours.ports.smtp });
    await client.command(`MAIL FROM:<${sender.name}@example.com>`, '250');
    for (const one of to) await client.command(`RCPT TO:<${one}>`, '250');
    await client.command('DATA', '354');
    const reply = await client.command(`Subject: ${subject}\r\n\r\nhello\r\n..dot\r\n.`, '250');
    await client.quit();
    return /queued as (\w+)/.exec(reply.join(' '))?.[1] ?? '';
  }
  const inbox = (account: Account): string[] => {
    const texts: string[] = [];
    for (const part of ['new', 'cur']) {
      const directory = path.join(account.home, 'mail', part);
      for (const name of fs.readdirSync(directory))
        texts.push(fs.readFileSync(path.join(directory, name), 'latin1'));
    }
    return texts;
  };
  const arrived = (account: Account, subject: string): Promise<string> =>
    eventually(() => {
      const found = inbox(account).find((text) => text.includes(`Subject: ${subject}`));
      if (found === undefined)
        throw new Error(`no mail:\n${ours.log().slice(-2000)}\n${dovecot.log().slice(-2000)}`);
      return found;
    });

  it('virtual_transport over a unix socket', async () => {
    const id = await send([`${kept.name}@virtual.example`], 'unix');
    const text = await arrived(kept, 'unix');
    expect(text).toContain('\nhello\n.dot\n');
    expect(text).toMatch(new RegExp(`^Delivered-To: ${kept.name}@virtual\\.example`, 'm'));
    await ours.daemon.waitForLog(
      new RegExp(
        `postfix/lmtp\\[\\d+\\]: ${id}: to=<${kept.name}@virtual\\.example>, relay=\\S+\\[\\S*lmtp\\], .*status=sent \\(250 2\\.0\\.0 .*Saved\\)`,
      ),
    );
  });

  it('a port, named in transport_maps', async () => {
    const id = await send([`${kept.name}@inet.example`], 'inet');
    await arrived(kept, 'inet');
    await ours.daemon.waitForLog(
      new RegExp(
        `${id}: to=<${kept.name}@inet\\.example>, relay=127\\.0\\.0\\.1\\[127\\.0\\.0\\.1\\]:\\d+, .*status=sent`,
      ),
    );
  });

  it('each recipient has its own end: kept, returned, waiting', async () => {
    // A mailbox that cannot be written: Dovecot answers 451 for it after the message, not at RCPT.
    const mail = path.join(full.home, 'mail');
    fs.rmSync(mail, { recursive: true });
    fs.writeFileSync(mail, 'no folder', { mode: 0o600 });
    fs.chownSync(mail, full.uid, full.gid);
    const to = [kept, { name: 'nobody-at-all' }, full].map(({ name }) => `${name}@virtual.example`);
    const id = await send(to, 'three ends');
    await arrived(kept, 'three ends');
    const end = async (address: string | undefined): Promise<string> =>
      (
        await ours.daemon.waitForLog(new RegExp(`${id}: to=<${address ?? ''}>, .*(dsn=\\S+, status=\\w+)`))
      )[1] ?? '';
    expect(await end(to[0])).toBe('dsn=2.0.0, status=sent');
    expect(await end(to[1])).toBe('dsn=5.1.1, status=bounced');
    expect(await end(to[2])).toMatch(/^dsn=4\.\d\.\d, status=deferred/);
    const notice = await arrived(sender, 'three ends');
    expect(notice).toContain(`Final-Recipient: rfc822; ${to[1] ?? ''}`);
    expect(notice).not.toContain(`Final-Recipient: rfc822; ${to[2] ?? ''}`);
    expect(notice).toContain('Status: 5.1.1');
    // Only that one is tried again, and arrives when there is a place for it.
    fs.rmSync(mail);
    makeFolder(full, 'INBOX');
    await mustRun(path.join(REPOSITORY, 'libexec/postqueue'), ['-f'], {
      env: { POSTCOTE_DATA_DIR: ours.dataDir, MAIL_CONFIG: ours.config.postfixDir },
    });
    await arrived(full, 'three ends');
    await ours.daemon.waitForLog(new RegExp(`qmgr\\[\\d+\\]: ${id}: removed`));
    expect(inbox(kept).filter((text) => text.includes('Subject: three ends'))).toHaveLength(1);
  });
});
