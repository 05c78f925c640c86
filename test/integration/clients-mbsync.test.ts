// mbsync keeps a local Maildir and the server alike: new mail, flags and deletions both ways, folders too.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { type StoredMessage, readMessages, writeMaildir } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { mustRun } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';

const subjectsAndFlags = (messages: readonly StoredMessage[]): string[] =>
  messages
    .map((message) =>
      `${/^Subject: (\w+)/m.exec(message.bytes.toString())?.[1] ?? '?'} ${message.flags}`.trim(),
    )
    .toSorted();

const text = (word: string): string => `From: bob@sender.example\nSubject: ${word}\n\n.text of ${word}\n`;

describeWithWorld('mbsync', (running) => {
  it.each([
    ['implicit TLS', 'imaps', 'IMAPS'],
    ['STARTTLS', 'imap', 'STARTTLS'],
  ] as const)('syncs both ways over %s', async (_name, service, sslType) => {
    const account: Account = running.account();
    writeMaildir(account, {
      mails: [
        { folder: 'INBOX', flags: ['\\Seen'], fresh: false, text: text('one') },
        { folder: 'INBOX', flags: [], fresh: true, text: text('two') },
        { folder: 'INBOX', flags: [], fresh: true, text: text('three') },
        { folder: 'Lists/postcote', flags: ['\\Flagged'], fresh: false, text: text('four') },
      ],
      folders: ['Empty'],
    });
    const local = running.clientFolder();
    const rc = path.join(local, 'mbsyncrc');
    fs.mkdirSync(path.join(local, 'mail'));
    fs.writeFileSync(
      rc,
      `IMAPStore far
Host localhost
Port ${running.world.ports[service]}
User ${account.name}
Pass "${account.password}"
SSLType ${sslType}
SystemCertificates no
CertificateFile ${running.bed.certificate.certFile}

MaildirStore near
Path ${local}/mail/
Inbox ${local}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState ${local}/state-
CopyArrivalDate yes
`,
    );
    const sync = (): Promise<unknown> => mustRun('mbsync', ['-c', rc, '-a']);
    // Here INBOX is a folder like any other (`INBOX/.` names it as one).
    const near = (folder: string): StoredMessage[] => readMessages(path.join(local, 'as-home'), folder);
    fs.mkdirSync(path.join(local, 'as-home'));
    fs.symlinkSync(path.join(local, 'mail'), path.join(local, 'as-home/mail'));

    await sync();
    const inbox = (): StoredMessage[] => near('INBOX/.');
    expect(subjectsAndFlags(inbox())).toEqual(['one S', 'three', 'two']);
    expect(subjectsAndFlags(near('Lists/postcote'))).toEqual(['four F']);
    expect(fs.existsSync(path.join(local, 'mail/Empty/cur'))).toBe(true);

    // Changes here: flag one, delete two, write a new one, a new folder.
    const find = (word: string): StoredMessage => {
      const found = inbox().find((message) => message.bytes.includes(`Subject: ${word}\n`));
      if (found === undefined) throw new Error(`no message ${word}`);
      return found;
    };
    const rename = (message: StoredMessage, flags: string): void =>
      fs.renameSync(message.file, path.join(local, 'mail/INBOX/cur', `${message.base}:2,${flags}`));
    rename(find('one'), 'FS');
    rename(find('two'), 'ST');
    fs.writeFileSync(path.join(local, 'mail/INBOX/new', '1710000000.near1.client'), text('five'));
    for (const part of ['cur', 'new', 'tmp'])
      fs.mkdirSync(path.join(local, 'mail/Made', part), { recursive: true });
    fs.writeFileSync(path.join(local, 'mail/Made/cur', '1710000001.near2.client:2,S'), text('six'));
    // Changes there at the same time: three is answered, seven arrives.
    const three = readMessages(account.home).find((message) => message.bytes.includes('Subject: three\n'));
    if (three === undefined) throw new Error('three is not on the server');
    fs.renameSync(three.file, path.join(account.home, 'mail/cur', `${three.base}:2,RS`));
    const seven = path.join(account.home, 'mail/new/1710000002.far1.server');
    fs.writeFileSync(seven, text('seven'));
    fs.chownSync(seven, account.uid, account.gid);

    await sync();
    const expected = ['five', 'one FS', 'seven', 'three RS'];
    expect(subjectsAndFlags(readMessages(account.home))).toEqual(expected);
    expect(subjectsAndFlags(inbox())).toEqual(expected);
    expect(subjectsAndFlags(readMessages(account.home, 'Made'))).toEqual(['six S']);
    const five = readMessages(account.home).find((message) => message.bytes.includes('Subject: five\n'));
    expect(five?.bytes.toString()).toContain('\n.text of five\n');

    // Nothing is left to do: a third run changes no file.
    const before = readMessages(account.home).map((message) => message.file);
    await sync();
    expect(readMessages(account.home).map((message) => message.file)).toEqual(before);
  });
});
