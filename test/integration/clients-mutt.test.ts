// mutt without a person: it sends through `smtp_url`, and a terminal of its own reads, flags and moves by IMAP.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readMessages, writeMaildir } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { mustRun } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';

describeWithWorld('mutt', (running) => {
  const settings = (account: Account, more: readonly string[]): { file: string; home: string } => {
    const home = running.clientFolder();
    const file = path.join(home, 'muttrc');
    fs.writeFileSync(
      file,
      [
        `set from = "${account.name}@example.com"`,
        'set hostname = "client.example"',
        `set certificate_file = "${running.bed.certificate.certFile}"`,
        'set ssl_usesystemcerts = no',
        'set ssl_starttls = yes',
        'set ssl_force_tls = yes',
        'set send_charset = "utf-8"',
        'set charset = "utf-8"',
        'set resolve = no',
        'set mark_old = no',
        'set copy = no',
        'set move = no',
        'set delete = yes',
        'set confirmappend = no',
        'set confirmcreate = no',
        'set quit = yes',
        'set wait_key = no',
        ...more,
        '',
      ].join('\n'),
    );
    return { file, home };
  };

  it('sends with STARTTLS and AUTH', async () => {
    const account = running.account();
    const { file, home } = settings(account, [
      `set smtp_url = "smtp://${account.name}@localhost:${running.world.ports.submission}/"`,
      `set smtp_pass = "${account.password}"`,
    ]);
    await mustRun('mutt', ['-F', file, '-s', 'Grüße von mutt', `${account.name}@example.com`], {
      input: 'Zeile eins\n.\nZeile drei: ä\n',
      env: { HOME: home, LANG: 'C.UTF-8' },
    });
    const message = await eventually(() => {
      const found = readMessages(account.home);
      expect(found).toHaveLength(1);
      return found[0]?.bytes.toString('utf8') ?? '';
    });
    expect(message).toContain('Subject: =?utf-8?');
    expect(message).toContain('\nZeile eins\n.\nZeile drei: ä\n');
    expect(message).toMatch(/with ESMTPSA id /);
  });

  it('reads, flags, and moves to a folder that it makes', async () => {
    const account = running.account();
    writeMaildir(account, {
      mails: ['one', 'two', 'three'].map((word) => ({
        folder: 'INBOX',
        flags: [],
        fresh: true,
        text: `From: bob@sender.example\nSubject: ${word}\n\ntext of ${word}\n`,
      })),
    });
    const { file, home } = settings(account, [
      `set folder = "imap://${account.name}@localhost:${running.world.ports.imap}/"`,
      `set spoolfile = "=INBOX"`,
      `set imap_pass = "${account.password}"`,
      'set sort = mailbox-order',
      // First: read and flag. Second: move to a new folder. Third: delete.
      'push "<first-entry><display-message><exit><flag-message><next-entry><save-message><kill-line>=Archive<enter><last-entry><delete-message><sync-mailbox><quit>"',
    ]);
    // `script` lends it a terminal.
    await mustRun('script', ['--quiet', '--return', '--command', `mutt -F ${file}`, '/dev/null'], {
      env: { HOME: home, TERM: 'xterm', LANG: 'C.UTF-8' },
    });
    await eventually(() => {
      const inbox = readMessages(account.home).map((message) => [
        /Subject: (\w+)/.exec(message.bytes.toString())?.[1],
        message.flags,
      ]);
      expect(inbox).toEqual([['one', 'FS']]);
    });
    const archive = readMessages(account.home, 'Archive').map((message) => message.bytes.toString());
    expect(archive).toEqual(['From: bob@sender.example\nSubject: two\n\ntext of two\n']);
  });
});
