// What bad input gets: a clear refusal, nothing lost, and everybody else served on. After every test the same processes
// must still run, and a well-behaved client must be answered at once (test/support/hostile-bed.ts).

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { GROWTH_LIMIT, describeHostile } from '../support/hostile-bed.ts';
import { readMessages } from '../support/maildir-files.ts';

describeHostile('hostile input to SMTP', (running) => {
  describe('SMTP', () => {
    const open = (): Promise<SmtpClient> => SmtpClient.connect({ port: running.ours.ports.smtp });

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
        // 221 to what is no SMTP at all: POSTFIX smtpd_forbidden_commands.
        expect(line).toMatch(/^(?:[45]\d\d|221)[ -]/);
        replies.push(line);
      }
    };

    it.each([
      ['an over-long command', `NOOP ${'x'.repeat(100_000)}\r\n`],
      ['NULs in a command', 'NO\0OP\r\n\0\0\0\r\n'],
      ['eight-bit rubbish', Buffer.from([0xff, 0xfe, 0x80, 0x0d, 0x0a, 0x1b, 0x5b, 0x0d, 0x0a])],
      ['a command that does not exist', 'XYZZY\r\n'],
    ])('%s is refused and the session goes on, or is closed', async (_name, bytes) => {
      const smtp = await open();
      const replies = await survives(smtp, bytes);
      expect(replies.length).toBeGreaterThan(0);
      expect(replies.length).toBeLessThan(5);
      smtp.line.close();
    });

    it('a bare CR does not end a command', async () => {
      const smtp = await open();
      smtp.line.send('NOOP\rMAIL FROM:<x@sender.example>\r\n');
      await smtp.line.line();
      await smtp.command('RCPT TO:<postmaster>', '503');
      smtp.line.close();
    });

    it('a line without end does not grow the server', async () => {
      const before = running.memory();
      const smtp = await open();
      const chunk = Buffer.alloc(1_000_000, 'x');
      for (let i = 0; i < 50 && !smtp.line.ended; i++) {
        smtp.line.send(chunk);
        await sleep(5);
      }
      await sleep(500);
      const grown = running.memory() - before;
      expect(grown).toBeLessThan(GROWTH_LIMIT);
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
      const account = running.newAccount();
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
      const account = running.newAccount();
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
      const account = running.newAccount();
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
});
