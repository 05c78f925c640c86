// neomutt on a terminal of its own: reads, flags, searches on the server, files, deletes, writes a draft, and hears of new
// mail in IDLE.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readMessages, writeMaildir, writeOwned } from '../support/maildir-files.ts';
import { onTerminal } from '../support/terminal.ts';
import { describeWithWorld } from '../support/use-world.ts';

const text = (word: string): string =>
  `From: bob@sender.example\nTo: me@client.example\nSubject: ${word}\nMessage-ID: <${word}@sender.example>\n\ntext of ${word}\n`;

describeWithWorld('neomutt', (running) => {
  it.each([
    ['implicit TLS', 'imaps', 'imaps'],
    ['STARTTLS', 'imap', 'imap'],
  ] as const)(
    'reads, flags, searches, files, deletes, drafts and idles over %s',
    async (_name, service, scheme) => {
      const account = running.account();
      writeMaildir(account, {
        mails: ['one', 'two', 'three', 'four'].map((word) => ({
          folder: 'INBOX',
          flags: [],
          fresh: true,
          text: text(word),
        })),
        folders: ['Drafts'],
      });
      const home = running.clientFolder();
      const rc = path.join(home, 'neomuttrc');
      fs.writeFileSync(path.join(home, 'draft'), 'unfinished\n');
      fs.mkdirSync(path.join(home, 'bodies'));
      fs.writeFileSync(
        rc,
        `set from = "${account.name}@example.com"
set hostname = "client.example"
set certificate_file = "${running.bed.certificate.certFile}"
set ssl_starttls = yes
set ssl_force_tls = yes
set header_cache = "${home}/cache"
set message_cachedir = "${home}/bodies"
set folder = "${scheme}://${account.name}@localhost:${running.world.ports[service]}/"
set imap_pass = "${account.password}"
set imap_idle = yes
set imap_qresync = yes
set imap_condstore = yes
set spoolfile = "=INBOX"
set postponed = "=Drafts"
set sort = mailbox-order
set resolve = no
set mark_old = no
set move = no
set delete = yes
set confirmappend = no
set confirmcreate = no
set quit = yes
set wait_key = no
set postpone = yes
set abort_unmodified = no
set abort_nosubject = no
set editor = "cp ${home}/draft"
set mail_check = 1
set timeout = 1
set help = no
set status_format = "%f has %m messages"
`,
      );
      const inbox = (): string[][] =>
        readMessages(account.home)
          .map((message) => [/Subject: (\w+)/.exec(message.bytes.toString())?.[1] ?? '?', message.flags])
          .toSorted();
      const session = onTerminal(
        `neomutt -F ${rc}`,
        [
          [/has 4 messages/, '\r'],
          [/text of one/, 'q'],
          // Flag one; limit to what the server finds for a text; file that one.
          [/has 4 messages/, 'Fl=B "text of two"\r'],
          [/\(1\)|has 1|two/, 's\u0015=Archive/2024\r'],
          [/written|saved|Copying|D /i, 'l~A\r'],
          [/three/, '*d$'],
          [/2 kept, 2 deleted/, 'm'],
          [/To:/, 'friend@client.example\r'],
          [/Subject:/, '\u0015the draft\r'],
          [/y:Send|Send|Security/, 'P'],
          [/ostponed/, ''],
          // Mail that comes now shows without a key.
          [/five/, 'q'],
        ],
        { env: { HOME: home } },
      );
      await Promise.race([
        session,
        eventually(() => expect(readMessages(account.home, 'Drafts')).toHaveLength(1), 90_000),
      ]);
      writeOwned(account, path.join(account.home, 'mail/new/1710000003.far2.server'), text('five'));
      await session;

      await eventually(() =>
        expect(inbox()).toMatchObject([
          ['five', ''],
          ['one', 'FS'],
          ['three', expect.anything()],
        ]),
      );
      const archive = readMessages(account.home, 'Archive/2024').map((message) => message.bytes.toString());
      expect(archive).toEqual([text('two')]);
      const [draft] = readMessages(account.home, 'Drafts');
      expect(draft?.flags).toMatch(/D/);
      expect(draft?.bytes.toString()).toMatch(/^Subject: the draft$[\s\S]*\n\nunfinished\n/m);
    },
  );
});
