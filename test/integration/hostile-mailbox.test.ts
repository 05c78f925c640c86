// What bad input gets: a clear refusal, nothing lost, and everybody else served on. After every test the same processes
// must still run, and a well-behaved client must be answered at once (test/support/hostile-bed.ts).

import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ImapClient, Pop3Client } from '../support/clients.ts';
import { GROWTH_LIMIT, PROMPT_MS, describeHostile } from '../support/hostile-bed.ts';
import { LineClient } from '../support/line-client.ts';
import { readMessages, writeMaildir } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';

describeHostile('hostile input to IMAP and POP3', (running) => {
  describe('IMAP', () => {
    const open = (account?: Account): Promise<ImapClient> =>
      account === undefined
        ? ImapClient.connect({ port: running.ours.ports.imap })
        : ImapClient.login({ port: running.ours.ports.imap }, account);

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
      const account = running.newAccount();
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
      const account = running.newAccount();
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
      const account = running.newAccount();
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
      const account = running.newAccount();
      const imap = await open(account);
      imap.line.send(`z CREATE "${name}"\r\n`);
      const line = (await imap.line.linesUntil(/^z /)).at(-1) ?? '';
      expect(line).toMatch(/^z (?:NO|BAD) /);
      await imap.command('NOOP');
      await imap.logout();
      expect(fs.readdirSync(account.home)).toEqual(['mail']);
    });

    it('an APPEND with NUL, or broken off, stores nothing wrong', async () => {
      const account = running.newAccount();
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
      const account = running.newAccount();
      const text = `Subject: x\n\n${`${'x'.repeat(70)}\n`.repeat(30_000)}`;
      writeMaildir(account, {
        mails: Array.from({ length: 10 }, () => ({ folder: 'INBOX', flags: [], fresh: false, text })),
      });
      const warm = await open(account);
      await warm.select();
      const before = running.memory(account.uid);
      const greedy = await LineClient.connect({ port: running.ours.ports.imap });
      await greedy.linesUntil(/^\* OK/);
      greedy.send(`a LOGIN ${account.name} ${account.password}\r\n`);
      await greedy.linesUntil(/^a OK/);
      greedy.stopReading();
      greedy.send(`b SELECT INBOX\r\n${'c FETCH 1:* BODY.PEEK[]\r\n'.repeat(20)}`);
      await sleep(1500);
      expect(running.memory(account.uid) - before).toBeLessThan(GROWTH_LIMIT);
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
      const account = running.newAccount();
      writeMaildir(account, {
        mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: x\n\nx\n' }],
      });
      const pop3 = await Pop3Client.login({ port: running.ours.ports.pop3 }, account);
      pop3.line.send(`${command}\r\n`);
      expect(await pop3.line.line()).toMatch(/^-ERR /);
      expect(await pop3.command('STAT')).toMatch(/^\+OK 1 /);
      await pop3.quit();
      expect(readMessages(account.home)).toHaveLength(1);
    });

    it('an over-long line is refused or ends the session', async () => {
      const client = await LineClient.connect({ port: running.ours.ports.pop3 });
      await client.line();
      client.send(`USER ${'x'.repeat(1_000_000)}\r\n`);
      expect(await client.line()).toMatch(/^-ERR/);
      client.close();
    });
  });
});
