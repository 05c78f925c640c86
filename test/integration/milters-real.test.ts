// opendkim and rspamd, Debian's, as filters of the whole daemon: mail is signed and the signature verifies, for mail by
// SMTP and for mail by sendmail; spam is refused, other mail gets its headers. Nothing leaves the machine.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Commands } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { NO_SETTINGS } from '../support/guide-config.ts';
import { LineClient } from '../support/line-client.ts';
import { makeFolder } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { freePorts, waitForPorts } from '../support/ports.ts';
import { runProgram } from '../support/run-program.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

const REPLY_END = /^\d{3} /;
const OPENDKIM = '/usr/sbin/opendkim';
const RSPAMD = '/usr/bin/rspamd';

/** A program in the foreground, ended by its own process id. */
class Filter {
  readonly #child: ChildProcess;
  log = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.log += chunk.toString('utf8');
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
  }

  static async start(program: string, args: readonly string[], port: number): Promise<Filter> {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const filter = new Filter(child);
    try {
      await waitForPorts([port], {
        timeoutMs: 60_000,
        alive() {
          if (child.exitCode !== null) throw new Error(`${program} ended at start:\n${filter.log}`);
        },
      });
    } catch (error) {
      await filter.stop();
      throw error;
    }
    return filter;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
  }
}

async function send(port: number, to: string, message: string): Promise<string> {
  const client = await LineClient.connect({ port });
  try {
    await client.linesUntil(REPLY_END);
    for (const command of [
      'EHLO client.example',
      'MAIL FROM:<news@example.com>',
      `RCPT TO:<${to}@example.com>`,
      'DATA',
    ]) {
      const [last = ''] = (await client.ask(command, REPLY_END)).slice(-1);
      if (!/^[23]/.test(last)) return last;
    }
    return (await client.ask(`${message.replace(/\r?\n/g, '\r\n')}\r\n.`, REPLY_END)).at(-1) ?? '';
  } finally {
    client.close();
  }
}

const message = (subject: string, body: string): string =>
  `From: News <news@example.com>\nTo: <reader@example.com>\nSubject: ${subject}\nDate: ${new Date().toUTCString().replace('GMT', '+0000')}\nMessage-Id: <${subject.replaceAll(' ', '-')}@example.com>\n\n${body}\n`;

describeAsRoot('real filters', () => {
  let bed: TestBed;
  let world: OurWorld;
  let commands: Commands;
  let reader: Account;
  let ports: number[];
  const filters: Filter[] = [];

  const begin = async (main: readonly string[]): Promise<void> => {
    world = await startOurs(bed, {
      settings: {
        ...NO_SETTINGS,
        main: [...main, 'smtpd_recipient_restrictions = permit_mynetworks, reject'],
      },
    });
    commands = new Commands({
      folder: bed.newFolder('commands'),
      dataDir: world.dataDir,
      postfixDir: world.config.postfixDir,
    });
  };

  beforeAll(async () => {
    bed = await TestBed.open('filters');
    reader = bed.users.one();
    makeFolder(reader, 'INBOX');
    ports = await freePorts(2);
  });
  afterAll(async () => {
    for (const filter of filters) await filter.stop();
    await bed?.close();
  });

  const mailWith = (text: string): Promise<{ readonly file: string; readonly text: string }> =>
    eventually(() => {
      const folder = path.join(reader.home, 'mail/new');
      for (const name of fs.readdirSync(folder)) {
        const file = path.join(folder, name);
        const mail = fs.readFileSync(file, 'utf8');
        if (mail.includes(text)) return { file, text: mail };
      }
      throw new Error(`no mail with ${text}:\n${world.log().slice(-3000)}`);
    });

  describe.skipIf(!fs.existsSync(OPENDKIM))('opendkim (skipped where it is not installed)', () => {
    let folder: string;
    let verifier: string;

    beforeAll(async () => {
      folder = bed.newFolder('opendkim');
      execFileSync('openssl', ['genrsa', '-out', path.join(folder, 'key.pem'), '2048'], { stdio: 'ignore' });
      const key = execFileSync(
        'openssl',
        ['rsa', '-in', path.join(folder, 'key.pem'), '-pubout', '-outform', 'DER'],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      ).toString('base64');
      fs.writeFileSync(path.join(folder, 'keys'), `made._domainkey.example.com v=DKIM1; k=rsa; p=${key}\n`);
      const config = (name: string, lines: readonly string[]): string => {
        const file = path.join(folder, name);
        fs.writeFileSync(
          file,
          `${['Background no', 'Syslog no', 'RequireSafeKeys no', ...lines].join('\n')}\n`,
        );
        return file;
      };
      const signer = config('signer.conf', [
        `Socket inet:${ports[0]}@127.0.0.1`,
        'Mode s',
        'Domain example.com',
        'Selector made',
        `KeyFile ${path.join(folder, 'key.pem')}`,
        'Canonicalization relaxed/simple',
        'OversignHeaders From',
      ]);
      verifier = config('verifier.conf', ['Mode v', `TestPublicKeys ${path.join(folder, 'keys')}`]);
      filters.push(await Filter.start(OPENDKIM, ['-x', signer, '-f'], ports[0] ?? 0));
      const milter = `inet:127.0.0.1:${ports[0]}`;
      await begin([`smtpd_milters = ${milter}`, `non_smtpd_milters = ${milter}`]);
    });
    afterAll(async () => {
      await world?.stop();
    });

    /** opendkim's own judgement of a delivered message, without the fields of local delivery. */
    const verify = async (mail: string): Promise<string> => {
      const file = path.join(folder, 'message');
      const clean = mail.replace(/^(?:Return-Path|X-Original-To|Delivered-To): .*\n/gm, '');
      fs.writeFileSync(file, clean.replace(/\r?\n/g, '\r\n'));
      const { stdout, stderr } = await runProgram(OPENDKIM, ['-x', verifier, '-t', file]);
      return stdout + stderr;
    };

    it('signs mail by SMTP, and the signature verifies', async () => {
      expect(
        await send(world.ports.smtp, reader.name, message('by smtp', '.leading dot\n\nend\n\n')),
      ).toMatch(/^250 /);
      const { text } = await mailWith('Subject: by smtp');
      expect(text).toMatch(/^DKIM-Signature: v=1;/m);
      expect(await verify(text)).toMatch(/succeeded|signature ok|verified/i);
      expect(await verify(text.replace('end', 'END'))).not.toMatch(/succeeded|signature ok|verified/i);
    });

    it('signs mail by sendmail, and the signature verifies', async () => {
      const sent = await commands.run('sendmail', ['-t', '-i', ['-f', 'news@example.com']], {
        input: message('by sendmail', 'from a script').replace(
          'reader@example.com',
          `${reader.name}@example.com`,
        ),
      });
      expect(sent.code).toBe(0);
      const { text } = await mailWith('Subject: by sendmail');
      expect(text).toMatch(/^DKIM-Signature: v=1;/m);
      expect(await verify(text)).toMatch(/succeeded|signature ok|verified/i);
    });

    it('takes mail again once the filter is back', async () => {
      await filters[0]?.stop();
      expect(await send(world.ports.smtp, reader.name, message('while down', 'x'))).toMatch(/^451 4\.7\.1 /);
      const line = `warning: connect to Milter service inet:127.0.0.1:${ports[0]}: Connection refused`;
      await eventually(() => expect(world.log()).toContain(line));
      await commands.run('sendmail', [reader.name], { input: 'Subject: waits for the filter\n\nbody\n' });
      await eventually(() => expect(world.log()).toContain('tried again later'));
      expect(fs.readdirSync(path.join(world.dataDir, 'maildrop'))).toHaveLength(1);
    });
  });

  describe.skipIf(!fs.existsSync(RSPAMD))('rspamd (skipped where it is not installed)', () => {
    beforeAll(async () => {
      const folder = bed.newFolder('rspamd');
      // A configuration of its own: the package's compiles its patterns for minutes and asks the network.
      fs.writeFileSync(path.join(folder, 'tld'), 'com\norg\nexample\n');
      const config = path.join(folder, 'rspamd.conf');
      fs.writeFileSync(
        config,
        `lua = "$RULESDIR/rspamd.lua";
options {
  pidfile = "${folder}/rspamd.pid";
  control_socket = "${folder}/control.sock mode=0600";
  cache_file = "${folder}/symbols.cache";
  history_file = "${folder}/history";
  hs_cache_dir = "${folder}/";
  filters = "";
  disable_hyperscan = true;
  url_tld = "${folder}/tld";
  dns { nameserver = ["${bed.dns.address}"]; timeout = 0.2s; retransmits = 1; }
}
logging { type = "console"; level = "warning"; }
actions { reject = 15; add_header = 6; }
modules { path = "$PLUGINSDIR/milter_headers.lua"; }
milter_headers { use = ["x-rspamd-server", "x-spamd-bar"]; skip_local = false; skip_authenticated = false; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:${ports[1]}";
  milter = yes;
  timeout = 20s;
  count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
`,
      );
      const args = ['-c', config, '-f', '-i', '-u', 'root', '-g', 'root'];
      filters.push(await Filter.start(RSPAMD, args, ports[1] ?? 0));
      await begin([`smtpd_milters = inet:127.0.0.1:${ports[1]}`, 'milter_default_action = tempfail']);
    });
    afterAll(async () => {
      await world?.stop();
    });

    it('refuses spam', async () => {
      const gtube = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X';
      expect(await send(world.ports.smtp, reader.name, message('gtube', gtube))).toMatch(/^5\d\d 5\.7\.1 /);
      const line = /milter-reject: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: 5\.7\.1 /;
      await eventually(() => expect(world.log()).toMatch(line));
    });

    it('gives other mail its headers', async () => {
      expect(await send(world.ports.smtp, reader.name, message('by rspamd', 'hello, how are you'))).toMatch(
        /^250 /,
      );
      const { text } = await mailWith('Subject: by rspamd');
      expect(text).toMatch(/^X-Rspamd-Server: /m);
    });
  });
});
