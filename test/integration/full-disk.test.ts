// A full disk is told before the promise, never after it.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { makeFolder, readMessages } from '../support/maildir-files.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { TestBed, startOurs } from '../support/world.ts';

describeAsRoot('a full disk', () => {
  it('is told with 452 4.3.1 before any 250, and nothing is lost', async () => {
    const bed = await TestBed.open('full-disk');
    const disk = bed.newFolder('disk');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0755', 'none', disk]);
    try {
      const ours = await startOurs(bed, { dataDir: path.join(disk, 'data') });
      try {
        const account = bed.users.one();
        makeFolder(account, 'INBOX');
        const filler = path.join(disk, 'filler');
        const fill = (): void => {
          const { bavail, bsize } = fs.statfsSync(disk);
          fs.writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - 256 * 1024)));
        };
        const body = `Subject: big\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(30_000)}`;
        const smtp = await SmtpClient.connect({ port: ours.ports.smtp });
        // Full before the transaction: refused at MAIL.
        fill();
        await smtp.command(`MAIL FROM:<bob@sender.example> SIZE=${body.length}`, '452 4.3.1');
        fs.rmSync(filler);
        // Full while the message comes: refused after it.
        await eventually(() => smtp.command('MAIL FROM:<bob@sender.example>', '250'));
        await smtp.command(`RCPT TO:<${account.name}@example.com>`, '250');
        await smtp.command('DATA', '354');
        fill();
        smtp.line.send(`${body}.\r\n`);
        await smtp.expect('452 4.3.1');
        fs.rmSync(filler);
        await eventually(() => smtp.command('MAIL FROM:<bob@sender.example>', '250'));
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
