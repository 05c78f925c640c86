// Mail between hosts of their own: ours, a real Postfix, and one of many addresses whose servers misbehave as the test
// says. Every case ends in the right state of the queue and in the right notification, and both are looked at.

import { createHash, X509Certificate } from 'node:crypto';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateFiles, makeCertificate } from '../support/certificate.ts';
import type { Zone } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import { type ConfigFiles, writeConfig } from '../support/guide-config.ts';
import { makeFolder } from '../support/maildir-files.ts';
import { type NetHost, TestNetwork, hostsMissing } from '../support/net-hosts.ts';
import type { Account } from '../support/play-transcript.ts';
import { PostcoteDaemon, REPOSITORY } from '../support/postcote-daemon.ts';
import { type RealPostfix, postfixAuthSocket, startRealPostfix } from '../support/real-postfix.ts';
import { mustRun } from '../support/run-program.ts';
import type { Behaviour } from '../support/scripted-mx.ts';
import { TestBed } from '../support/world.ts';

const OURS = '10.77.0.10';
const REAL = '10.77.0.20';
const SINK = '10.77.0.40';
const SILENT = '10.77.0.50';
/** From where one service of ours sends. */
const OTHER = '10.77.0.11';
const OURS6 = 'fd00:77::10';
const SIX = 'fd00:77::66';
const odd = (n: number): string => `10.77.1.${n}`;
const PORTS = { smtp: 25, submission: 587, smtps: 465, imap: 143, imaps: 993, pop3: 110, pop3s: 995 };
const missing = hostsMissing();

interface Listed {
  readonly queue_id: string;
  readonly queue_name: string;
  readonly recipients: readonly { readonly address: string; readonly delay_reason?: string }[];
}

describe.skipIf(missing !== undefined)(
  `hosts of their own${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let bed: TestBed;
    let network: TestNetwork;
    let us: NetHost;
    let them: NetHost;
    let crowd: NetHost;
    let real: RealPostfix;
    let daemon: PostcoteDaemon;
    let config: ConfigFiles;
    let dataDir = '';
    let alice: Account;
    let bob: Account;
    let ourCertificate: CertificateFiles;
    let realCertificate: CertificateFiles;
    let octet = 0;
    const programs: ChildProcess[] = [];

    const tlsaOf = ({ certFile }: CertificateFiles): string => {
      const key = new X509Certificate(fs.readFileSync(certFile)).publicKey;
      return `030101${createHash('sha256')
        .update(key.export({ type: 'spki', format: 'der' }))
        .digest('hex')}`;
    };

    function zone(): Zone {
      const arpa = (address: string): string => `${address.split('.').reverse().join('.')}.in-addr.arpa`;
      const host = (name: string, address: string, files: CertificateFiles): Zone => ({
        [name]: { mx: [[10, `mx.${name}`]], a: [address], secure: true },
        [`mx.${name}`]: { a: [address], secure: true },
        [`_25._tcp.mx.${name}`]: { tlsa: [tlsaOf(files)], secure: true },
        [arpa(address)]: { ptr: [`mx.${name}`] },
      });
      return {
        ...host('us.test', OURS, ourCertificate),
        ...host('real.test', REAL, realCertificate),
        // Signed, with a record that is another key's.
        'wrong.test': { mx: [[10, 'mx.wrong.test']], secure: true },
        'mx.wrong.test': { a: [REAL], secure: true },
        '_25._tcp.mx.wrong.test': { tlsa: [tlsaOf(ourCertificate)], secure: true },
        'sink.test': { mx: [[10, 'mx.sink.test']] },
        'mx.sink.test': { a: [SINK] },
        'silent.test': { mx: [[10, 'mx.silent.test']] },
        'mx.silent.test': { a: [SILENT] },
        'refusing.test': { mx: [[10, 'mx.refusing.test']] },
        'mx.refusing.test': { a: [SINK] },
        'null.test': { mx: [[0, '']] },
        'loop.test': { mx: [[10, 'other-name.test']] },
        'other-name.test': { a: [OURS] },
        'backup.test': {
          mx: [
            [10, 'mx.silent.test'],
            [20, 'mx.real.test'],
          ],
        },
        'servfail.test': { fault: 'servfail' },
        // One exchange with addresses of both families, of which only the one of IPv6 answers.
        'both.test': { mx: [[10, 'mx.both.test']] },
        'mx.both.test': { a: [odd(40)], aaaa: [SIX] },
        'mx.fallback.test': { a: [odd(38)] },
        'null.lost.test': { mx: [[0, '']] },
        'mine.test': { mx: [[10, 'other-name.test']] },
        'bound.test': { mx: [[10, 'mx.bound.test']] },
        'mx.bound.test': { a: [odd(39)] },
      };
    }

    async function startOurs(): Promise<void> {
      daemon = await PostcoteDaemon.start({ config, dataDir, ports: PORTS, namespace: us.namespace });
    }

    beforeAll(async () => {
      bed = await TestBed.open('hosts');
      [alice, bob] = bed.users.create(2) as [Account, Account];
      for (const account of [alice, bob]) makeFolder(account, 'INBOX');
      const files = (name: string): CertificateFiles => makeCertificate(bed.newFolder('certificate'), name);
      ourCertificate = files('mx.us.test');
      realCertificate = files('mx.real.test');
      network = new TestNetwork();
      us = await network.host('us', [OURS, OTHER, OURS6], zone());
      them = await network.host('real', [REAL], zone());
      crowd = await network.host(
        'odd',
        [SINK, SILENT, SIX, ...Array.from({ length: 40 }, (_, i) => odd(i + 1))],
        {},
      );
      // A host that is there and answers nobody: its packets back are thrown away.
      const filter = ['route', 'add', 'blackhole', `${OURS}/32`, 'table', '77'];
      await mustRun('ip', ['-n', crowd.namespace, ...filter]);
      await mustRun('ip', ['-n', crowd.namespace, 'rule', 'add', 'from', `${SILENT}/32`, 'table', '77']);
      real = await startRealPostfix({
        folder: bed.newFolder('peer'),
        host: them,
        ports: PORTS,
        certificate: realCertificate,
        settings: {
          main: [
            'myhostname = mx.real.test',
            'mydestination = real.test, wrong.test, backup.test',
            'mynetworks = 127.0.0.0/8',
            'inet_interfaces = all',
            // Without a Dovecot beside it, it would find no auth socket and be held back for a minute.
            'smtpd_sasl_auth_enable = no',
            'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination',
            'smtp_tls_security_level = dane',
            'smtp_dns_support_level = dnssec',
            'smtp_tls_loglevel = 1',
          ],
          dovecot: [],
          aliases: [],
          virtual: [],
        },
        extraMaster: [`${REAL}:25 inet n - n - - smtpd`],
      });
      const folder = bed.newFolder('ours');
      dataDir = path.join(folder, 'data');
      const policy = path.join(folder, 'policy');
      fs.writeFileSync(policy, 'sink.test none\n');
      const transports = path.join(folder, 'transports');
      fs.writeFileSync(
        transports,
        'silent.test impatient:\nbackup.test impatient:\n.odd.test impatient:\nbound.test bound:\nlost.test backed:\nnull.lost.test backed:\nmine.test best:\n',
      );
      config = writeConfig(folder, {
        ports: PORTS,
        certificate: ourCertificate,
        authSocket: postfixAuthSocket(folder),
        extraMain: [
          'myhostname = mx.us.test',
          'mydestination = us.test',
          'inet_protocols = all',
          'mynetworks = 127.0.0.0/8',
          'inet_interfaces = all',
          'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination',
          'smtp_tls_security_level = dane',
          'smtp_dns_support_level = dnssec',
          'smtp_tls_loglevel = 1',
          `smtp_tls_policy_maps = hash:${policy}`,
          `transport_maps = hash:${transports}`,
        ],
        extraMaster: [
          `${OURS}:25 inet n - n - - smtpd`,
          // For hosts that fall silent: the others have Postfix's own patience.
          'backed unix - - n - - smtp',
          '  -o smtp_fallback_relay=[mx.fallback.test]',
          'best unix - - n - - smtp',
          '  -o best_mx_transport=local',
          'bound unix - - n - - smtp',
          `  -o smtp_bind_address=${OTHER}`,
          'impatient unix - - n - - smtp',
          ...['connect', 'helo', 'starttls', 'mail', 'rcpt', 'data_init', 'data_xfer', 'data_done'].map(
            (phase) => `  -o smtp_${phase}_timeout=2s`,
          ),
        ],
      });
      await startOurs();
    }, 120_000);
    afterAll(async () => {
      for (const program of programs) program.kill('SIGTERM');
      await daemon?.stop();
      await real?.stop();
      await network?.stop();
      await bed?.close();
    }, 60_000);

    const send = async (
      to: string,
      how: { readonly from?: string; readonly text?: string } = {},
    ): Promise<string> => {
      const reply = await us.send({
        address: '127.0.0.1',
        port: PORTS.smtp,
        from: how.from ?? `${alice.name}@us.test`,
        to: [to],
        text: how.text ?? 'Subject: out\r\n\r\nhello\r\n.dot\r\n',
      });
      return /queued as (\w+)/.exec(reply)?.[1] ?? '';
    };
    const fate = async (id: string): Promise<string> =>
      (await daemon.waitForLog(new RegExp(`postfix/[^ ]+\\[\\d+\\]: ${id}: to=<[^>]*>, (.*)`), 60_000))[1] ??
      '';
    const inbox = (account: Account): string[] => {
      const folder = path.join(account.home, 'mail/new');
      return fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name), 'latin1'));
    };
    const notices = (id: string): string[] =>
      inbox(alice).filter((text) => text.includes(`X-Postfix-Queue-ID: ${id}`));
    async function queued(id: string): Promise<Listed | undefined> {
      const { stdout } = await mustRun(path.join(REPOSITORY, 'libexec/postqueue'), ['-j'], {
        env: { POSTCOTE_DATA_DIR: dataDir, MAIL_CONFIG: config.postfixDir },
      });
      const all = stdout.split('\n').filter(Boolean);
      return all.map((line) => JSON.parse(line) as Listed).find(({ queue_id }) => queue_id === id);
    }

    /** It is tried again later, for this reason, and nobody was told. */
    async function waits(id: string, reason: RegExp): Promise<void> {
      expect(await fate(id)).toMatch(reason);
      const listed = await eventually(async () => {
        const found = await queued(id);
        expect(found?.queue_name).toBe('deferred');
        return found;
      });
      expect(`status=deferred (${listed?.recipients[0]?.delay_reason ?? ''})`).toMatch(
        new RegExp(reason.source.replace(/^dsn=\S+, /, '')),
      );
      expect(notices(id)).toEqual([]);
      await mustRun(path.join(REPOSITORY, 'libexec/postsuper'), ['-d', id], {
        env: { POSTCOTE_DATA_DIR: dataDir, MAIL_CONFIG: config.postfixDir },
      });
    }

    /** It is gone from the queue, and its sender knows why. */
    async function returns(id: string, reason: RegExp, status: string): Promise<string> {
      expect(await fate(id)).toMatch(reason);
      await daemon.waitForLog(new RegExp(`postfix/qmgr\\[\\d+\\]: ${id}: removed`));
      expect(await queued(id)).toBeUndefined();
      const [notice = '', ...more] = await eventually(() => {
        const found = notices(id);
        expect(found.length).toBeGreaterThan(0);
        return found;
      });
      expect(more).toEqual([]);
      expect(notice).toContain(`Status: ${status}`);
      expect(notice).toContain('Action: failed');
      expect(notice).toContain('Subject: out');
      return notice;
    }

    /** It was taken, and nothing is left of it. */
    async function arrives(id: string, how: RegExp): Promise<void> {
      expect(await fate(id)).toMatch(how);
      await daemon.waitForLog(new RegExp(`postfix/qmgr\\[\\d+\\]: ${id}: removed`));
      expect(await queued(id)).toBeUndefined();
      expect(notices(id)).toEqual([]);
    }

    it('a real Postfix takes it, by DANE', async () => {
      const id = await send(`${bob.name}@real.test`);
      await arrives(
        id,
        /relay=mx\.real\.test\[10\.77\.0\.20\]:25, .*status=sent \(250 2\.0\.0 Ok: queued as \w+\)/,
      );
      expect(daemon.log).toMatch(/Verified TLS connection established to mx\.real\.test/);
      const text = await eventually(() => {
        const found = inbox(bob).find((mail) => mail.includes(id));
        expect(found).toBeDefined();
        return found ?? '';
      });
      expect(text).toContain('\nhello\n.dot\n');
      expect(text).toMatch(/^Received: from mx\.us\.test \(mx\.us\.test \[10\.77\.0\.10\]\)/m);
    });

    it('a real Postfix verifies us by DANE, and sends', async () => {
      await them.send({
        address: '127.0.0.1',
        port: 25,
        from: `${bob.name}@real.test`,
        to: [`${alice.name}@us.test`],
        text: 'Subject: from Postfix\r\n\r\nhi\r\n',
      });
      await eventually(
        () => expect(inbox(alice).some((mail) => mail.includes('Subject: from Postfix'))).toBe(true),
        30_000,
      );
      expect(real.log()).toMatch(/Verified TLS connection established to mx\.us\.test\[10\.77\.0\.10\]:25/);
    });

    it('what we refuse at RCPT comes back from the real Postfix, never from us', async () => {
      await them.send({
        address: '127.0.0.1',
        port: 25,
        from: `${bob.name}@real.test`,
        to: ['nobody-at-all@us.test'],
        text: 'Subject: lost\r\n\r\nhi\r\n',
      });
      const notice = await eventually(() => {
        const found = inbox(bob).find((mail) => mail.includes('nobody-at-all@us.test'));
        expect(found).toBeDefined();
        return found ?? '';
      }, 30_000);
      expect(notice).toContain('Reporting-MTA: dns; mx.real.test');
      expect(notice).toContain('Status: 5.1.1');
    });

    it('what the real Postfix refuses is returned with its words', async () => {
      const id = await send('nobody-at-all@real.test');
      const notice = await returns(id, /dsn=5\.1\.1, status=bounced/, '5.1.1');
      expect(notice).toContain('Remote-MTA: dns; mx.real.test');
      expect(notice.replaceAll(/\s+/g, ' ')).toContain('Diagnostic-Code: smtp; 550 5.1.1');
    });

    it('DANE: a key that is not the record’s', async () =>
      waits(
        await send(`${bob.name}@wrong.test`),
        /dsn=4\.7\.5, status=deferred \(Server certificate not trusted\)/,
      ));

    it.each<[string, RegExp]>([
      [
        'silent.test',
        /dsn=4\.4\.1, status=deferred \(connect to mx\.silent\.test\[10\.77\.0\.50\]:25: Connection timed out\)/,
      ],
      [
        'refusing.test',
        /dsn=4\.4\.1, status=deferred \(connect to mx\.refusing\.test\[10\.77\.0\.40\]:25: Connection refused\)/,
      ],
      ['servfail.test', /dsn=4\.4\.3, status=deferred \(Host or domain name not found/],
    ])('%s', async (name, reason) => waits(await send(`a@${name}`), reason));

    it.each<[string, RegExp, string]>([
      [
        'null.test',
        /dsn=5\.1\.0, status=bounced \(Domain null\.test does not accept mail \(nullMX\)\)/,
        '5.1.0',
      ],
      ['loop.test', /dsn=5\.4\.6, status=bounced \(mail for loop\.test loops back to myself\)/, '5.4.6'],
      ['nowhere.test', /dsn=5\.4\.4, status=bounced \(Host or domain name not found/, '5.4.4'],
    ])('%s', async (name, reason, status) => {
      await returns(await send(`a@${name}`), reason, status);
    });

    it('goes to the next exchange when the first is silent', async () => {
      await arrives(
        await send(`${bob.name}@backup.test`),
        /relay=mx\.real\.test\[10\.77\.0\.20\]:25, .*status=sent/,
      );
    });

    /** A domain whose one exchange behaves so, on port 25 of an address of its own. */
    async function misbehaving(name: string, behaviour: Behaviour): Promise<string> {
      const address = odd(++octet);
      await us.setZone({
        [`${name}.odd.test`]: { mx: [[10, `mx.${name}.odd.test`]] },
        [`mx.${name}.odd.test`]: { a: [address] },
      });
      await crowd.serve(address, behaviour);
      return address;
    }

    it.each<[name: string, behaviour: Behaviour, reason: RegExp]>([
      [
        'mute',
        { at: { connect: 'silence' } },
        /dsn=4\.4\.2, status=deferred \(conversation with .* timed out while receiving the initial server greeting\)/,
      ],
      [
        'gone',
        { at: { connect: 'drop' } },
        /dsn=4\.4\.2, status=deferred \(lost connection with .* while receiving the initial server greeting\)/,
      ],
      ['ehlo', { at: { EHLO: 'drop' } }, /dsn=4\.4\.2, .*performing the EHLO handshake\)/],
      ['mail', { at: { MAIL: 'drop' } }, /dsn=4\.4\.2, .*sending MAIL FROM\)/],
      ['rcpt', { at: { RCPT: 'silence' } }, /dsn=4\.4\.2, .*timed out while sending RCPT TO\)/],
      ['data', { at: { DATA: 'drop' } }, /dsn=4\.4\.2, .*sending DATA command\)/],
      [
        'dot',
        { at: { end: 'drop' } },
        /dsn=4\.4\.2, .*sending end of data -- message may be sent more than once\)/,
      ],
      ['late', { at: { end: 'silence' } }, /dsn=4\.4\.2, .*timed out while sending end of data/],
      [
        'full',
        { at: { end: '452 4.3.1 full' } },
        /dsn=4\.3\.1, status=deferred \(host .* said: 452 4\.3\.1 full \(in reply to end of DATA command\)\)/,
      ],
    ])('a host that fails at %s: it waits', async (name, behaviour, reason) => {
      const address = await misbehaving(name, behaviour);
      await waits(await send(`a@${name}.odd.test`), reason);
      expect((await crowd.served(address)).taken).toEqual([]);
    });

    it.each<[name: string, behaviour: Behaviour, status: string]>([
      ['sender', { at: { MAIL: '550 5.7.1 not from you' } }, '5.7.1'],
      ['user', { keywords: ['PIPELINING'], at: { RCPT: '550 5.1.1 nobody' } }, '5.1.1'],
      ['spam', { at: { end: '554 5.7.0 spam' } }, '5.7.0'],
    ])('a host that refuses at %s: it comes back', async (name, behaviour, status) => {
      await misbehaving(name, behaviour);
      await returns(await send(`a@${name}.odd.test`), /status=bounced/, status);
    });

    it('a host that greets with our own name is ourselves', async () => {
      await misbehaving('mirror', { at: { EHLO: '250 mx.us.test' } });
      await returns(await send('a@mirror.odd.test'), /loops back to myself/, '5.4.6');
    });

    it('a host that goes away at STARTTLS: it waits', async () => {
      const address = await misbehaving('starttls', {
        certificate: ourCertificate,
        at: { STARTTLS: 'drop' },
      });
      const reason = /dsn=4\.4\.2, status=deferred \(lost connection .* performing the STARTTLS handshake\)/;
      await waits(await send('a@starttls.odd.test'), reason);
      expect((await crowd.served(address)).taken).toEqual([]);
    });

    it('a STARTTLS handshake that breaks ends in the clear where that is allowed', async () => {
      const address = await misbehaving('handshake', {
        certificate: ourCertificate,
        at: { STARTTLS: '220 go' },
      });
      await arrives(await send('a@handshake.odd.test'), /status=sent/);
      expect((await crowd.served(address)).connections).toBe(2);
    });

    it('speaks IPv6, and goes from one address of a host to the other', async () => {
      await crowd.serve(SIX);
      await arrives(await send('a@both.test'), /relay=mx\.both\.test\[fd00:77::66\]:25, .*status=sent/);
      expect((await crowd.served(SIX)).peers).toEqual([OURS6]);
    });

    it('sends from smtp_bind_address', async () => {
      await crowd.serve(odd(39));
      await arrives(await send('a@bound.test'), /status=sent/);
      expect((await crowd.served(odd(39))).peers).toEqual([OTHER]);
    });

    it('a host that stands in takes what cannot be found, and nothing that is not wanted anywhere', async () => {
      await crowd.serve(odd(38));
      await arrives(await send('a@lost.test'), /relay=mx\.fallback\.test\[10\.77\.1\.38\]:25, .*status=sent/);
      await returns(await send('a@null.lost.test'), /dsn=5\.1\.0, status=bounced/, '5.1.0');
      expect((await crowd.served(odd(38))).taken).toHaveLength(1);
    });

    it('best_mx_transport takes mail of which we are the best exchange', async () => {
      const text = 'Subject: mine after all\r\n\r\nx\r\n';
      await arrives(await send(`${alice.name}@mine.test`, { text }), /relay=local, .*status=sent/);
      expect(inbox(alice).some((mail) => mail.includes('Subject: mine after all'))).toBe(true);
    });

    it('smtp-sink takes two hundred', async () => {
      const [program = '', ...args] = crowd.command('smtp-sink', '-u', 'postfix', `${SINK}:25`, '100');
      programs.push(spawn(program, args, { stdio: 'ignore' }));
      await crowd.greeted(SINK, 25);
      const ids = await Promise.all(Array.from({ length: 200 }, (_, i) => send(`u${i}@sink.test`)));
      for (const id of ids) await daemon.waitForLog(new RegExp(`qmgr\\[\\d+\\]: ${id}: removed`), 60_000);
      const sent = daemon.log.match(/to=<u\d+@sink\.test>, .*status=sent/g) ?? [];
      expect(new Set(sent.map((line) => line.split(',', 1)[0])).size).toBe(200);
    }, 120_000);

    it('kill -9 while a message is being sent: it arrives, at most twice', async () => {
      const address = await misbehaving('slow', { slowness: 1_500 });
      const ids = await Promise.all(
        Array.from({ length: 5 }, (_, i) =>
          send(`a@slow.odd.test`, { text: `Subject: out ${i}\r\n\r\nx\r\n` }),
        ),
      );
      await eventually(async () =>
        expect((await crowd.served(address)).lines.filter((line) => line === 'DATA').length).toBeGreaterThan(
          0,
        ),
      );
      await daemon.kill();
      await startOurs();
      for (const id of ids) await daemon.waitForLog(new RegExp(`qmgr\\[\\d+\\]: ${id}: removed`), 60_000);
      const taken = (await crowd.served(address)).taken.map(
        ({ octets }) => /Subject: (.*)\r/.exec(octets)?.[1] ?? '',
      );
      for (let i = 0; i < 5; i++) {
        const times = taken.filter((subject) => subject === `out ${i}`).length;
        expect([1, 2]).toContain(times);
      }
    }, 60_000);

    it('kill -9 between a failure and its notification: the sender hears of it', async () => {
      await misbehaving('refusal', { at: { RCPT: '550 5.1.1 nobody' }, slowness: 0 });
      for (let round = 0; round < 3; round++) {
        const id = await send('a@refusal.odd.test');
        await daemon.waitForLog(new RegExp(`${id}: to=<a@refusal\\.odd\\.test>, .*status=bounced`), 30_000);
        await daemon.kill();
        await startOurs();
        const found = await eventually(() => {
          const list = notices(id);
          expect(list.length).toBeGreaterThan(0);
          return list;
        }, 30_000);
        expect(found.length).toBeLessThanOrEqual(2);
        await eventually(async () => expect(await queued(id)).toBeUndefined(), 30_000);
      }
    }, 120_000);
  },
);
