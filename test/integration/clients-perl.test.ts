// Perl's Mail::IMAPClient: a whole session, IDLE included.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readMessages, writeMaildir, writeOwned } from '../support/maildir-files.ts';
import { mustRun } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';

const PROGRAM = path.join(import.meta.dirname, '../client-programs/imapclient-session.pl');

const ONE = 'From: Bob <bob@sender.example>\nSubject: one\nMessage-ID: <1@sender.example>\n\n.text of one\n';
const TWO = `From: bob@sender.example
Subject: two
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

text of two
--b
Content-Type: text/html

<p>two</p>
--b--
`;
const THREE = 'From: bob@sender.example\nSubject: three\nReferences: <1@sender.example>\n\ntext of three\n';

describeWithWorld('Perl’s Mail::IMAPClient', (running) => {
  it.each([
    ['implicit TLS', 'imaps', 'Ssl'],
    ['STARTTLS', 'imap', 'Starttls'],
  ] as const)(
    'reads, flags, searches, files, deletes and idles over %s',
    async (_name, service, security) => {
      const account = running.account();
      writeMaildir(account, {
        mails: [ONE, TWO, THREE].map((text) => ({ folder: 'INBOX', flags: [], fresh: true, text })),
        folders: ['Lists/postcote'],
      });
      const folder = running.clientFolder();
      const idling = path.join(folder, 'idling');
      const session = mustRun(
        'perl',
        [
          PROGRAM,
          'localhost',
          String(running.world.ports[service]),
          security,
          running.bed.certificate.certFile,
          account.name,
          idling,
        ],
        { input: `${account.password}\n` },
      );
      await Promise.race([session, eventually(() => expect(fs.existsSync(idling)).toBe(true), 40_000)]);
      writeOwned(
        account,
        path.join(account.home, 'mail/new/1710000002.far1.server'),
        'Subject: four\n\ntext\n',
      );
      const saw: unknown = JSON.parse((await session).stdout);

      expect(saw).toMatchObject({
        // `Lists` holds no mail of its own and is no mailbox.
        folders: ['INBOX', 'Lists/postcote'],
        count: '3',
        subjects: { 1: 'one', 2: 'two', 3: 'three' },
        first: ONE.replaceAll('\n', '\r\n'),
        hash: { 1: { FLAGS: expect.anything() as unknown, 'RFC822.SIZE': String(ONE.length + 5) } },
        headers: { From: ['bob@sender.example'], Subject: ['two'] },
        from: 'Bob <bob@sender.example>',
        types: ['MULTIPART/alternative', 'TEXT/PLAIN', 'TEXT/HTML'],
        part: '<p>two</p>',
        unseen: ['2', '3'],
        search: ['2'],
        thread: [[['1', '3'], ['2']]],
        appended: '1',
        subscribed: ['Archive 2021'],
        missing: expect.stringContaining("Mailbox doesn't exist: Nowhere") as string,
        heard: ['* 2 EXISTS'],
        new: ['four'],
      });
      const inbox = readMessages(account.home);
      expect(
        inbox.filter((message) => !message.fresh && message.base !== '1710000002.far1.server'),
      ).toMatchObject([{ flags: 'FSa' }]);
      expect(inbox).toHaveLength(2);
      expect(fs.readFileSync(path.join(account.home, 'mail/dovecot-keywords'), 'utf8')).toBe('0 Work\n');
      const archive = readMessages(account.home, 'Archive 2021').map((message) => message.bytes.toString());
      expect(archive.toSorted()).toEqual([THREE, TWO]);
      const [draft] = readMessages(account.home, 'Drafts');
      expect(draft?.flags).toBe('DS');
      expect(draft?.bytes.toString()).toBe('From: me@client.example\nSubject: draft\n\nnot yet\n');
      expect(fs.statSync(draft?.file ?? '').mtimeMs).toBe(Date.parse('2021-03-01T09:00:00Z'));
    },
  );
});
