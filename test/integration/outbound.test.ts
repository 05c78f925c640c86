// Mail that leaves: the daemon against scripted servers on loopback addresses. Each case ends in the right state of
// the queue, the right log line and, where it failed for good, in a notification in the sender's mailbox.

import { createHash, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CertificateFiles, makeCertificate } from '../support/certificate.ts';
import { SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { makeFolder } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { freePorts } from '../support/ports.ts';
import { type Behaviour, ScriptedMx } from '../support/scripted-mx.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** What is wrong with a zone for DANE. */
interface Zone {
  readonly wrong?: true;
  readonly insecure?: true;
  readonly stripped?: true;
  readonly usage?: number;
  readonly fault?: 'servfail';
}

describeAsRoot('mail to other machines', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let sender: Account;
  let port = 0;
  let lmtpPath = '';
  let certificate: CertificateFiles;
  const servers: ScriptedMx[] = [];
  let octet = 0;

  /** A domain with one exchange that behaves so. */
  async function domain(name: string, behaviour: Behaviour = {}): Promise<ScriptedMx> {
    const address = `127.66.0.${++octet}`;
    bed.dns.set({ [name]: { mx: [[10, `mx.${name}`]] }, [`mx.${name}`]: { a: [address] } });
    const server = await ScriptedMx.start(address, port, behaviour);
    servers.push(server);
    return server;
  }

  interface Sending {
    readonly from?: string;
    readonly rcptWords?: string;
    readonly mailWords?: string;
    readonly text?: string;
  }

  /** Hands a message in; gives its queue id. */
  async function send(to: string | readonly string[], how: Sending = {}): Promise<string> {
    const client = await SmtpClient.connect({ port: ours.ports.smtp });
    const from = how.from ?? `${sender.name}@example.com`;
    await client.command(`MAIL FROM:<${from}>${how.mailWords ?? ''}`, '250');
    for (const one of typeof to === 'string' ? [to] : to)
      await client.command(`RCPT TO:<${one}>${how.rcptWords ?? ''}`, '250');
    await client.command('DATA', '354');
    const text = how.text ?? 'Subject: out\r\n\r\nhello\r\n.dot\r\n';
    const reply = await client.command(`${text.replaceAll('\r\n.', '\r\n..')}.`, '250');
    await client.quit();
    return /queued as (\w+)/.exec(reply.join(' '))?.[1] ?? '';
  }

  const fate = async (id: string, to: string): Promise<string> => {
    const match = await ours.daemon.waitForLog(
      new RegExp(`(postfix/\\S+)\\[\\d+\\]: ${id}: to=<${escape(to)}>, (.*)`),
    );
    return `${match[1]}: ${match[2]}`.replace(/delays?=[\d./]+, /g, '');
  };

  /** The notifications in the sender's mailbox about a message. */
  function notices(id: string): string[] {
    const folder = path.join(sender.home, 'mail/new');
    return fs
      .readdirSync(folder)
      .map((name) => fs.readFileSync(path.join(folder, name), 'latin1'))
      .filter((text) => text.includes(`X-Postfix-Queue-ID: ${id}`));
  }

  beforeAll(async () => {
    bed = await TestBed.open('outbound');
    sender = bed.users.one();
    makeFolder(sender, 'INBOX');
    [port = 0] = await freePorts(1);
    certificate = makeCertificate(bed.folder, 'mx.trusted.example');
    lmtpPath = path.join(bed.folder, 'lmtp.sock');
    const tables = path.join(bed.folder, 'tables');
    fs.mkdirSync(tables, { mode: 0o755 });
    const write = (name: string, text: string, mode = 0o644): string => {
      const file = path.join(tables, name);
      fs.writeFileSync(file, text, { mode });
      return `hash:${file}`;
    };
    const transport = write(
      'transport',
      `lmtp.example lmtp:unix:${lmtpPath}\nerror.example error:5.1.2 gone for good\nauth.example smtp:[127.66.1.1]:${port}\n` +
        'toown.example smtp:[127.0.0.1]:1\n',
    );
    const fingerprint = new X509Certificate(fs.readFileSync(certificate.certFile)).fingerprint256;
    const policy = write(
      'policy',
      `anchor.example secure tafile=${certificate.certFile} match=mx.trusted.example\n` +
        `.print.example fingerprint match=${fingerprint}\n.dane.example dane\n.dane-only.example dane-only\n` +
        'encrypt.example encrypt\nverify.example verify\nsecure.example secure match=mx.trusted.example\ntrusted.example secure match=mx.trusted.example\nstripped.example encrypt\nplain.example none\n',
    );
    // As passwords are kept: for root's eyes alone.
    const passwords = write('passwords', `[127.66.1.1]:${port} smarty:secret\n`, 0o600);
    ours = await startOurs(bed, {
      settings: {
        main: [
          'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination',
          `smtp_tcp_port = ${port}`,
          'default_destination_concurrency_limit = 2',
          'smtp_connect_timeout = 1s',
          'smtp_starttls_timeout = 1s',
          'smtp_helo_timeout = 4s',
          'smtp_mail_timeout = 1s',
          'smtp_rcpt_timeout = 1s',
          'smtp_data_init_timeout = 1s',
          'smtp_data_xfer_timeout = 1s',
          'smtp_data_done_timeout = 1s',
          `transport_maps = ${transport}`,
          `smtp_tls_policy_maps = ${policy}`,
          `smtp_tls_CAfile = ${certificate.certFile}`,
          'smtp_tls_loglevel = 1',
          'smtp_dns_support_level = dnssec',
          'smtp_tls_fingerprint_digest = sha256',
          'smtp_sasl_auth_enable = yes',
          'smtp_sasl_security_options = noanonymous',
          `smtp_sasl_password_maps = ${passwords}`,
        ],
        dovecot: [],
        aliases: ['away: b@forward.example'],
        virtual: [],
      },
    });
  });
  afterAll(async () => {
    await ours?.stop();
    for (const server of servers) await server.stop();
    await bed?.close();
  });

  it('goes to the exchange, dots stuffed, and is done', async () => {
    const mx = await domain('willing.example', { keywords: ['PIPELINING', 'SIZE 1000000', '8BITMIME'] });
    const id = await send('a@willing.example');
    expect(await fate(id, 'a@willing.example')).toBe(
      `postfix/smtp: relay=mx.willing.example[127.66.0.1]:${port}, dsn=2.0.0, status=sent (250 2.0.0 taken as 1)`,
    );
    await ours.daemon.waitForLog(new RegExp(`postfix/qmgr\\[\\d+\\]: ${id}: removed`));
    expect(mx.taken[0]?.octets).toMatch(
      /^Received: from [\s\S]*Subject: out\r\n[\s\S]*\r\n\r\nhello\r\n\.\.dot\r\n$/,
    );
    expect(mx.taken[0]?.octets).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
    expect(mx.taken[0]?.commands[0]).toMatch(/^MAIL FROM:<\S+> SIZE=\d+$/);
  });

  it.each<[name: string, behaviour: Behaviour, text: RegExp]>([
    [
      'silent',
      { at: { connect: 'silence' } },
      /dsn=4\.4\.2, .*timed out while receiving the initial server greeting/,
    ],
    [
      'dropgreet',
      { at: { connect: 'drop' } },
      /dsn=4\.4\.2, .*lost connection .* receiving the initial server greeting/,
    ],
    ['dropehlo', { at: { EHLO: 'drop' } }, /dsn=4\.4\.2, .*lost connection .* performing the EHLO handshake/],
    ['dropmail', { at: { MAIL: 'drop' } }, /dsn=4\.4\.2, .*lost connection .* sending MAIL FROM/],
    ['droprcpt', { at: { RCPT: 'drop' } }, /dsn=4\.4\.2, .*lost connection .* sending RCPT TO/],
    ['dropdata', { at: { DATA: 'drop' } }, /dsn=4\.4\.2, .*lost connection .* sending DATA command/],
    ['dropbody', { at: { body: 'drop' } }, /dsn=4\.4\.2, .*lost connection/],
    ['dropend', { at: { end: 'drop' } }, /dsn=4\.4\.2, .*lost connection .* sending end of data/],
    ['silentend', { at: { end: 'silence' } }, /dsn=4\.4\.2, .*timed out while sending end of data/],
    ['busy', { at: { connect: '421 4.3.2 busy' } }, /dsn=4\.3\.2, .*refused to talk to me: 421 4\.3\.2 busy/],
    [
      'never',
      { at: { connect: '554 5.3.2 never' } },
      /status=deferred .*refused to talk to me: 554 5\.3\.2 never/,
    ],
    [
      'mail4',
      { at: { MAIL: '451 4.3.0 later' } },
      /dsn=4\.3\.0, .*451 4\.3\.0 later \(in reply to MAIL FROM command\)/,
    ],
    [
      'rcpt4',
      { at: { RCPT: '450 4.2.0 grey' } },
      /dsn=4\.2\.0, .*450 4\.2\.0 grey \(in reply to RCPT TO command\)/,
    ],
    ['data4', { at: { DATA: '451 4.3.0 no' } }, /dsn=4\.3\.0, .*\(in reply to DATA command\)/],
    ['end4', { at: { end: '451 4.3.1 full' } }, /dsn=4\.3\.1, .*\(in reply to end of DATA command\)/],
  ])('%s: waits, and nobody is told', async (name, behaviour, text) => {
    const mx = await domain(`${name}.example`, behaviour);
    const id = await send(`a@${name}.example`);
    const line = await fate(id, `a@${name}.example`);
    expect(line).toMatch(/^postfix\/smtp: .*status=deferred/);
    expect(line).toMatch(text);
    expect(mx.taken).toEqual([]);
    expect(notices(id)).toEqual([]);
  });

  it.each<[name: string, behaviour: Behaviour, dsn: string, words: string]>([
    ['mail5', { at: { MAIL: '553 5.7.1 not you' } }, '5.7.1', '(in reply to MAIL FROM command)'],
    ['rcpt5', { at: { RCPT: '550 5.1.1 nobody' } }, '5.1.1', '(in reply to RCPT TO command)'],
    ['pipe5', { keywords: ['PIPELINING'], at: { RCPT: '550 5.1.1 nobody' } }, '5.1.1', 'RCPT TO command)'],
    ['data5', { at: { DATA: '554 5.5.1 no' } }, '5.5.1', '(in reply to DATA command)'],
    ['end5', { at: { end: '554 5.7.0 spam' } }, '5.7.0', '(in reply to end of DATA command)'],
  ])('%s: is returned to its sender', async (name, behaviour, dsn, words) => {
    await domain(`${name}.example`, behaviour);
    const id = await send(`a@${name}.example`);
    const line = await fate(id, `a@${name}.example`);
    expect(line).toContain(`dsn=${dsn}, status=bounced`);
    expect(line).toContain(words);
    const [notice = ''] = await eventually(() => {
      const found = notices(id);
      expect(found).toHaveLength(1);
      return found;
    });
    await ours.daemon.waitForLog(
      new RegExp(`postfix/bounce\\[\\d+\\]: ${id}: sender non-delivery notification: \\w+`),
    );
    await ours.daemon.waitForLog(new RegExp(`postfix/qmgr\\[\\d+\\]: ${id}: removed`));
    expect(notice).toMatch(/^Return-Path: <>/m);
    expect(notice).toContain(
      `Status: ${dsn}\r\nRemote-MTA: dns; mx.${name}.example\r\nDiagnostic-Code: smtp; `.replaceAll(
        '\r\n',
        notice.includes('\r\n') ? '\r\n' : '\n',
      ),
    );
    expect(notice).toContain('Subject: out');
  });

  it.each<[name: string, zone: object | undefined, outcome: RegExp]>([
    [
      'null-mx.example',
      undefined,
      /relay=none, dsn=5\.1\.0, status=bounced \(Domain null-mx\.example does not accept mail \(nullMX\)\)/,
    ],
    ['nowhere.example', undefined, /relay=none, dsn=5\.4\.4, status=bounced \(Host or domain name not found/],
    [
      'servfail.example',
      undefined,
      /relay=none, dsn=4\.4\.3, status=deferred \(Host or domain name not found/,
    ],
    [
      'error.example',
      undefined,
      /^postfix\/error: relay=none, dsn=5\.1\.2, status=bounced \(gone for good\)/,
    ],
    [
      'refusing.example',
      { mx: [[10, 'mx.remote.example']] },
      /relay=none, dsn=4\.4\.1, status=deferred \(connect to mx\.remote\.example\[127\.99\.99\.99\]:\d+: Connection refused\)/,
    ],
  ])('%s', async (name, zone, outcome) => {
    if (zone !== undefined) bed.dns.set({ [name]: zone });
    const id = await send(`a@${name}`);
    expect(await fate(id, `a@${name}`)).toMatch(outcome);
  });

  it('a bounce is never bounced', async () => {
    const id = await send('a@rcpt5.example', { from: '' });
    await ours.daemon.waitForLog(
      new RegExp(`postfix/bounce\\[\\d+\\]: ${id}: undeliverable notification to `),
    );
    await ours.daemon.waitForLog(new RegExp(`${id}: removed`));
  });

  it('says who passed it on when an alias leads away', async () => {
    const mx = await domain('forward.example', { keywords: ['SIZE'] });
    const id = await send('away@example.com');
    const line = await fate(id, 'b@forward.example');
    expect(line).toMatch(/status=sent/);
    expect(mx.taken[0]?.octets).toMatch(/^Delivered-To: away@example\.com\r\nReceived: /);
    const declared = Number(/SIZE=(\d+)/.exec(mx.taken[0]?.commands[0] ?? '')?.[1]);
    expect(declared).toBe(mx.taken[0]?.octets.replaceAll('\r\n..', '\r\n.').length);
  });

  it('tries the next exchange when the first is down', async () => {
    const mx = await domain('second.example');
    bed.dns.set({
      'two.example': {
        mx: [
          [10, 'mx.remote.example'],
          [20, 'mx.second.example'],
        ],
      },
    });
    const id = await send('a@two.example');
    expect(await fate(id, 'a@two.example')).toContain('relay=mx.second.example[');
    expect(mx.taken).toHaveLength(1);
  });

  it('keeps the session for messages that wait', async () => {
    const mx = await domain('busyday.example', { keywords: ['PIPELINING'], slowness: 50 });
    await Promise.all(Array.from({ length: 20 }, () => send('a@busyday.example')));
    await eventually(() => expect(mx.taken).toHaveLength(20));
    // Two at a time, each for many messages.
    expect(mx.connections).toBeLessThanOrEqual(6);
  });

  it.each<[name: string, withCertificate: 'own' | 'other' | 'none', expected: RegExp, secured: boolean]>([
    ['opportune.example', 'other', /status=sent/, true],
    ['plain.example', 'other', /status=sent/, false],
    ['encrypt.example', 'other', /status=sent/, true],
    [
      'stripped.example',
      'none',
      /dsn=4\.7\.4, status=deferred \(TLS is required, but was not offered by host/,
      false,
    ],
    ['verify.example', 'other', /dsn=4\.7\.5, status=deferred \(Server certificate not trusted\)/, true],
    ['secure.example', 'other', /dsn=4\.7\.5, status=deferred \(Server certificate not trusted\)/, true],
    ['trusted.example', 'own', /status=sent/, true],
  ])('TLS: %s with %s certificate', async (name, which, expected, secured) => {
    const other = path.join(bed.folder, 'other');
    fs.mkdirSync(other, { recursive: true });
    const files = which === 'own' ? certificate : makeCertificate(other, `mx.${name}`);
    const mx = await domain(name, which === 'none' ? {} : { certificate: files });
    const id = await send(`a@${name}`);
    expect(await fate(id, `a@${name}`)).toMatch(expected);
    expect(mx.lines.includes('STARTTLS')).toBe(secured);
    expect(mx.taken).toHaveLength(String(expected).includes('sent') ? 1 : 0);
  });

  /** The certificate's key as a TLSA record; `wrong`: another's. */
  function tlsaOf(files: CertificateFiles, usage: number, wrong = false): string {
    const key = new X509Certificate(fs.readFileSync(files.certFile)).publicKey;
    const digest = createHash('sha256').update(key.export({ type: 'spki', format: 'der' }));
    if (wrong) digest.update('wrong');
    return `0${usage}0101${digest.digest('hex')}`;
  }

  it.each<[name: string, row: 'dane' | 'dane-only', zone: Zone, expected: RegExp, verified: boolean]>([
    ['right', 'dane', {}, /status=sent/, true],
    ['right-only', 'dane-only', {}, /status=sent/, true],
    [
      'wrong',
      'dane',
      { wrong: true },
      /dsn=4\.7\.5, status=deferred \(Server certificate not trusted\)/,
      false,
    ],
    ['unsigned', 'dane', { insecure: true }, /status=sent/, false],
    [
      'unsigned-only',
      'dane-only',
      { insecure: true },
      /dsn=4\.7\.5, status=deferred .*dane-only is required/,
      false,
    ],
    ['pkix', 'dane', { usage: 1 }, /status=sent/, false],
    ['stripped', 'dane', { stripped: true }, /dsn=4\.7\.4, .*TLS is required, but was not offered/, false],
    ['servfail', 'dane', { fault: 'servfail' }, /dsn=4\.7\.5, status=deferred \(TLSA lookup error/, false],
  ])('DANE: %s', async (name, row, zone, expected, verified) => {
    const domainName = `${name}.${row}.example`;
    const files = makeCertificate(bed.newFolder('dane'), 'wrong-name.example');
    const mx = await domain(domainName, zone.stripped === true ? {} : { certificate: files });
    const secure = zone.insecure !== true;
    bed.dns.set({
      [domainName]: { mx: [[10, `mx.${domainName}`]], secure },
      [`mx.${domainName}`]: { a: [`127.66.0.${octet}`], secure },
      [`_${port}._tcp.mx.${domainName}`]: {
        tlsa: [tlsaOf(files, zone.usage ?? 3, zone.wrong)],
        secure,
        ...(zone.fault === undefined ? {} : { fault: zone.fault }),
      },
    });
    const id = await send(`a@${domainName}`);
    expect(await fate(id, `a@${domainName}`)).toMatch(expected);
    expect(mx.taken).toHaveLength(String(expected).includes('sent') ? 1 : 0);
    const line = new RegExp(`Verified TLS connection established to mx\\.${escape(domainName)}`);
    expect(line.test(ours.daemon.log)).toBe(verified);
    expect(notices(id)).toEqual([]);
  });

  it.each([
    ['own', /status=sent/],
    ['other', /dsn=4\.7\.5, status=deferred \(Server certificate not verified\)/],
  ] as const)('fingerprint: the %s certificate', async (which, expected) => {
    const other = makeCertificate(bed.newFolder('print'), 'x.example');
    await domain(`${which}.print.example`, { certificate: which === 'own' ? certificate : other });
    const id = await send(`a@${which}.print.example`);
    expect(await fate(id, `a@${which}.print.example`)).toMatch(expected);
  });

  it('trust anchors of a file count alone, by a table', async () => {
    const mx = await domain('anchor.example', { certificate });
    const id = await send('a@anchor.example');
    expect(await fate(id, 'a@anchor.example')).toMatch(/status=sent/);
    expect(mx.taken).toHaveLength(1);
  });

  it('goes on without TLS where that is allowed and the handshake fails', async () => {
    const broken = { ...certificate };
    const mx = await domain('tlsbroken.example', { certificate: broken, at: { STARTTLS: '220 go' } });
    const id = await send('a@tlsbroken.example');
    expect(await fate(id, 'a@tlsbroken.example')).toMatch(/status=sent/);
    expect(mx.connections).toBe(2);
  });

  it('logs in to a smarthost with a password that only root can read', async () => {
    const server = await ScriptedMx.start('127.66.1.1', port, { keywords: ['AUTH PLAIN LOGIN'] });
    servers.push(server);
    const id = await send('a@auth.example');
    expect(await fate(id, 'a@auth.example')).toMatch(
      /relay=127\.66\.1\.1\[127\.66\.1\.1\]:\d+, .*status=sent/,
    );
    const token = Buffer.from('\0smarty\0secret').toString('base64');
    expect(server.lines).toContain(`AUTH PLAIN ${token}`);
    expect(ours.daemon.log).not.toContain(token);
  });

  it('LMTP over a unix socket: one reply for each recipient', async () => {
    const said: string[] = [];
    const server = net.createServer((socket) => {
      socket.write('220 lmtp\r\n');
      let body = false;
      socket.on('data', (chunk: Buffer) => {
        for (const line of chunk.toString('latin1').split('\r\n').slice(0, -1)) {
          if (body) {
            if (line !== '.') continue;
            body = false;
            socket.write('250 2.0.0 saved\r\n452 4.2.2 over quota\r\n550 5.7.0 unwanted\r\n');
            continue;
          }
          said.push(line);
          if (line === 'DATA') body = true;
          socket.write(line === 'DATA' ? '354 go\r\n' : line === 'QUIT' ? '221 bye\r\n' : '250 2.0.0 ok\r\n');
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(lmtpPath, resolve));
    fs.chmodSync(lmtpPath, 0o666);
    const id = await send(['a@lmtp.example', 'b@lmtp.example', 'c@lmtp.example']);
    expect(await fate(id, 'a@lmtp.example')).toMatch(/^postfix\/lmtp: .*status=sent \(250 2\.0\.0 saved\)/);
    expect(await fate(id, 'b@lmtp.example')).toMatch(/dsn=4\.2\.2, status=deferred/);
    expect(await fate(id, 'c@lmtp.example')).toMatch(/dsn=5\.7\.0, status=bounced/);
    expect(said[0]).toBe('LHLO lollipop.example.com');
    await eventually(() => expect(notices(id)).toHaveLength(1));
    server.close();
  });

  it('8BITMIME mail becomes quoted-printable for a server of seven bits', async () => {
    const mx = await domain('seven.example');
    const text =
      'Subject: acht\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncaf\xe9\r\n';
    await send('a@seven.example', { mailWords: ' BODY=8BITMIME', text });
    await eventually(() => expect(mx.taken).toHaveLength(1));
    expect(mx.taken[0]?.octets).toContain('Content-Transfer-Encoding: quoted-printable\r\n');
    expect(mx.taken[0]?.octets).toMatch(/\r\n\r\ncaf=C3=A9\r\n$/);
    expect(mx.taken[0]?.commands[0]).not.toContain('BODY');
  });

  it('DSN goes on to who knows it, and is answered for who does not', async () => {
    const knows = await domain('dsn.example', { keywords: ['DSN'] });
    const words = {
      rcptWords: ' NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y',
      mailWords: ' RET=HDRS ENVID=e+2B1',
    };
    const id = await send('a@dsn.example', words);
    await fate(id, 'a@dsn.example');
    expect(knows.taken[0]?.commands.slice(0, 2)).toEqual([
      `MAIL FROM:<${sender.name}@example.com> RET=HDRS ENVID=e+2B1`,
      'RCPT TO:<a@dsn.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y',
    ]);
    await domain('nodsn.example');
    const other = await send('a@nodsn.example', words);
    const [notice = ''] = await eventually(() => {
      const found = notices(other);
      expect(found).toHaveLength(1);
      return found;
    });
    expect(notice).toContain('Action: relayed');
    expect(notice).toContain('Original-Envelope-Id: e+1');
    expect(notices(id)).toEqual([]);
  });
});
