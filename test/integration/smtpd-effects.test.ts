// What smtpd decides, seen by its effects in the whole daemon: actions of access tables in mailboxes and queue, client
// certificates, ETRN; and what bad company gets: a table that vanishes, a policy server that hangs, a DNS that is
// silent, ten thousand recipients, a client that errs on and on.

import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CertificateFiles, makeCertificate } from '../support/certificate.ts';
import { SmtpClient } from '../support/clients.ts';
import { Commands } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { LineClient } from '../support/line-client.ts';
import { makeFolder, readMessages } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { freePorts } from '../support/ports.ts';
import { ScriptedMx } from '../support/scripted-mx.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

const STRANGER = '127.0.0.9';
const REPLY_END = /^\d{3} /;

describeAsRoot('what smtpd decides, by its effects', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let commands: Commands;
  let alice: Account;
  let bob: Account;
  let hangingPort = 0;
  let relayPort = 0;
  let tablesPort = 0;
  let hanging: net.Server;
  let mx: ScriptedMx;
  let client: CertificateFiles;
  const table = (name: string): string => path.join(bed.folder, name);

  const addressOf = ({ name }: Account): string => `${name}@example.com`;
  const arrived = (account: Account, subject: string): string[] =>
    readMessages(account.home)
      .map(({ file }) => fs.readFileSync(file, 'latin1'))
      .filter((text) => text.includes(`Subject: ${subject}`));
  const queued = async (): Promise<{ queue_id: string; queue_name: string; sender: string }[]> =>
    (await commands.run('postqueue', ['-j'])).stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));

  /** From a sender whose table entry decides, with itself as the subject. */
  async function send(sender: string, to: Account = alice): Promise<string> {
    const session = await SmtpClient.connect({ port: ours.ports.smtp, from: STRANGER });
    const id = await session.deliver(
      `${sender}@s.example`,
      [addressOf(to)],
      `Subject: ${sender}\r\n\r\nhello`,
    );
    await session.quit();
    return id;
  }

  beforeAll(async () => {
    bed = await TestBed.open('effects');
    [alice, bob] = bed.users.create(2) as [Account, Account];
    for (const account of [alice, bob]) makeFolder(account, 'INBOX');
    client = makeCertificate(bed.newFolder('client'), 'client.example');
    const fingerprint = new X509Certificate(fs.readFileSync(client.certFile)).fingerprint256;
    fs.writeFileSync(table('certificates'), `${fingerprint} known\n`);
    fs.writeFileSync(table('gone'), 'blocked@s.example REJECT\n');
    fs.writeFileSync(
      table('sender'),
      [
        'hold@s.example HOLD',
        'discard@s.example DISCARD',
        `redirect@s.example REDIRECT ${addressOf(bob)}`,
        `bcc@s.example BCC ${addressOf(bob)}`,
        'prepend@s.example PREPEND X-Seen: by the table',
        'warn@s.example WARN beware of him',
        'info@s.example INFO an old friend',
        '',
      ].join('\n'),
    );
    // Accepts, and never says a word.
    hanging = net.createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
    const policy = (hanging.address() as net.AddressInfo).port;
    const [mxPort = 0, ...ports] = await freePorts(4);
    [hangingPort = 0, relayPort = 0, tablesPort = 0] = ports;
    bed.dns.set({
      's.example': { a: ['127.0.0.1'] },
      'etrn.example': { mx: [[10, 'mx.etrn.example']] },
      'mx.etrn.example': { a: ['127.68.0.1'] },
      'mute.example': { fault: 'silence' },
    });
    mx = await ScriptedMx.start('127.68.0.1', mxPort, { at: { connect: '421 4.3.2 come later' } });
    ours = await startOurs(bed, {
      settings: {
        main: [
          `smtpd_sender_restrictions = check_sender_access texthash:${table('sender')}`,
          'smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination',
          'smtpd_recipient_restrictions =',
          'smtpd_peername_lookup = no',
          'smtpd_error_sleep_time = 0',
          'smtpd_client_recipient_rate_limit = 0',
          `smtp_tcp_port = ${mxPort}`,
          'fast_flush_domains = etrn.example',
          'minimal_backoff_time = 3600s',
          'queue_run_delay = 3600s',
        ],
        dovecot: [],
        aliases: [],
        virtual: [],
      },
      extraMaster: [
        `127.0.0.1:${hangingPort} inet n - n - - smtpd`,
        `  -o { smtpd_recipient_restrictions = check_policy_service { inet:127.0.0.1:${policy}, timeout=1s, try_limit=1, { default_action = 450 4.7.1 nobody knows } } }`,
        `127.0.0.1:${relayPort} inet n - n - - smtpd`,
        '  -o syslog_name=postfix/certified',
        '  -o smtpd_tls_ask_ccert=yes',
        '  -o smtpd_tls_fingerprint_digest=sha256',
        `  -o relay_clientcerts=texthash:${table('certificates')}`,
        '  -o { smtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination }',
        `127.0.0.1:${tablesPort} inet n - n - - smtpd`,
        `  -o { smtpd_sender_restrictions = check_sender_access texthash:${table('gone')}, reject_unknown_sender_domain }`,
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
    hanging?.close();
    await mx?.stop();
    await bed?.close();
  });

  it('HOLD keeps mail in the queue until somebody releases it', async () => {
    const id = await send('hold');
    expect(await queued()).toMatchObject([{ queue_id: id, queue_name: 'hold' }]);
    await send('after');
    await eventually(() => expect(arrived(alice, 'after')).toHaveLength(1));
    expect(arrived(alice, 'hold')).toEqual([]);
    await commands.run('postsuper', ['-H', id]);
    await eventually(() => expect(arrived(alice, 'hold')).toHaveLength(1));
  });

  it('DISCARD takes mail and delivers it to nobody', async () => {
    const id = await send('discard');
    await send('afterdiscard');
    await eventually(() => expect(arrived(alice, 'afterdiscard')).toHaveLength(1));
    expect(arrived(alice, 'discard')).toEqual([]);
    expect((await queued()).filter(({ queue_id }) => queue_id === id)).toEqual([]);
    expect(ours.log()).toMatch(
      /discard: RCPT from unknown\[127\.0\.0\.9\]: <discard@s\.example>: Sender address triggers DISCARD action/,
    );
  });

  it('REDIRECT sends mail to another, and to nobody else', async () => {
    await send('redirect');
    await eventually(() => expect(arrived(bob, 'redirect')).toHaveLength(1));
    expect(arrived(alice, 'redirect')).toEqual([]);
  });

  it('BCC sends a copy', async () => {
    await send('bcc');
    await eventually(() =>
      expect([arrived(alice, 'bcc').length, arrived(bob, 'bcc').length]).toEqual([1, 1]),
    );
  });

  it('PREPEND adds a field on top', async () => {
    await send('prepend');
    await eventually(() => expect(arrived(alice, 'prepend')).toHaveLength(1));
    expect(arrived(alice, 'prepend')[0]).toMatch(/^X-Seen: by the table\r?\nReceived: /m);
  });

  it.each([
    ['warn', 'beware of him'],
    ['info', 'an old friend'],
  ])('%s writes into the log and lets mail pass', async (sender, text) => {
    await send(sender);
    await eventually(() => expect(arrived(alice, sender)).toHaveLength(1));
    expect(ours.log()).toMatch(
      new RegExp(`${sender}: RCPT from unknown\\[127\\.0\\.0\\.9\\]: ${text}; from=<${sender}@s`),
    );
  });

  it('goes on refusing when the table that refuses vanishes, and hears of the next edit', async () => {
    const answer = async (): Promise<string> => {
      const session = await SmtpClient.connect({ port: tablesPort, from: STRANGER });
      await session.command('MAIL FROM:<blocked@s.example>', '250');
      session.line.send(`RCPT TO:<${addressOf(alice)}>\r\n`);
      const lines = await session.line.linesUntil(REPLY_END);
      await session.quit();
      return lines.join();
    };
    expect(await answer()).toMatch(/^554 /);
    fs.renameSync(table('gone'), table('moved'));
    // Whatever is known of the file by then: nobody comes in by its absence.
    for (let i = 0; i < 5; i++) expect(await answer()).toMatch(/^(554|451) /);
    fs.writeFileSync(table('gone'), '# nobody\n');
    await eventually(async () => expect(await answer()).toMatch(/^250 /), 5000);
  });

  it('answers in time when a policy server hangs, and serves others meanwhile', async () => {
    const session = await SmtpClient.connect({ port: hangingPort, from: STRANGER });
    await session.command('MAIL FROM:<x@s.example>', '250');
    const started = performance.now();
    session.line.send(`RCPT TO:<${addressOf(alice)}>\r\n`);
    const other = await SmtpClient.connect({ port: ours.ports.smtp, from: STRANGER });
    await other.command('NOOP', '250');
    expect(performance.now() - started).toBeLessThan(1000);
    await other.quit();
    const reply = (await session.line.linesUntil(REPLY_END)).join();
    expect(reply).toMatch(/^450 4\.7\.1 .*: nobody knows/);
    expect(performance.now() - started).toBeLessThan(8000);
    await session.quit();
  });

  it('defers, and never refuses for good, when the DNS is silent', { timeout: 60_000 }, async () => {
    const session = await SmtpClient.connect({ port: tablesPort, from: STRANGER, timeoutMs: 40_000 });
    await session.command('MAIL FROM:<x@mute.example>', '250');
    session.line.send(`RCPT TO:<${addressOf(alice)}>\r\n`);
    const reply = (await session.line.linesUntil(REPLY_END)).join();
    await session.quit();
    expect(reply).toBe('450 4.1.8 <x@mute.example>: Sender address rejected: Domain not found');
  });

  it('takes a thousand of ten thousand recipients, and then ends the session', async () => {
    const session = await LineClient.connect({ port: ours.ports.smtp, timeoutMs: 60_000 });
    await session.linesUntil(REPLY_END);
    await session.ask('EHLO many.example', REPLY_END);
    await session.ask('MAIL FROM:<many@s.example>', REPLY_END);
    const wanted = 10_000;
    session.send(
      Array.from({ length: wanted }, (_, i) => `RCPT TO:<${alice.name}+${i}@example.com>\r\n`).join(''),
    );
    const codes = new Map<string, number>();
    let last = '';
    while (!last.startsWith('421') && [...codes.values()].reduce((a, b) => a + b, 0) < wanted) {
      last = await session.line();
      const code = last.slice(0, 9);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    session.close();
    expect(codes.get('250 2.1.5')).toBe(1000);
    expect(codes.get('452 4.5.3')).toBeGreaterThanOrEqual(1000);
    // Beyond the overshoot each is an error, and twenty are too many.
    expect(last).toMatch(/^421 4\.7\.0 .* Error: too many errors/);
    const other = await SmtpClient.connect({ port: ours.ports.smtp });
    await other.command('NOOP', '250');
    await other.quit();
  });

  it('relays for a client whose certificate it knows', async () => {
    const answer = async (certificate: CertificateFiles | undefined): Promise<string> => {
      const plain = net.connect(relayPort, '127.0.0.1');
      const read = (socket: net.Socket): Promise<string> =>
        new Promise((resolve) => socket.once('data', (d) => resolve(d.toString())));
      await read(plain);
      for (const line of ['EHLO x.example', 'STARTTLS']) {
        plain.write(`${line}\r\n`);
        await read(plain);
      }
      const secured = tls.connect({
        socket: plain,
        rejectUnauthorized: false,
        ...(certificate === undefined
          ? {}
          : { cert: fs.readFileSync(certificate.certFile), key: fs.readFileSync(certificate.keyFile) }),
      });
      await new Promise((resolve) => secured.once('secureConnect', resolve));
      let reply = '';
      for (const line of ['EHLO x.example', 'MAIL FROM:<x@s.example>', 'RCPT TO:<x@etrn.example>']) {
        secured.write(`${line}\r\n`);
        reply = await read(secured);
      }
      secured.destroy();
      return reply.trim();
    };
    expect(await answer(client)).toBe('250 2.1.5 Ok');
    expect(await answer(undefined)).toBe('554 5.7.1 <x@etrn.example>: Relay access denied');
    expect(await answer(bed.certificate)).toBe('554 5.7.1 <x@etrn.example>: Relay access denied');
    expect(ours.log()).toMatch(
      /certified\/smtpd\[\d+\]: Untrusted TLS connection established from unknown\[127\.0\.0\.1\]/,
    );
  });

  it('ETRN brings what waits for a domain, long before its time', async () => {
    const session = await SmtpClient.connect({ port: ours.ports.smtp });
    const id = await session.deliver('etrn@s.example', ['x@etrn.example'], 'Subject: waits\r\n\r\nhello');
    await ours.daemon.waitForLog(new RegExp(`${id}: to=<x@etrn\\.example>, .*status=deferred`));
    mx.behaviour = {};
    await session.command('ETRN other.example', '459');
    expect(mx.taken).toEqual([]);
    await session.command('ETRN etrn.example', '250');
    await session.quit();
    await eventually(() => expect(mx.taken).toHaveLength(1), 10_000);
  });
});
