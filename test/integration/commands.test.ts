// The commands by Postfix's names against the running server: mail from scripts and users, the queue in an
// administrator's hands, and what a hostile user of the machine tries with the maildrop folder.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Commands } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { NO_SETTINGS, choosePorts } from '../support/guide-config.ts';
import { makeFolder } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { type RealPostfix, startRealPostfix } from '../support/real-postfix.ts';
import { mustRun, runProgram } from '../support/run-program.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

const MUTT = fs.existsSync('/usr/bin/mutt');

describeAsRoot('commands', () => {
  let bed: TestBed;
  let world: OurWorld;
  let commands: Commands;
  let alice: Account;
  let bob: Account;

  const start = async (main: string[] = []): Promise<void> => {
    world = await startOurs(bed, { settings: { ...NO_SETTINGS, main } });
    commands = new Commands({
      folder: bed.newFolder('commands'),
      dataDir: world.dataDir,
      postfixDir: world.config.postfixDir,
    });
  };

  beforeAll(async () => {
    bed = await TestBed.open('commands');
    [alice, bob] = bed.users.create(2) as [Account, Account];
    for (const account of [alice, bob]) makeFolder(account, 'INBOX');
    await start(['authorized_flush_users = root, !nobody']);
  });
  afterAll(async () => {
    await world?.stop();
    await bed?.close();
  });

  const inbox = (account: Account): string[] =>
    ['new', 'cur'].flatMap((folder) => {
      const directory = path.join(account.home, 'mail', folder);
      return fs.existsSync(directory)
        ? fs.readdirSync(directory).map((name) => fs.readFileSync(path.join(directory, name), 'utf8'))
        : [];
    });
  const mailWith = (account: Account, text: string): Promise<string> =>
    eventually(() => {
      const found = inbox(account).find((mail) => mail.includes(text));
      if (found === undefined) throw new Error(`no mail with ${text}:\n${world.log().slice(-3000)}`);
      return found;
    });
  const maildrop = (): string => path.join(world.dataDir, 'maildrop');
  const emptied = (): Promise<void> =>
    eventually(() =>
      expect(fs.readdirSync(maildrop()).filter((name) => !name.startsWith('stays'))).toEqual([]),
    );
  const queued = async (): Promise<{ queue_id: string; queue_name: string; sender: string }[]> => {
    const { stdout } = await commands.run('postqueue', ['-j']);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  const emptyQueue = async (): Promise<void> => {
    await commands.run('postsuper', ['-d', 'ALL']);
    expect(await queued()).toEqual([]);
  };
  /** Waits for what nothing can deliver to be in the queue. */
  const waiting = (count: number): ReturnType<typeof queued> =>
    eventually(async () => {
      const messages = (await queued()).filter((one) => one.queue_name === 'deferred');
      expect(messages.length).toBe(count);
      return messages;
    });

  it('sends a script’s mail, and the kernel says who sent it', async () => {
    const sent = await commands.run('sendmail', ['-t', '-i'], {
      account: alice,
      input: `To: Bob <${bob.name}>\nBcc: ${alice.name}\nSubject: script\n\nLine\n.\nend\n`,
    });
    expect(sent).toEqual({ code: 0, stdout: '', stderr: '' });
    const mail = await mailWith(bob, 'Subject: script');
    expect(mail).toContain(`Return-Path: <${alice.name}@lollipop.example.com>`);
    expect(mail).toMatch(
      new RegExp(`^Received: by lollipop\\.example\\.com \\(Postfix, from userid ${alice.uid}\\)`, 'm'),
    );
    expect(mail).toContain(`To: Bob <${bob.name}@lollipop.example.com>`);
    expect(mail).toMatch(/^Message-Id: <\d{14}\.[0-9A-F]+@lollipop\.example\.com>/m);
    expect(mail).toMatch(/^Date: /m);
    expect(mail).toContain(`<${alice.name}@lollipop.example.com>`);
    expect(mail).not.toMatch(/^Bcc:/m);
    expect(mail.replaceAll('\r\n', '\n')).toContain('\n\nLine\n.\nend\n');
    await mailWith(alice, 'Subject: script');
    await eventually(() =>
      expect(world.log()).toMatch(
        new RegExp(`postfix/pickup\\[\\d+\\]: [0-9A-F]+: uid=${alice.uid} from=<${alice.name}>`),
      ),
    );
    await emptied();
  });

  it('ends at a lone dot without -i, and takes -f and -F', async () => {
    await commands.run('sendmail', ['-f', 'news@example.com', '-F', 'The News', bob.name], {
      account: alice,
      input: 'Subject: dotted\n\nseen\n.\nunseen\n',
    });
    const mail = await mailWith(bob, 'Subject: dotted');
    expect(mail).toContain('Return-Path: <news@example.com>');
    expect(mail).toContain('From: The News <news@example.com>');
    expect(mail).not.toContain('unseen');
  });

  it.skipIf(!MUTT)('carries what mutt sends through it', async () => {
    const muttrc = path.join(bed.newFolder('mutt'), 'muttrc');
    fs.writeFileSync(
      muttrc,
      `set sendmail="${commands.path('sendmail')} -oem -oi"\nset copy=no\nset use_from=yes\n`,
    );
    await mustRun('mutt', ['-F', muttrc, '-s', 'from mutt: größer', '--', `${bob.name}@example.com`], {
      input: 'Körper\n',
      uid: alice.uid,
      gid: alice.gid,
      env: { ...commands.environment, HOME: alice.home, LC_ALL: 'C.UTF-8' },
    });
    const mail = await mailWith(bob, 'from mutt');
    expect(mail).toContain(`from userid ${alice.uid}`);
  });

  /** As scripts do it: the shell, Perl, PHP's mail(), cron, s-nail; as a user without any privilege. */
  const scripts: readonly (readonly [string, string, boolean])[] = [
    ['a pipe in the shell', `printf 'Subject: from sh\\n\\nbody\\n' | "$SENDMAIL" "$TO"`, true],
    [
      'Perl’s open |sendmail',
      `perl -e 'open(M, "|$ENV{SENDMAIL} -oi -t") or die; print M "To: $ENV{TO}\\nSubject: from perl\\n\\nline\\n.\\nend\\n"; close(M) or die "status $?"'`,
      true,
    ],
    [
      'PHP’s mail()',
      `printf 'To: %s\\r\\nSubject: from php\\r\\nX-PHP-Originating-Script: 1000:x.php\\r\\n\\r\\nbody\\r\\n' "$TO" | sh -c "$SENDMAIL -t -i"`,
      true,
    ],
    [
      'cron',
      `printf 'From: %s (Cron Daemon)\\nTo: %s\\nSubject: from cron\\nAuto-Submitted: auto-generated\\n\\nout\\n' "$USER" "$TO" | "$SENDMAIL" -i -FCronDaemon -B8BITMIME -oem "$TO"`,
      true,
    ],
    [
      's-nail',
      `printf 'body\\n' | s-nail -n -S v15-compat -S mta="$SENDMAIL" -s 'from s-nail' "$TO"`,
      fs.existsSync('/usr/bin/s-nail'),
    ],
  ];
  for (const [name, script, possible] of scripts) {
    it.skipIf(!possible)(`takes mail from ${name}`, async () => {
      const subject = `from ${/from ([\w-]+)/.exec(script)?.[1] ?? ''}`;
      const { code, stderr } = await runProgram('sh', ['-c', script], {
        uid: alice.uid,
        gid: alice.gid,
        cwd: '/',
        env: {
          ...commands.environment,
          SENDMAIL: commands.path('sendmail'),
          TO: bob.name,
          HOME: alice.home,
          USER: alice.name,
          LOGNAME: alice.name,
        },
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const mail = await mailWith(bob, `Subject: ${subject}`);
      expect(mail).toContain(`from userid ${alice.uid}`);
      expect(mail).toMatch(/^Message-I[Dd]: </m);
      if (name.startsWith('Perl')) expect(mail).toContain('line\n.\nend\n');
      expect(mail).not.toContain('\r');
    });
  }

  it('says what is wrong as the program of that name does', async () => {
    const nobody = await commands.run('sendmail', ['-t'], { account: alice, input: 'Subject: x\n\n' });
    expect(nobody).toMatchObject({
      code: 75,
      stderr: `sendmail: fatal: ${alice.name}(${alice.uid}): No recipient addresses found in message header\n`,
    });
    const big = await commands.run('sendmail', [bob.name], {
      account: alice,
      input: Buffer.alloc(10_300_000, 'x\n'),
    });
    expect(big).toMatchObject({ code: 75, stderr: expect.stringContaining('message file too big') });
    expect((await commands.run('sendmail', ['-Z'])).stderr).toContain("invalid option -- 'Z'");
    expect(await commands.run('postsuper', ['-d', 'ALL'], { account: alice })).toMatchObject({
      code: 1,
      stderr: 'postsuper: fatal: use of this command is reserved for the superuser\n',
    });
    await emptied();
  });

  it('speaks SMTP on standard input (-bs) and verifies (-bv)', async () => {
    const script = `(sleep 1; echo HELO x; sleep 1; echo QUIT) | ${commands.path('sendmail')} -bs`;
    const dialog = await runProgram('sh', ['-c', script], {
      env: commands.environment,
      uid: alice.uid,
      gid: alice.gid,
    });
    expect(dialog.stdout).toMatch(/^220 .*\r\n250 lollipop\.example\.com\r\n221 /);
    const verdict = await commands.run('sendmail', ['-bv', bob.name, 'nobody-here'], { account: alice });
    expect(verdict.code).toBe(1);
    expect(verdict.stdout).toContain(`${bob.name}... deliverable`);
    expect(verdict.stdout).toMatch(/nobody-here\.\.\. .*[Uu]nknown/);
  });

  it('keeps mail while the server is down', async () => {
    await world.daemon.stop();
    const sent = await commands.run('sendmail', [bob.name], {
      account: alice,
      input: 'Subject: patience\n\n',
    });
    expect(sent.code).toBe(0);
    expect(fs.readdirSync(maildrop())).toHaveLength(1);
    expect(await commands.run('mailq', [], { account: alice })).toMatchObject({
      code: 69,
      stderr: 'mailq: fatal: Queue report unavailable - mail system is down\n',
    });
    expect((await commands.run('postfix', ['status'])).code).toBe(1);
    await world.daemon.start();
    await mailWith(bob, 'Subject: patience');
    expect((await commands.run('postfix', ['status'])).code).toBe(0);
  });

  it('shows and moves queued mail as postqueue and postsuper do', async () => {
    await emptyQueue();
    expect((await commands.run('mailq', [], { account: alice })).stdout).toBe('Mail queue is empty\n');
    for (const name of ['one', 'two'])
      await commands.run('sendmail', ['-f', 'a@example.com', `${name}@remote.example`], {
        input: `Subject: ${name}\n\n`,
      });
    const [first, second] = await waiting(2);
    const id = first?.queue_id ?? '';
    const list = await commands.run('mailq', [], { account: alice });
    expect(list.stdout).toMatch(
      /^-Queue ID- .*\n[0-9A-F]+ +\d+ \w{3} \w{3} [ \d]\d [\d:]{8} {2}a@example\.com\n *\(.*\)\n {41}(one|two)@remote\.example\n\n/,
    );
    expect(list.stdout).toMatch(/\n-- \d+ Kbytes in 2 Requests\.\n$/);

    expect(await commands.run('postsuper', ['-h', id])).toMatchObject({
      code: 0,
      stderr: `postsuper: ${id}: placed on hold\npostsuper: Placed on hold: 1 message\n`,
    });
    expect((await commands.run('mailq')).stdout).toContain(`${id}!`);
    expect((await queued()).find((one) => one.queue_id === id)?.queue_name).toBe('hold');
    expect((await commands.run('postsuper', ['-H', 'ALL'])).stderr).toBe(
      'postsuper: Released from hold: 1 message\n',
    );

    const shown = await commands.run('postcat', ['-q', id]);
    expect(shown.stdout).toMatch(/^\*\*\* ENVELOPE RECORDS \w+\/[0-9A-F]+ \*\*\*\n/);
    expect(shown.stdout).toMatch(
      /\nsender: a@example\.com\n[^]*\nrecipient: (one|two)@remote\.example\n[^]*\nSubject: (one|two)\n/,
    );
    expect((await commands.run('postcat', ['-hq', id])).stdout).toMatch(/^Received: /);
    expect(await commands.run('postcat', ['-q', 'FFFFFF'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('No such file'),
    });

    expect((await commands.run('postsuper', ['-r', id])).stderr).toContain(`postsuper: ${id}: requeued\n`);
    const after = await waiting(2);
    expect(after.map((one) => one.queue_id)).not.toContain(id);

    expect(await commands.run('postsuper', ['-d', '-'], { input: `${second?.queue_id}\n` })).toMatchObject({
      stderr: `postsuper: ${second?.queue_id}: removed\npostsuper: Deleted: 1 message\n`,
    });
    expect((await commands.run('postsuper', ['-d', 'ALL', 'deferred'])).stderr).toBe(
      'postsuper: Deleted: 1 message\n',
    );
    expect(await queued()).toEqual([]);
  });

  it('flushes for whom main.cf allows it', async () => {
    await emptyQueue();
    await commands.run('sendmail', ['x@remote.example'], { input: '\n' });
    const [message] = await waiting(1);
    const tries = (): number => world.log().split(`${message?.queue_id}: to=<x@remote.example>`).length - 1;
    const before = tries();
    expect((await commands.run('postqueue', ['-i', message?.queue_id ?? ''])).code).toBe(0);
    await eventually(() => expect(tries()).toBe(before + 1));
    expect((await commands.run('postqueue', ['-f'])).code).toBe(0);
    await eventually(() => expect(tries()).toBe(before + 2));
    const refused = await commands.run('postqueue', ['-f'], { account: alice });
    expect(refused).toMatchObject({
      code: 77,
      stderr: `postqueue: fatal: User ${alice.name}(${alice.uid}) is not allowed to flush the mail queue\n`,
    });
    expect((await commands.run('postqueue', ['-x'])).code).toBe(69);
    await emptyQueue();
  });

  it('gives a hostile user nothing', async () => {
    const secret = path.join(bed.folder, 'secret');
    fs.writeFileSync(secret, 'postcote submission 1\n{"sender":"root","recipients":["root"]}\nsecret\n', {
      mode: 0o666,
    });
    fs.chmodSync(secret, 0o666);
    const as = async (script: string): Promise<void> => {
      await runProgram('sh', ['-c', script], {
        uid: alice.uid,
        gid: alice.gid,
        cwd: maildrop(),
        env: { HOME: alice.home },
      });
    };
    const name = (letter: string): string => `m-${letter.repeat(32)}`;
    const log = world.log().length;
    // A draft is left alone until it gets its final name.
    const draft = name('9').replace('m-', 'n-');
    await as(`ls . && touch listed; ln -s ${secret} ${name('a')}; ln ${secret} ${name('b')}; mkfifo ${name('c')}
      mkdir ${name('d')}; mkdir ~/stays; touch ~/stays/x; mv ~/stays .; echo junk > ${draft}; mv ${draft} ${name('e')}
      echo x > x; truncate -s 3G ${draft}; mv ${draft} ${name('f')}
      printf 'postcote submission 1\\n{"sender":"root","recipients":["${bob.name}"]}\\nSubject: closed\\n' > ${draft}
      chmod 000 ${draft}; mv ${draft} ${name('0')}`);
    await emptied();
    // The log comes a moment after what it tells of.
    await eventually(() => {
      for (const letter of 'acdef0') expect(world.log().slice(log)).toContain(name(letter));
    });
    const said = world.log().slice(log);
    expect(said).toContain(`${name('a')}: is a symbolic link; removed`);
    // The kernel may not even let the link be made (fs.protected_hardlinks).
    if (said.includes(name('b'))) expect(said).toContain(`${name('b')}: has several names`);
    expect(said).toContain(`${name('c')}: is a FIFO; removed`);
    expect(said).toContain(`${name('d')}: is a folder; removed`);
    expect(said).toContain(`${name('e')}: uid=${alice.uid}: is no submission; removed`);
    expect(said).toMatch(new RegExp(`${name('f')}: uid=${alice.uid}: \\d+ octets are too many`));
    expect(said).toContain(`${name('0')}: cannot be read (EACCES); removed`);
    expect(said).not.toContain('secret');
    expect(fs.existsSync(path.join(maildrop(), 'listed'))).toBe(false);
    expect(fs.readFileSync(secret, 'utf8')).toContain('secret');
    // Another's mail can be neither seen nor taken away, and a claim in a file is only a claim.
    await as(
      `printf 'postcote submission 1\\n{"uid":0,"sender":"root","recipients":["${bob.name}"]}\\nSubject: claims\\n' > ${draft}; mv ${draft} ${name('1')}`,
    );
    const mail = await mailWith(bob, 'Subject: claims');
    expect(mail).toContain(`from userid ${alice.uid}`);
    // A forged ticket: root's file under a name that alice chose.
    const ticket = await runProgram('sh', ['-c', `ln -s /etc/passwd t-${'0'.repeat(32)}`], {
      uid: alice.uid,
      gid: alice.gid,
      cwd: maildrop(),
    });
    expect(ticket.code).toBe(0);
    // The server still works.
    await commands.run('sendmail', [bob.name], { account: alice, input: 'Subject: still\n\n' });
    await mailWith(bob, 'Subject: still');
    expect(fs.readdirSync(path.join(maildrop(), 'stays'))).toEqual(['x']);
    fs.rmSync(path.join(maildrop(), 'stays'), { recursive: true });
  });

  it('gives a hostile user nothing over the sockets', async () => {
    const script = `
      const net = require('node:net');
      const frame = (text) => { const b = Buffer.alloc(4); b.writeUInt32BE(text.length); return b + text; };
      const talk = (name, octets) => new Promise((done) => {
        let heard = '';
        const socket = net.connect(process.argv[1] + '/run/' + name);
        socket.on('connect', () => socket.write(octets));
        socket.on('data', (chunk) => (heard += chunk.toString('latin1', 4)));
        socket.on('error', (error) => (heard += error.code));
        socket.on('close', () => done(heard));
      });
      (async () => {
        const all = { op: 'act', action: 'delete', ids: 'ALL' };
        console.log(await talk('control.sock', frame(JSON.stringify(all))));
        console.log(await talk('public.sock', frame(JSON.stringify(all))));
        console.log(await talk('public.sock', frame('{"op":"list","ticket":"../../../etc/passwd"}')));
        console.log(await talk('public.sock', frame('[[[')));
        console.log(await talk('public.sock', Buffer.alloc(200000, 255)));
        console.log(await talk('auth.sock', 'x'));
        console.log(await talk('deliver.sock', 'x'));
      })();`;
    const { stdout } = await runProgram(commands.node, ['-e', script, world.dataDir], {
      uid: alice.uid,
      gid: alice.gid,
    });
    const refused = (reason: string): string => `{"type":"refused","reason":"${reason}"}`;
    expect(stdout.split('\n').map((line) => line.replace(/EPIPE|ECONNRESET/, ''))).toEqual([
      'EACCES',
      refused('use of this command is reserved for the superuser'),
      refused('malformed request'),
      refused('malformed request'),
      refused('malformed request'),
      'EACCES',
      'EACCES',
      '',
    ]);
    expect((await commands.run('mailq')).code).toBe(0);
  });

  it('answers about tables and settings', async () => {
    const table = path.join(bed.folder, 'table');
    fs.writeFileSync(table, 'a b c\nD@E f\n');
    fs.chmodSync(table, 0o644);
    expect(await commands.run('postmap', ['-q', 'd@e', `hash:${table}`], { account: alice })).toMatchObject({
      code: 0,
      stdout: 'f\n',
    });
    expect((await commands.run('postmap', ['-q', 'zz', `hash:${table}`])).code).toBe(1);
    expect((await commands.run('postmap', ['-q', '-', table], { input: 'a\nzz\n' })).stdout).toBe('a\tb c\n');
    expect((await commands.run('postmap', ['-s', `hash:${table}`])).stdout).toBe('a\tb c\nd@e\tf\n');
    expect(await commands.run('postmap', [`hash:${table}`])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await commands.run('newaliases')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await commands.run('postmap', ['nosuch'])).stderr).toMatch(
      /fatal: open .*nosuch: No such file or directory/,
    );
    expect((await commands.run('postconf', ['-h', 'myhostname'])).stdout).toBe('lollipop.example.com\n');
    // The guide's smtpd_sasl_application_name is one that Postfix does not know either.
    expect((await commands.run('postconf', ['nosuch'])).stderr).toMatch(
      /^postconf: warning: nosuch: unknown parameter\n.*unused parameter: smtpd_sasl_application_name=smtpd\n$/,
    );
    const main = path.join(world.config.postfixDir, 'main.cf');
    const before = fs.readFileSync(main, 'utf8');
    expect(
      (await commands.run('postconf', ['-e', 'smtpd_banner=$myhostname hi', 'relayhost = [a]:25'])).code,
    ).toBe(0);
    expect((await commands.run('postconf', ['-x', 'smtpd_banner'])).stdout).toBe(
      'smtpd_banner = lollipop.example.com hi\n',
    );
    expect(
      fs
        .readFileSync(main, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('#')),
    ).toEqual(before.split('\n').filter((line) => line.startsWith('#')));
    fs.writeFileSync(main, before);
    expect((await commands.run('postfix', ['reload'])).code).toBe(0);
    await world.daemon.waitForLog(/configuration read again/);
  });

  it('honours authorized_submit_users', async () => {
    await world.stop();
    await start([`authorized_submit_users = root, ${bob.name}`, `authorized_mailq_users = ${bob.name}`]);
    expect(await commands.run('sendmail', [bob.name], { account: alice, input: '\n' })).toMatchObject({
      code: 77,
      stderr: `sendmail: fatal: User ${alice.name}(${alice.uid}) is not allowed to submit mail\n`,
    });
    // Past the command, the server decides.
    const log = world.log().length;
    await commands.run('sendmail', [bob.name], {
      account: alice,
      input: 'Subject: sly\n\n',
      env: { MAIL_CONFIG: '/nonexistent' },
    });
    await emptied();
    await eventually(() =>
      expect(world.log().slice(log)).toContain(`uid=${alice.uid}: not in authorized_submit_users; removed`),
    );
    await commands.run('sendmail', [bob.name], { account: bob, input: 'Subject: allowed\n\n' });
    await mailWith(bob, 'Subject: allowed');
    expect(inbox(bob).some((mail) => mail.includes('sly'))).toBe(false);
    expect((await commands.run('mailq', [], { account: bob })).stdout).toBe('Mail queue is empty\n');
    expect((await commands.run('mailq', [], { account: alice })).code).toBe(77);
  });

  it('prints the queue as a real Postfix does', async () => {
    await world.stop();
    await start(['relayhost = [127.0.0.1]:1']);
    const folder = bed.newFolder('postfix');
    const postfix: RealPostfix = await startRealPostfix({
      folder,
      ports: await choosePorts(),
      certificate: bed.certificate,
      settings: {
        ...NO_SETTINGS,
        main: ['relayhost = [127.0.0.1]:1', `queue_directory=${folder}/postfix-queue`],
      },
      dnsAddress: bed.dns.address,
    });
    try {
      const mail = 'From: a@example.com\nSubject: same\n\nx\n';
      const args = ['-f', 'a@example.com', 'x@remote.example', 'y@remote.example'];
      await mustRun('sendmail', ['-C', postfix.config.postfixDir, ...args], { input: mail });
      await commands.run('sendmail', args, { input: mail });
      await waiting(1);
      const real = await eventually(async () => {
        const { stdout } = await mustRun('postqueue', ['-c', postfix.config.postfixDir, '-p']);
        expect(stdout).toContain('Connection refused');
        // Both recipients were tried, and it is no longer active.
        expect(stdout).not.toContain('*');
        return stdout;
      });
      const ours = (await commands.run('postqueue', ['-p'])).stdout;
      // The shape, field by field; ids, sizes, times and reasons are each server's own.
      const shape = (text: string): string =>
        text
          .replace(/^[0-9A-F]{6,}(?=[ *!])/gm, (id) => 'I'.repeat(id.length > 0 ? 1 : 0))
          .replace(/^(I.?) +(\d+) (\w{3} \w{3} [ \d]\d [\d:]{8})/gm, '$1 SIZE TIME')
          .replace(/^ *\(.*\)$/gm, '(reason)')
          .replace(/[xy](?=@)/g, 'r');
      expect(shape(ours)).toBe(shape(real));
      const keys = (text: string): unknown => {
        const [message] = text.split('\n');
        const value = JSON.parse(message ?? '') as { recipients: object[] };
        return [Object.keys(value), Object.keys(value.recipients[0] ?? {})];
      };
      const json = (await mustRun('postqueue', ['-c', postfix.config.postfixDir, '-j'])).stdout;
      expect(keys((await commands.run('postqueue', ['-j'])).stdout)).toEqual(keys(json));
      // postconf side by side.
      for (const options of [
        ['-M'],
        ['-h', 'myhostname', 'relayhost'],
        ['-n', 'relayhost'],
        ['-x', 'smtpd_banner'],
        ['-P'],
      ]) {
        const theirs = await mustRun('postconf', ['-c', postfix.config.postfixDir, ...options]);
        const mine = await commands.run('postconf', ['-c', postfix.config.postfixDir, ...options]);
        expect(mine.stdout).toBe(theirs.stdout);
      }
    } finally {
      await postfix.stop();
    }
  });
});
