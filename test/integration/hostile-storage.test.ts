// What bad input gets: a clear refusal, nothing lost, and everybody else served on. After every test the same processes
// must still run, and a well-behaved client must be answered at once (test/support/hostile-bed.ts).

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ImapClient, Pop3Client, SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { describeHostile, PROMPT_MS } from '../support/hostile-bed.ts';
import { writeMaildir, writeOwned } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';

describeHostile('hostile files and dying processes', (running) => {
  describe('the Maildir', () => {
    const mailWith = (account: Account): string => {
      writeMaildir(account, {
        mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: good\n\ngood\n' }],
      });
      return path.join(account.home, 'mail');
    };

    it('a FIFO, links, a directory and half-written files hide no mail and hang nobody', async () => {
      const account = running.newAccount();
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
      const imap = await ImapClient.login({ port: running.ours.ports.imap, timeoutMs: PROMPT_MS }, account);
      await imap.select();
      const text = (await imap.command('UID FETCH 1:* (BODY.PEEK[])')).join('\n');
      expect(text).toContain('Subject: good');
      expect(text).toContain('Subject: second');
      expect(text).not.toMatch(/root:|Subject: ha$/m);
      await imap.logout();
      const pop3 = await Pop3Client.login({ port: running.ours.ports.pop3, timeoutMs: PROMPT_MS }, account);
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
      const account = running.newAccount();
      const mail = mailWith(account);
      writeOwned(account, path.join(mail, 'dovecot-uidlist'), Buffer.from(content, 'latin1'));
      const imap = await ImapClient.login({ port: running.ours.ports.imap, timeoutMs: PROMPT_MS }, account);
      const { exists, uidValidity } = await imap.select();
      expect(exists).toBe(1);
      expect(uidValidity).toBeGreaterThan(0);
      expect((await imap.command('FETCH 1 BODY.PEEK[TEXT]')).join('\n')).toContain('good');
      await imap.logout();
    });

    it('wrong sizes in a file name are not believed', async () => {
      const account = running.newAccount();
      const mail = mailWith(account);
      writeOwned(
        account,
        path.join(mail, 'cur/1710000000.M1P1.x,S=5,W=7:2,'),
        'Subject: longer than it says\n\nbody\n',
      );
      const imap = await ImapClient.login({ port: running.ours.ports.imap, timeoutMs: PROMPT_MS }, account);
      await imap.select();
      const text = (await imap.command('FETCH 2 (RFC822.SIZE BODY.PEEK[])')).join('\r\n');
      expect(text).toContain('Subject: longer than it says\r\n\r\nbody\r\n');
      await imap.logout();
    });

    it('mail for a Maildir that cannot be written waits and arrives later', async () => {
      const account = running.newAccount();
      const mail = path.join(account.home, 'mail');
      fs.rmSync(mail, { recursive: true });
      writeOwned(account, mail, 'a file where a folder should be');
      const smtp = await SmtpClient.connect({ port: running.ours.ports.smtp });
      const id = await smtp.deliver(
        'bob@sender.example',
        [`${account.name}@example.com`],
        'Subject: patient\r\n\r\nx',
      );
      await smtp.quit();
      await running.ours.daemon.waitForLog(
        new RegExp(`${id}: to=<${account.name}@example\\.com>.*status=deferred`),
      );
      expect(fs.readFileSync(mail, 'utf8')).toBe('a file where a folder should be');
    });
  });

  describe('processes', () => {
    it("a worker's death is one user's reconnect", async () => {
      const account = running.newAccount();
      writeMaildir(account, {
        mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: x\n\nx\n' }],
      });
      const imap = await ImapClient.login({ port: running.ours.ports.imap }, account);
      await imap.select();
      const workers = running.ours.daemon.processes().filter(({ uid }) => uid === account.uid);
      expect(workers).toHaveLength(1);
      process.kill(workers[0]?.pid ?? 0, 'SIGKILL');
      await eventually(() => expect(imap.line.ended).toBe(true));
      const again = await eventually(
        () => ImapClient.login({ port: running.ours.ports.imap }, account),
        PROMPT_MS,
      );
      expect((await again.select()).exists).toBe(1);
      await again.logout();
      await running.watching.command('NOOP');
    });

    it('no process that reads from the network has rights', () => {
      const fronts = running.ours.daemon.processes().filter(({ command }) => command === 'postcote: front');
      expect(fronts).toHaveLength(1);
      const status = fs.readFileSync(`/proc/${fronts[0]?.pid}/status`, 'utf8');
      expect(status).toMatch(/^CapEff:\s+0+$/m);
      expect(status).toMatch(/^CapPrm:\s+0+$/m);
      expect(status).toMatch(/^Uid:\s+(?!0\b)\d+\s+(?!0\b)\d+\s+(?!0\b)\d+/m);
      expect(status).toMatch(/^Gid:\s+(?!0\b)\d+\s+(?!0\b)\d+\s+(?!0\b)\d+/m);
    });

    it("a worker has its user's rights and no others", async () => {
      const account = running.newAccount();
      const imap = await ImapClient.login({ port: running.ours.ports.imap }, account);
      const worker = running.ours.daemon.processes().find(({ uid }) => uid === account.uid);
      const status = fs.readFileSync(`/proc/${worker?.pid}/status`, 'utf8');
      const four = Array(4).fill(account.uid).join('\\s+');
      expect(status).toMatch(new RegExp(`^Uid:\\s+${four}$`, 'm'));
      expect(status).toMatch(new RegExp(`^Gid:\\s+${four}$`, 'm'));
      expect(status).toMatch(/^CapEff:\s+0+$/m);
      expect(status).not.toMatch(/^Groups:.*\b0\b/m);
      await imap.logout();
    });

    it('logs no password and no control character', async () => {
      const account = running.newAccount();
      const imap = await ImapClient.connect({ port: running.ours.ports.imap });
      imap.line.send(`a LOGIN "ev\x07il\x1b[31m" "secret-${account.password}"\r\n`);
      await imap.line.linesUntil(/^a |^\* BYE/);
      imap.line.close();
      expect(running.ours.daemon.log).not.toContain(account.password);
      // eslint-disable-next-line no-control-regex
      expect(running.ours.daemon.log).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
    });
  });
});
