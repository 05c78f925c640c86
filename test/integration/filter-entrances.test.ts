// Where filters and checks stand: what is rewritten and checked before a filter sees it, what filters add is looked at by
// milter_header_checks alone, ports without filters, socket files, mail of sendmail that a filter refuses, and notices of
// our own.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { SmtpClient } from '../support/clients.ts';
import { Commands } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { NO_SETTINGS } from '../support/guide-config.ts';
import { makeFolder } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { freePorts } from '../support/ports.ts';
import { ScriptedMilter, frame } from '../support/scripted-milter.ts';
import { ScriptedMx } from '../support/scripted-mx.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

const CONTINUE = frame('c');
const add = (name: string, value: string): Buffer => frame('h', `${name}\0${value}\0`);

describeAsRoot('filters at each entrance', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let bob: Account;
  let commands: Commands;
  let filter: ScriptedMilter;
  let onFile: ScriptedMilter;
  let scanner: ScriptedMx;
  let unfiltered = 0;
  let byFile = 0;
  let scanned = 0;

  beforeAll(async () => {
    bed = await TestBed.open('filter-entrances');
    bob = bed.users.one();
    makeFolder(bob, 'INBOX');
    filter = await ScriptedMilter.start();
    const folder = bed.newFolder('filter');
    const socket = path.join(folder, 'filter.sock');
    onFile = await ScriptedMilter.start(socket);
    // The front's account must be able to open it.
    fs.chmodSync(socket, 0o666);
    const [a = 0, b = 0, c = 0, d = 0] = await freePorts(4);
    [unfiltered, byFile, scanned] = [a, b, c];
    scanner = await ScriptedMx.start('127.0.0.1', d, {
      keywords: ['XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE'],
    });
    const table = (name: string, text: string): string => {
      fs.writeFileSync(path.join(folder, name), text);
      return path.join(folder, name);
    };
    const checks = table(
      'checks',
      '/^Subject: old/ REPLACE Subject: new\n/^X-Filter:/ REJECT not for these\n' +
        '/^Subject: Undelivered/ PREPEND X-Notice: checked\n',
    );
    const filterChecks = table(
      'filter-checks',
      '/^X-Filter: look/ REPLACE X-Filter: seen\n/^Subject: / REJECT\n',
    );
    ours = await startOurs(bed, {
      settings: {
        ...NO_SETTINGS,
        main: [
          `smtpd_milters = inet:127.0.0.1:${filter.port}`,
          `non_smtpd_milters = inet:127.0.0.1:${filter.port}`,
          `header_checks = pcre:${checks}`,
          `milter_header_checks = pcre:${filterChecks}`,
          'internal_mail_filter_classes = bounce',
          'smtpd_recipient_restrictions = permit_mynetworks, reject',
        ],
      },
      extraMaster: [
        `127.0.0.1:${unfiltered} inet n - n - - smtpd`,
        '  -o receive_override_options=no_milters',
        `127.0.0.1:${byFile} inet n - n - - smtpd`,
        `  -o smtpd_milters=unix:${socket}`,
        `127.0.0.1:${scanned} inet n - n - - smtpd`,
        '  -o smtpd_milters=',
        `  -o content_filter=scan:[127.0.0.1]:${d}`,
        'scan unix - - n - 2 smtp',
        '  -o smtp_send_xforward_command=yes',
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
    await onFile?.stop();
    await scanner?.stop();
    await bed?.close();
  });
  beforeEach(() => {
    filter.follow({});
    onFile.follow({});
  });

  async function send(port: number, text: string): Promise<string> {
    const client = await SmtpClient.connect({ port });
    await client.command(`MAIL FROM:<${bob.name}@example.com>`, '250');
    await client.command(`RCPT TO:<${bob.name}@example.com>`, '250');
    await client.command('DATA', '354');
    const reply = await client.command(`${text.replaceAll('\n', '\r\n')}.`, '250');
    await client.quit();
    return reply.join(' ');
  }

  const arrivedWith = (text: string): Promise<string> =>
    eventually(() => {
      const folder = path.join(bob.home, 'mail/new');
      const found = fs
        .readdirSync(folder)
        .map((name) => fs.readFileSync(path.join(folder, name), 'latin1'))
        .find((mail) => mail.includes(text));
      if (found === undefined) throw new Error(`no mail with ${text}:\n${ours.log().slice(-2000)}`);
      return found;
    });

  const sendmail = (input: string) => commands.run('sendmail', [bob.name], { account: bob, input });

  it('rewrites and checks headers before filters see them; their own fields have their own checks', async () => {
    filter.follow({ on: { eom: [[add('X-Filter', 'look'), CONTINUE]] } });
    await send(ours.ports.smtp, `Subject: old\nTo: ${bob.name}\n\nin order\n`);
    const arrived = await arrivedWith('in order');
    expect(arrived).toMatch(/^X-Filter: seen\r?$/m);
    const heard = filter.heard.filter((line) => line.startsWith('header'));
    expect(heard.map((line) => line.replace(/ \{.*$/, ''))).toEqual(
      expect.arrayContaining([
        `header "Subject" "new"`,
        expect.stringMatching(new RegExp(`^header "To" "${bob.name}@[\\w.]+"$`)),
      ]),
    );
  });

  it('asks nobody where no_milters says so', async () => {
    await send(unfiltered, 'Subject: x\n\nnobody asked\n');
    await arrivedWith('nobody asked');
    expect([filter.heard, onFile.heard]).toEqual([[], []]);
  });

  it('speaks to a filter on a socket file', async () => {
    onFile.follow({ on: { eom: [[add('X-Filter', 'by file'), CONTINUE]] } });
    await send(byFile, 'Subject: x\n\nby file\n');
    expect(await arrivedWith('\nby file')).toMatch(/^X-Filter: by file\r?$/m);
    expect(filter.heard).toEqual([]);
  });

  it('returns mail of sendmail that a filter refuses for good', async () => {
    filter.follow({
      countsTogether: true,
      on: { eom: [[frame('y', '550 5.7.9 not signed here\0')], [CONTINUE]] },
    });
    expect((await sendmail('Subject: refused by a filter\n\nsecret body\n')).code).toBe(0);
    const notice = await arrivedWith('not signed here');
    expect(notice).toMatch(/^Subject: Undelivered Mail Returned to Sender\r?$/m);
    expect(notice).toMatch(/^Status: 5\.7\.9\r?$/m);
    // As its header alone.
    expect(notice).toContain('Subject: refused by a filter');
    expect(notice).not.toContain('secret body');
    expect(ours.log()).toMatch(
      /milter-reject: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: 5\.7\.9 not signed here/,
    );
  });

  it('shows filters and checks the notices of our own', async () => {
    filter.follow({
      countsTogether: true,
      on: {
        eom: [[frame('y', '550 5.7.8 refuse the first\0')], [add('X-Filter', 'saw the notice'), CONTINUE]],
      },
    });
    await sendmail('Subject: second\n\nx\n');
    const notice = await arrivedWith('refuse the first');
    expect(notice).toMatch(/^X-Notice: checked\r?$/m);
    expect(notice).toMatch(/^X-Filter: saw the notice\r?$/m);
    expect(filter.heard.some((line) => /^mail +(?:\{|$)/.test(line))).toBe(true);
  });

  it('keeps what a notice would have told of while the notice is refused', async () => {
    filter.follow({ on: { eom: [[frame('y', '550 5.7.7 never\0')]] } });
    await sendmail('Subject: third\n\nx\n');
    await ours.daemon.waitForLog(/notification failed: .*5\.7\.7 never/);
    const { stdout } = await commands.run('mailq', []);
    expect(stdout).toContain('(never)');
    filter.follow({});
    await commands.run('postqueue', ['-f']);
    await arrivedWith('Subject: third');
  });

  it('tells a content filter whom mail came from (smtp_send_xforward_command)', async () => {
    await send(scanned, 'Subject: x\n\nforwarded\n');
    await eventually(() => expect(scanner.taken).toHaveLength(1));
    const told = scanner.lines.filter((line) => line.startsWith('XFORWARD'));
    expect(told).toEqual([
      expect.stringMatching(/^XFORWARD NAME=localhost ADDR=127\.0\.0\.1 PORT=\d+$/),
      expect.stringMatching(/^XFORWARD PROTO=ESMTP HELO=client\.example IDENT=\w+ SOURCE=LOCAL$/),
    ]);
  });
});
