// What bad input gets: a clear refusal, nothing lost, and everybody else served on. After every test the same processes
// must still run (a worker that was killed on purpose aside), and a well-behaved client must be answered at once.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ImapClient, Pop3Client, SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { LineClient } from '../support/line-client.ts';
import { makeFolder, readMessages, writeMaildir, writeOwned } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

/** Another session's NOOP answers within this, whatever a hostile one does. */
const PROMPT_MS = 3000;
/** Growth of all processes together that one hostile connection may cause. */
const GROWTH_LIMIT = 24 * 1024 * 1024;

describeAsRoot('hostile input', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let bystander: Account;
  let watching: ImapClient;
  let longLived: string[];

  const newAccount = (): Account => {
    const account = bed.users.one();
    makeFolder(account, 'INBOX');
    return account;
  };
  /** Supervisor, front, authenticator: what must outlive everything. */
  const core = (): string[] =>
    ours.daemon
      .processes()
      .filter(({ command }) => !command.includes('worker'))
      .map(({ pid, command }) => `${pid} ${command}`)
      .toSorted();
  const memory = (): number =>
    ours.daemon.processes().reduce((sum, { pid }) => {
      try {
        const pss = /^Pss:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
        return sum + Number(pss ?? 0) * 1024;
      } catch {
        return sum;
      }
    }, 0);

  beforeAll(async () => {
    bed = await TestBed.open('hostile');
    ours = await startOurs(bed);
    bystander = newAccount();
    longLived = core();
  });
  afterAll(async () => {
    await ours?.stop();
    await bed?.close();
  });
  beforeEach(async () => {
    watching = await ImapClient.login({ port: ours.ports.imap, timeoutMs: PROMPT_MS }, bystander);
    await watching.select('INBOX');
  });
  afterEach(async () => {
    // The bystander was connected all along, and the machine still takes mail and logins.
    await watching.command('NOOP');
    await watching.logout();
    const smtp = await SmtpClient.connect({ port: ours.ports.smtp, timeoutMs: PROMPT_MS });
    await smtp.command('NOOP', '250');
    await smtp.quit();
    expect(core()).toEqual(longLived);
  });

  describe('SMTP', () => {
    const open = (): Promise<SmtpClient> => SmtpClient.connect({ port: ours.ports.smtp });

    /** Sends bytes, then NOOP. Whatever comes before NOOP's 250 must be refusals; or the connection is closed. */
    const survives = async (smtp: SmtpClient, bytes: string | Uint8Array): Promise<string[]> => {
      smtp.line.send(bytes);
      smtp.line.send('NOOP\r\n');
      const replies: string[] = [];
      for (;;) {
        let line: string;
        try {
          line = await smtp.line.line(10_000);
        } catch {
          if (!smtp.line.ended) throw smtp.line.fail('neither answered nor closed');
          return replies;
        }
        if (line.startsWith('250 ')) return replies;
        expect(line).toMatch(/^[45]\d\d[ -]/);
        replies.push(line);
      }
    };

    it.each([
      ['an over-long command', `NOOP ${'x'.repeat(100_000)}\r\n`],
      ['NULs in a command', 'NO\0OP\r\n\0\0\0\r\n'],
      ['eight-bit rubbish', Buffer.from([0xff, 0xfe, 0x80, 0x0d, 0x0a, 0x1b, 0x5b, 0x0d, 0x0a])],
      ['a bare CR', 'NOOP\rMAIL FROM:<x@sender.example>\r\n'],
      ['a command that does not exist', 'XYZZY\r\n'],
    ])('%s is refused and the session goes on, or is closed', async (_name, bytes) => {
      const smtp = await open();
      const replies = await survives(smtp, bytes);
      expect(replies.length).toBeGreaterThan(0);
      expect(replies.length).toBeLessThan(5);
      smtp.line.close();
    });

    it('a line without end does not grow the server', async () => {
      const before = memory();
      const smtp = await open();
      const chunk = Buffer.alloc(1_000_000, 'x');
      for (let i = 0; i < 50 && !smtp.line.ended; i++) {
        smtp.line.send(chunk);
        await sleep(5);
      }
      expect(memory() - before).toBeLessThan(GROWTH_LIMIT);
      smtp.line.close();
    });

    it('a flood of unknown commands ends with 421', async () => {
      const smtp = await open();
      smtp.line.send('XYZZY\r\n'.repeat(200));
      const replies = await smtp.line.linesUntil(/^421 /);
      expect(replies.length).toBeLessThanOrEqual(22);
      await smtp.line.expectClosed();
    });

    const ENDS = [
      '\n.\n',
      '\n.\r\n',
      '\r\n.\n',
      '\r.\r',
      '\r\n.\r',
      '\r.\r\n',
      '\n.\r',
      '\r.\n',
      '\r\n\0.\r\n',
    ];
    it.each(ENDS)('no end of data but CRLF.CRLF: %j smuggles nothing', async (end) => {
      const account = newAccount();
      const smtp = await open();
      await smtp.command('MAIL FROM:<bob@sender.example>', '250');
      await smtp.command(`RCPT TO:<${account.name}@example.com>`, '250');
      await smtp.command('DATA', '354');
      smtp.line.send(
        `Subject: outer\r\n\r\nfirst${end}MAIL FROM:<evil@sender.example>\r\nRCPT TO:<${account.name}@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n`,
      );
      const reply = await smtp.line.line();
      expect(reply).toMatch(/^(?:250 2\.0\.0|5\d\d )/);
      if (!smtp.line.ended && reply.startsWith('250')) {
        const after = await smtp.command('NOOP', '250');
        expect(after).toHaveLength(1);
        const [only, ...more] = await eventually(() => {
          const found = readMessages(account.home);
          expect(found.length).toBeGreaterThan(0);
          return found;
        });
        expect(more).toEqual([]);
        // What was data stays data, and no stray CR or NUL is left for the next hop to trip over.
        const text = only?.bytes.toString('latin1') ?? '';
        expect(text).toContain('MAIL FROM:<evil@sender.example>');
        expect(text).toMatch(/^Return-Path: <bob@sender\.example>$/m);
        expect(text).not.toContain('\0');
      } else {
        await sleep(300);
        expect(readMessages(account.home)).toEqual([]);
      }
      smtp.line.close();
    });

    it('NULs in a message are removed or refused', async () => {
      const account = newAccount();
      const smtp = await open();
      await smtp.command('MAIL FROM:<bob@sender.example>', '250');
      await smtp.command(`RCPT TO:<${account.name}@example.com>`, '250');
      await smtp.command('DATA', '354');
      smtp.line.send('Subject: a\0b\r\n\r\nc\0d\r\n.\r\n');
      const reply = await smtp.line.line();
      if (reply.startsWith('250')) {
        const text = await eventually(() => {
          const found = readMessages(account.home);
          expect(found).toHaveLength(1);
          return found[0]?.bytes.toString('latin1') ?? '';
        });
        expect(text).toContain('\nSubject: ab\n');
        expect(text).toMatch(/\ncd\n$/);
      } else {
        expect(reply).toMatch(/^5/);
      }
      smtp.line.close();
    });

    it('an enormous header and ten thousand empty header lines are refused or taken, never a hang', async () => {
      const account = newAccount();
      for (const header of [
        `X: ${'y'.repeat(900_000)}`,
        'X:\r\n'.repeat(10_000).trimEnd(),
        `${'\t'.repeat(500_000)}`,
      ]) {
        const smtp = await open();
        await smtp.command('MAIL FROM:<bob@sender.example>', '250');
        await smtp.command(`RCPT TO:<${account.name}@example.com>`, '250');
        await smtp.command('DATA', '354');
        smtp.line.send(`${header}\r\n\r\ntext\r\n.\r\n`);
        expect(await smtp.line.line()).toMatch(/^[245]\d\d /);
        smtp.line.close();
      }
    });

    it('commands sent before the TLS handshake do not survive it', async () => {
      const smtp = await open();
      smtp.line.send('STARTTLS\r\nMAIL FROM:<evil@sender.example>\r\n');
      expect(await smtp.line.line()).toMatch(/^220 /);
      try {
        await smtp.line.startTls();
        smtp.line.send('RCPT TO:<postmaster>\r\n');
        expect(await smtp.line.line()).toMatch(/^503 /);
      } catch (error) {
        // To drop the connection is as good an answer.
        expect(String(error)).toMatch(/closed|hang up|disconnected|ECONNRESET|socket/i);
      }
      smtp.line.close();
    });
  });

  describe('IMAP', () => {
    const open = (account?: Account): Promise<ImapClient> =>
      account === undefined
        ? ImapClient.connect({ port: ours.ports.imap })
        : ImapClient.login({ port: ours.ports.imap }, account);

    it.each(['a LOGIN {99999999999}', 'a LOGIN {100000}', 'a AUTHENTICATE {5000000}'])(
      'before login: %s gets no continuation',
      async (command) => {
        const imap = await open();
        imap.line.send(`${command}\r\n`);
        const line = await imap.line.line();
        expect(line).toMatch(/^(?:a (?:NO|BAD)|\* (?:BAD|BYE)) /);
        imap.line.close();
      },
    );

    it('the rest of a refused literal is never run as commands', async () => {
      const account = newAccount();
      const imap = await open(account);
      imap.line.send('a APPEND INBOX {4000000000+}\r\nb CREATE evil\r\nc LOGOUT\r\n');
      await sleep(500);
      imap.line.close();
      const check = await open(account);
      expect((await check.command('LIST "" evil')).filter((line) => line.startsWith('* LIST'))).toEqual([]);
      await check.logout();
    });

    it.each([
      ['parentheses before login', `a LOGIN ${'('.repeat(100_000)}\r\n`],
      ['a tag without end', `${'t'.repeat(1_000_000)}\r\n`],
      ['NULs', 'a\0b NO\0OP\r\n'],
    ])('%s', async (_name, bytes) => {
      const imap = await open();
      imap.line.send(bytes);
      const line = await imap.line.line();
      expect(line).toMatch(/BAD|BYE/);
      imap.line.close();
    });

    it.each([
      ['nested parentheses in SEARCH', `SEARCH ${'('.repeat(5000)}ALL${')'.repeat(5000)}`],
      ['nested NOT in SEARCH', `SEARCH ${'NOT '.repeat(5000)}ALL`],
      ['nested OR in SEARCH', `SEARCH ${'OR ALL '.repeat(2000)}ALL`],
      ['parentheses in FETCH', `FETCH 1 ${'('.repeat(7000)}`],
      ['brackets in FETCH', `FETCH 1 BODY[${'1.'.repeat(3000)}1]`],
      ['a set with zero', 'FETCH 0 FLAGS'],
      ['a set beyond 32 bits', 'FETCH 4294967296 FLAGS'],
      ['a flag without end', `STORE 1 +FLAGS (${'x'.repeat(7000)})`],
      ['no such section', 'FETCH 1 BODY[HEADER.FIELDS ()]'],
      ['a partial beyond measure', 'FETCH 1 BODY[]<99999999999999.1>'],
    ])('%s is answered', async (_name, command) => {
      const account = newAccount();
      writeMaildir(account, {
        mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: x\n\nx\n' }],
      });
      const imap = await open(account);
      await imap.select();
      imap.line.send(`z ${command}\r\n`);
      const lines = await imap.line.linesUntil(/^(?:z|\*) (?:OK|NO|BAD|BYE) /);
      expect(lines.at(-1)).toMatch(/^z (?:OK|NO|BAD)|^\* (?:BAD|BYE)/);
      await imap.command('NOOP');
      await imap.logout();
    });

    it('absurd but valid sets are answered at once', async () => {
      const account = newAccount();
      writeMaildir(account, {
        mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: x\n\nx\n' }],
      });
      const imap = await open(account);
      await imap.select();
      const started = Date.now();
      expect(await imap.command('UID FETCH 1:4294967295 (FLAGS)')).toHaveLength(2);
      expect(await imap.command('UID FETCH 4294967295:1 (FLAGS)')).toHaveLength(2);
      expect(await imap.command('UID SEARCH UID 1:4294967295')).toHaveLength(2);
      await imap.command(`UID FETCH ${'1,'.repeat(3000)}1 (FLAGS)`);
      await imap.command('UID STORE 2:4294967294 +FLAGS.SILENT (\\Seen)');
      await imap.command('UID COPY 2:4294967294 INBOX');
      expect(Date.now() - started).toBeLessThan(PROMPT_MS);
      await imap.logout();
    });

    it.each([
      '&AP',
      '&',
      '&AP-&AP-',
      '&IKw',
      'a&AGE-b',
      '../../etc',
      '/etc',
      '~root',
      'a//b',
      'cur',
      'x/new/y',
      'subscriptions',
      'a/./b',
      `${'x'.repeat(300)}`,
    ])('the name %j makes no folder outside the Maildir', async (name) => {
      const account = newAccount();
      const imap = await open(account);
      imap.line.send(`z CREATE "${name}"\r\n`);
      const line = (await imap.line.linesUntil(/^z /)).at(-1) ?? '';
      expect(line).toMatch(/^z (?:NO|BAD) /);
      await imap.command('NOOP');
      await imap.logout();
      expect(fs.readdirSync(account.home)).toEqual(['mail']);
    });

    it('an APPEND with NUL, or broken off, stores nothing wrong', async () => {
      const account = newAccount();
      const imap = await open(account);
      imap.line.send('z APPEND INBOX {20+}\r\nSubject: a\0b\r\n\r\nx\r\n\r\n');
      await imap.line.linesUntil(/^z |^\* (?:BAD|BYE)/);
      imap.line.close();
      const broken = await open(account);
      broken.line.send('z APPEND INBOX {1000}\r\n');
      await broken.line.linesUntil(/^\+ /);
      broken.line.send('half of it');
      broken.line.close();
      await sleep(300);
      for (const { bytes } of readMessages(account.home)) {
        expect(bytes.includes(0)).toBe(false);
        expect(bytes.toString()).not.toContain('half of it');
      }
      expect(fs.readdirSync(path.join(account.home, 'mail/tmp'))).toEqual([]);
    });

    it('memory stays in bounds while a client asks and does not read', async () => {
      const account = newAccount();
      const text = `Subject: x\n\n${`${'x'.repeat(70)}\n`.repeat(30_000)}`;
      writeMaildir(account, {
        mails: Array.from({ length: 10 }, () => ({ folder: 'INBOX', flags: [], fresh: false, text })),
      });
      const warm = await open(account);
      await warm.select();
      const before = memory();
      const greedy = await LineClient.connect({ port: ours.ports.imap });
      await greedy.linesUntil(/^\* OK/);
      greedy.send(`a LOGIN ${account.name} ${account.password}\r\n`);
      await greedy.linesUntil(/^a OK/);
      greedy.stopReading();
      greedy.send(`b SELECT INBOX\r\n${'c FETCH 1:* BODY.PEEK[]\r\n'.repeat(20)}`);
      await sleep(1500);
      expect(memory() - before).toBeLessThan(GROWTH_LIMIT);
      greedy.close();
      await warm.command('NOOP');
      await warm.logout();
    });
  });

  describe('POP3', () => {
    it.each([
      'RETR 99999999999999999999',
      'RETR -1',
      'RETR 1 1',
      'TOP 1 -5',
      'TOP',
      'DELE',
      'LIST x',
      `UIDL ${'9'.repeat(200)}`,
      'XTND XMIT',
    ])('%s is an error and no more', async (command) => {
      const account = newAccount();
      writeMaildir(account, {
        mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: x\n\nx\n' }],
      });
      const pop3 = await Pop3Client.login({ port: ours.ports.pop3 }, account);
      pop3.line.send(`${command}\r\n`);
      expect(await pop3.line.line()).toMatch(/^-ERR /);
      expect(await pop3.command('STAT')).toMatch(/^\+OK 1 /);
      await pop3.quit();
      expect(readMessages(account.home)).toHaveLength(1);
    });

    it('an over-long line is refused or ends the session', async () => {
      const client = await LineClient.connect({ port: ours.ports.pop3 });
      await client.line();
      client.send(`USER ${'x'.repeat(1_000_000)}\r\n`);
      expect(await client.line()).toMatch(/^-ERR/);
      client.close();
    });
  });

  describe('the Maildir', () => {
    const mailWith = (account: Account): string => {
      writeMaildir(account, {
        mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: good\n\ngood\n' }],
      });
      return path.join(account.home, 'mail');
    };

    it('a FIFO, links, a directory and half-written files hide no mail and hang nobody', async () => {
      const account = newAccount();
      const mail = mailWith(account);
      execFileSync('mkfifo', [path.join(mail, 'new/1710000000.fifo.x')]);
      fs.symlinkSync('/etc/shadow', path.join(mail, 'new/1710000001.link.x'));
      fs.symlinkSync('/nowhere', path.join(mail, 'cur/1710000002.dead.x:2,'));
      fs.mkdirSync(path.join(mail, 'cur/1710000003.dir.x:2,'));
      writeOwned(account, path.join(mail, 'new/1710000004.empty.x'), '');
      writeOwned(account, path.join(mail, 'tmp/1710000005.half.x'), 'Subject: ha');
      writeOwned(account, path.join(mail, 'new/1710000006.good.x'), 'Subject: second\n\nsecond\n');
      for (const name of ['1710000000.fifo.x', '1710000001.link.x'])
        fs.lchownSync(path.join(mail, 'new', name), account.uid, account.gid);
      const imap = await ImapClient.login({ port: ours.ports.imap, timeoutMs: PROMPT_MS }, account);
      await imap.select();
      const text = (await imap.command('UID FETCH 1:* (BODY.PEEK[])')).join('\n');
      expect(text).toContain('Subject: good');
      expect(text).toContain('Subject: second');
      expect(text).not.toMatch(/root:|Subject: ha$/m);
      await imap.logout();
      const pop3 = await Pop3Client.login({ port: ours.ports.pop3, timeoutMs: PROMPT_MS }, account);
      const list = await pop3.lines('LIST');
      expect(list.length).toBeGreaterThanOrEqual(2);
      await pop3.quit();
    });

    it.each([
      ['rubbish', '\0\xff not a uidlist\n'],
      ['cut in the middle', '3 V1700000000 N12 G0123456789abcdef0123456789abcdef\n11 :1700000000.M0P1.prep'],
      ['UIDs out of order', '3 V1700000000 N3\n2 :a\n1 :b\n'],
      ['an empty file', ''],
    ])('a uidlist with %s costs UIDs at most, never mail', async (_name, content) => {
      const account = newAccount();
      const mail = mailWith(account);
      writeOwned(account, path.join(mail, 'dovecot-uidlist'), Buffer.from(content, 'latin1'));
      const imap = await ImapClient.login({ port: ours.ports.imap, timeoutMs: PROMPT_MS }, account);
      const { exists, uidValidity } = await imap.select();
      expect(exists).toBe(1);
      expect(uidValidity).toBeGreaterThan(0);
      expect((await imap.command('FETCH 1 BODY.PEEK[TEXT]')).join('\n')).toContain('good');
      await imap.logout();
    });

    it('wrong sizes in a file name are not believed', async () => {
      const account = newAccount();
      const mail = mailWith(account);
      writeOwned(
        account,
        path.join(mail, 'cur/1710000000.M1P1.x,S=5,W=7:2,'),
        'Subject: longer than it says\n\nbody\n',
      );
      const imap = await ImapClient.login({ port: ours.ports.imap, timeoutMs: PROMPT_MS }, account);
      await imap.select();
      const text = (await imap.command('FETCH 2 (RFC822.SIZE BODY.PEEK[])')).join('\r\n');
      expect(text).toContain('Subject: longer than it says\r\n\r\nbody\r\n');
      await imap.logout();
    });

    it('mail for a Maildir that cannot be written waits and arrives later', async () => {
      const account = newAccount();
      const mail = path.join(account.home, 'mail');
      fs.rmSync(mail, { recursive: true });
      writeOwned(account, mail, 'a file where a folder should be');
      const smtp = await SmtpClient.connect({ port: ours.ports.smtp });
      const id = await smtp.deliver(
        'bob@sender.example',
        [`${account.name}@example.com`],
        'Subject: patient\r\n\r\nx',
      );
      await smtp.quit();
      await ours.daemon.waitForLog(new RegExp(`${id}: to=<${account.name}@example\\.com>.*status=deferred`));
      expect(fs.readFileSync(mail, 'utf8')).toBe('a file where a folder should be');
    });
  });

  describe('processes', () => {
    it("a worker's death is one user's reconnect", async () => {
      const account = newAccount();
      writeMaildir(account, {
        mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: x\n\nx\n' }],
      });
      const imap = await ImapClient.login({ port: ours.ports.imap }, account);
      await imap.select();
      const workers = ours.daemon.processes().filter(({ uid }) => uid === account.uid);
      expect(workers).toHaveLength(1);
      process.kill(workers[0]?.pid ?? 0, 'SIGKILL');
      await eventually(() => expect(imap.line.ended).toBe(true));
      const again = await ImapClient.login({ port: ours.ports.imap }, account);
      expect((await again.select()).exists).toBe(1);
      await again.logout();
      await watching.command('NOOP');
    });

    it('no process that reads from the network is root', () => {
      for (const { uid, command } of ours.daemon.processes()) {
        if (/front|worker/.test(command) && !/spare/.test(command)) {
          // A spare worker is nobody's yet and has read nothing.
          if (/front/.test(command)) expect(uid, command).not.toBe(0);
        }
      }
      const fronts = ours.daemon.processes().filter(({ command }) => /front/.test(command));
      expect(fronts.length).toBeGreaterThan(0);
      for (const { pid } of fronts) {
        const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
        expect(/^CapEff:\s+0+$/m.test(status), `capabilities of ${pid}`).toBe(true);
        expect(status).toMatch(/^Uid:\s+(?!0\b)\d+\s+(?!0\b)\d+\s+(?!0\b)\d+/m);
      }
    });

    it('logs no password and no control character', async () => {
      const account = newAccount();
      const imap = await ImapClient.connect({ port: ours.ports.imap });
      imap.line.send(`a LOGIN "ev\x07il\x1b[31m" "secret-${account.password}"\r\n`);
      await imap.line.linesUntil(/^a |^\* BYE/);
      imap.line.close();
      expect(ours.daemon.log).not.toContain(account.password);
      // eslint-disable-next-line no-control-regex
      expect(ours.daemon.log).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
    });
  });
});

describeAsRoot('a full disk', () => {
  it('is told with 452 4.3.1 before any 250, and nothing is lost', async () => {
    const bed = await TestBed.open('full-disk');
    const disk = bed.newFolder('disk');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0755', 'none', disk]);
    try {
      const ours = await startOurs(bed, { dataDir: path.join(disk, 'data') });
      try {
        const account = bed.users.one();
        makeFolder(account, 'INBOX');
        const filler = path.join(disk, 'filler');
        const { bavail, bsize } = fs.statfsSync(disk);
        fs.writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - 256 * 1024)));
        const body = `Subject: big\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(30_000)}`;
        const smtp = await SmtpClient.connect({ port: ours.ports.smtp });
        // Declared, it is refused at MAIL; not declared, at the end of the data.
        await smtp.command(`MAIL FROM:<bob@sender.example> SIZE=${body.length}`, '452 4.3.1');
        await smtp.command('RSET', '250');
        smtp.line.send('MAIL FROM:<bob@sender.example>\r\n');
        const mail = await smtp.line.line();
        if (mail.startsWith('250')) {
          await smtp.command(`RCPT TO:<${account.name}@example.com>`, '250');
          await smtp.command('DATA', '354');
          smtp.line.send(`${body}.\r\n`);
          await smtp.expect('452 4.3.1');
        } else {
          expect(mail).toMatch(/^452 4\.3\.1 /);
        }
        fs.rmSync(filler);
        await smtp.command('RSET', '250');
        await smtp.deliver('bob@sender.example', [`${account.name}@example.com`], body.trimEnd());
        await smtp.quit();
        await eventually(() => expect(readMessages(account.home)).toHaveLength(1));
      } finally {
        await ours.stop();
      }
    } finally {
      execFileSync('umount', ['--lazy', disk]);
      await bed.close();
    }
  });
});
