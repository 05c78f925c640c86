// offlineimap keeps a local Maildir and the server alike, both ways.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { type StoredMessage, readMessages, writeMaildir, writeOwned } from '../support/maildir-files.ts';
import { mustRun } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';

const text = (word: string): string =>
  `From: bob@sender.example\nSubject: ${word}\nMessage-ID: <${word}@sender.example>\n\n.text of ${word}\n`;

const subjectsAndFlags = (messages: readonly StoredMessage[]): string[] =>
  messages
    .map((message) =>
      `${/^Subject: (\w+)/m.exec(message.bytes.toString())?.[1] ?? '?'} ${message.flags}`.trim(),
    )
    .toSorted();

describeWithWorld('offlineimap', (running) => {
  // Not over STARTTLS: its imaplib2 reads in a thread of its own while it negotiates, and now and then trips over itself.
  it('syncs both ways over TLS', async () => {
    const account = running.account();
    writeMaildir(account, {
      mails: [
        { folder: 'INBOX', flags: ['\\Seen'], fresh: false, text: text('one') },
        { folder: 'INBOX', flags: [], fresh: true, text: text('two') },
        { folder: 'INBOX', flags: [], fresh: true, text: text('three') },
        { folder: 'Lists/postcote', flags: ['\\Flagged'], fresh: false, text: text('four') },
      ],
    });
    const local = running.clientFolder();
    fs.mkdirSync(path.join(local, 'mail'));
    const rc = path.join(local, 'offlineimaprc');
    fs.writeFileSync(
      rc,
      `[general]
accounts = test
metadata = ${local}/meta
ui = basic
[Account test]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = ${local}/mail
sep = /
[Repository far]
type = IMAP
remotehost = localhost
remoteport = ${running.world.ports.imaps}
remoteuser = ${account.name}
remotepass = ${account.password}
ssl = yes
sslcacertfile = ${running.bed.certificate.certFile}
auth_mechanisms = PLAIN
`,
    );
    const sync = (): Promise<unknown> =>
      mustRun('offlineimap', ['-o', '-1', '-c', rc], { env: { HOME: local } });
    const inbox = (): StoredMessage[] => readMessages(local, 'INBOX/.');
    const near = (folder: string): StoredMessage[] => readMessages(local, folder);

    await sync();
    expect(subjectsAndFlags(inbox())).toEqual(['one S', 'three', 'two']);
    expect(subjectsAndFlags(near('Lists/postcote'))).toEqual(['four F']);
    expect(
      inbox()
        .find((message) => message.bytes.includes('.text of one'))
        ?.bytes.toString(),
    ).toBe(text('one'));

    // Changes here: one is flagged, two deleted, five written.
    const find = (word: string): StoredMessage => {
      const found = inbox().find((message) => message.bytes.includes(`Subject: ${word}\n`));
      if (found === undefined) throw new Error(`no message ${word}`);
      return found;
    };
    const rename = (message: StoredMessage, flags: string): void =>
      fs.renameSync(message.file, path.join(local, 'mail/INBOX/cur', `${message.base}:2,${flags}`));
    rename(find('one'), 'FS');
    fs.rmSync(find('two').file);
    fs.writeFileSync(path.join(local, 'mail/INBOX/cur/1710000000.near1.client:2,DS'), text('five'));
    // Changes there at the same time: three is answered, seven arrives.
    const three = readMessages(account.home).find((message) => message.bytes.includes('Subject: three\n'));
    if (three === undefined) throw new Error('three is not on the server');
    fs.renameSync(three.file, path.join(account.home, 'mail/cur', `${three.base}:2,RS`));
    writeOwned(account, path.join(account.home, 'mail/new/1710000002.far1.server'), text('seven'));

    await sync();
    const expected = ['five DS', 'one FS', 'seven', 'three RS'];
    expect(subjectsAndFlags(inbox())).toEqual(expected);
    expect(subjectsAndFlags(readMessages(account.home))).toEqual(expected);
    const before = readMessages(account.home).map((message) => message.file);
    await sync();
    expect(readMessages(account.home).map((message) => message.file)).toEqual(before);
  });
});
