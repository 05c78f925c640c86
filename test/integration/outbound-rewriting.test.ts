// Mail on its way out as main.cf wants it to look: generic addresses, checks of header and body, filters of replies and
// outcomes, an administrator's own bounce. A real Postfix with the same main.cf sends the same message to the same server:
// what arrives must be the same.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { choosePorts } from '../support/guide-config.ts';
import { makeFolder } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { freePorts } from '../support/ports.ts';
import { type RealPostfix, startRealPostfix } from '../support/real-postfix.ts';
import { type Behaviour, ScriptedMx } from '../support/scripted-mx.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const MESSAGE = [
  'From: "The Boss" <boss@example.com>',
  'To: a@one.example, list@example.com,',
  '\tother@else.example',
  'Reply-To: boss+news@example.com',
  'X-Secret: inside',
  'X-Old: value',
  'Subject: out',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  'preamble',
  '--b',
  'Content-Type: text/plain; name=x.exe',
  '',
  'the password is sesame',
  'line',
  '--b--',
  '',
].join('\r\n');

describeAsRoot('mail that is rewritten on its way out', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let real: RealPostfix | undefined;
  let boss: Account;
  let port = 0;
  let octet = 0;
  let main: readonly string[] = [];
  const servers: ScriptedMx[] = [];

  async function domain(name: string, behaviour: Behaviour = {}): Promise<ScriptedMx> {
    const address = `127.67.0.${++octet}`;
    bed.dns.set({ [name]: { mx: [[10, `mx.${name}`]] }, [`mx.${name}`]: { a: [address] } });
    const server = await ScriptedMx.start(address, port, behaviour);
    servers.push(server);
    return server;
  }
  async function send(smtp: number, to: string, text: string): Promise<string> {
    const client = await SmtpClient.connect({ port: smtp });
    await client.command('MAIL FROM:<boss@example.com>', '250');
    await client.command(`RCPT TO:<${to}>`, '250');
    await client.command('DATA', '354');
    const reply = await client.command(`${text}.`, '250');
    await client.quit();
    return /queued as (\w+)/.exec(reply.join(' '))?.[1] ?? '';
  }
  const fate = async (id: string, to: string): Promise<string> =>
    (await ours.daemon.waitForLog(new RegExp(`${id}: to=<${escape(to)}>, .*(dsn=.*)`)))[1] ?? '';

  beforeAll(async () => {
    bed = await TestBed.open('rewriting');
    boss = bed.users.one();
    makeFolder(boss, 'INBOX');
    [port = 0] = await freePorts(1);
    const tables = bed.newFolder('tables');
    const write = (name: string, text: string): string => {
      fs.writeFileSync(path.join(tables, name), text, { mode: 0o644 });
      return path.join(tables, name);
    };
    main = [
      'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination',
      'smtpd_sasl_auth_enable = no',
      'smtp_use_tls = no',
      `smtp_tcp_port = ${port}`,
      `smtp_generic_maps = texthash:${write('generic', 'boss@example.com shop@public.example\n@else.example @elsewhere.example\n')}`,
      `smtp_header_checks = regexp:${write(
        'header',
        '/^X-Secret:/ STRIP\n/^X-Old: (.*)/ REPLACE X-New: $1\n/^Subject:/ PREPEND X-Seen: yes\n/^Reply-To:/ REJECT too late\n',
      )}`,
      `smtp_mime_header_checks = regexp:${write('mime', '/name=.*\\.exe/ WARN a program\n')}`,
      `smtp_body_checks = regexp:${write('body', '/password is/ REPLACE (left out)\n')}`,
      `smtp_reply_filter = regexp:${write('reply', '/^550 (.*try again.*)/ 450 $1\n')}`,
      `smtp_delivery_status_filter = regexp:${write('status', '/^4(.*nobody there ever.*)/ 5$1\n')}`,
      `bounce_template_file = ${write(
        'bounce',
        'failure_template = <<EOF\nCharset: utf-8\nFrom: MAILER-DAEMON (Poststelle)\nSubject: Unzustellbar\n\nGrüße von $myhostname nach $maximal_queue_lifetime_days Tagen.\nEOF\n',
      )}`,
    ];
    ours = await startOurs(bed, {
      settings: { main: [...main], dovecot: [], aliases: [`boss: ${boss.name}`], virtual: [] },
    });
  });
  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
    for (const server of servers) await server.stop();
    await bed?.close();
  });

  it('looks as main.cf wants it to, and as Postfix makes it', async () => {
    const mx = await domain('one.example');
    const id = await send(ours.ports.smtp, 'a@one.example', MESSAGE);
    expect(await fate(id, 'a@one.example')).toMatch(/status=sent/);
    const [mail] = mx.taken;
    const text = mail?.octets ?? '';
    expect(mail?.commands[0]).toBe('MAIL FROM:<shop@public.example>');
    expect(text).toContain('From: "The Boss" <shop@public.example>\r\n');
    expect(text).toContain('other@elsewhere.example');
    expect(text).toContain('X-New: value\r\nX-Seen: yes\r\nSubject: out\r\n');
    expect(text).not.toContain('X-Secret');
    expect(text).toContain('\r\n(left out)\r\nline\r\n--b--\r\n');
    expect(ours.log()).toMatch(new RegExp(`postfix/smtp\\[\\d+\\]: ${id}: strip: header X-Secret: inside`));
    expect(ours.log()).toMatch(new RegExp(`${id}: warning: header Content-Type: .*: a program`));

    const ports = await choosePorts();
    real = await startRealPostfix({
      folder: bed.newFolder('peer'),
      ports,
      certificate: bed.certificate,
      settings: { main: [...main], dovecot: [], aliases: [], virtual: [] },
      dnsAddress: bed.dns.address,
    });
    await send(ports.smtp, 'a@one.example', MESSAGE);
    const theirs = await eventually(() => {
      const found = mx.taken[1];
      if (found === undefined)
        throw new Error(`nothing came from Postfix:\n${real?.log().slice(-3000) ?? ''}`);
      return found;
    }, 60_000);
    /** Received: and what Postfix adds as it comes in have times and ids of their own. */
    const comparable = (octets: string): string =>
      octets.replace(/^(?:Received|Message-Id|Date): .*\r\n(?:[ \t].*\r\n)*/gm, '');
    expect(comparable(text)).toBe(comparable(theirs.octets));
    expect(mail?.commands.slice(0, 2)).toEqual(theirs.commands.slice(0, 2));
  }, 90_000);

  it('softens a reply, and hardens an outcome', async () => {
    await domain('soft.example', { at: { RCPT: '550 no, try again later' } });
    const soft = await send(ours.ports.smtp, 'a@soft.example', 'Subject: s\r\n\r\n');
    expect(await fate(soft, 'a@soft.example')).toMatch(
      /^dsn=4\.0\.0, .*status=deferred .*450 no, try again later/,
    );
    await domain('hard.example', { at: { RCPT: '450 4.1.1 nobody there ever' } });
    const hard = await send(ours.ports.smtp, 'a@hard.example', 'Subject: s\r\n\r\n');
    expect(await fate(hard, 'a@hard.example')).toMatch(/^dsn=5\.1\.1, status=bounced/);
    const notice = await eventually(() => {
      const folder = path.join(boss.home, 'mail/new');
      const found = fs
        .readdirSync(folder)
        .map((name) => fs.readFileSync(path.join(folder, name), 'utf8'))
        .find((mail) => mail.includes(`X-Postfix-Queue-ID: ${hard}`));
      expect(found).toBeDefined();
      return found ?? '';
    });
    expect(notice).toMatch(/^From: MAILER-DAEMON@\S+ \(Poststelle\)\r?\nSubject: Unzustellbar\r?$/m);
    expect(notice).toMatch(/Grüße von lollipop\.example\.com nach 5 Tagen\./);
    expect(notice).toMatch(/^Action: failed\r?\nStatus: 5\.1\.1\r?$/m);
  });
});
