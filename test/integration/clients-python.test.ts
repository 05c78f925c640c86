// Python's imaplib and poplib: whole sessions written as scripts write them. What the library showed and what is in
// the Maildir afterwards must agree.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { folderPath, readMessages, writeMaildir } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { mustRun } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';

const PROGRAMS = path.join(import.meta.dirname, '../client-programs');

const message = (subject: string, word: string): string =>
  `From: Bob <bob@sender.example>\nSubject: ${subject}\nMessage-ID: <${word}@sender.example>\n\n.text of ${word}\n`;

describeWithWorld('Python', (running) => {
  const run = async (script: string, args: readonly string[], account: Account): Promise<unknown> => {
    const { stdout } = await mustRun('python3', [path.join(PROGRAMS, script), ...args], {
      input: `${account.password}\n`,
      env: { TZ: 'UTC', LANG: 'C.UTF-8' },
    });
    return JSON.parse(stdout);
  };

  it.each([
    ['implicit TLS', 'imaps', 'ssl'],
    ['STARTTLS', 'imap', 'starttls'],
  ] as const)(
    'imaplib reads, flags, searches, files and deletes over %s',
    async (_name, service, security) => {
      const account = running.account();
      writeMaildir(account, {
        mails: [
          { folder: 'INBOX', flags: [], fresh: true, text: message('one', 'one') },
          {
            folder: 'INBOX',
            flags: ['\\Seen'],
            fresh: false,
            text: message('=?utf-8?q?S=C3=BC=C3=9Fes?=', 'two'),
          },
          { folder: 'INBOX', flags: ['\\Answered'], fresh: false, text: message('three', 'three') },
        ],
        folders: ['Lists', 'Lists/postcote'],
        subscriptions: ['INBOX', 'Lists/postcote'],
      });
      const saw = await run(
        'imaplib-session.py',
        [
          'localhost',
          String(running.world.ports[service]),
          security,
          running.bed.certificate.certFile,
          account.name,
        ],
        account,
      );
      const [one, two, three] = [1, 2, 3];
      expect(saw).toMatchObject({
        refused: expect.stringContaining('[AUTHENTICATIONFAILED]') as string,
        folders: ['INBOX', 'Lists', 'Lists/postcote'],
        namespace: '(("" "/")) NIL NIL',
        status: 'INBOX (MESSAGES 3 UNSEEN 2)',
        exists: 3,
        first: message('one', 'one').replaceAll('\n', '\r\n'),
        part: 'Subject: one\r\n\r\n',
        envelope: expect.stringContaining('(("Bob" NIL "bob" "sender.example"))') as string,
        'found by text': [two],
        'found by flag': [one],
        'found in utf-8': [two],
        threads: expect.stringMatching(/^\(\d\)\(\d\)\(\d\)$/) as string,
        subscribed: ['() "/" Entw&APw-rfe', '() "/" INBOX', '() "/" Lists/postcote'],
        'try create': expect.stringContaining('[TRYCREATE]') as string,
        expunged: [three, two],
        after: [one],
        'bad command': expect.stringMatching(/BAD/) as string,
        date: 1_600_000_000,
      });
      const seen = saw as { flags: string[]; sorted: number[] };
      expect(seen.flags.map((line) => /UID (\d+) FLAGS \(([^)]*)\)/.exec(line)?.slice(1))).toEqual([
        ['1', '\\Recent'].map((word) =>
          word === '\\Recent' ? expect.stringMatching(/^(\\Recent)?$/) : word,
        ),
        ['2', expect.stringMatching(/^\\Seen( \\Recent)?$|^(\\Recent )?\\Seen$/)],
        ['3', expect.stringMatching(/\\Answered/)],
      ]);
      expect(seen.sorted).toEqual([three, two, one]);

      const inbox = readMessages(account.home);
      expect(inbox.map((stored) => stored.flags)).toEqual(['FSa']);
      expect(inbox[0]?.bytes.toString()).toBe(message('one', 'one'));
      expect(fs.readFileSync(path.join(account.home, 'mail/dovecot-keywords'), 'utf8')).toBe('0 $Label1\n');
      const archive = readMessages(account.home, 'Archive 2020');
      expect(archive.map((stored) => /text of \w+/.exec(stored.bytes.toString())?.[0]).toSorted()).toEqual([
        'text of three',
        'text of two',
      ]);
      const drafts = readMessages(account.home, 'Drafts');
      expect(drafts.map((stored) => stored.flags)).toEqual(['DS']);
      expect(drafts[0]?.bytes.toString()).toBe('From: me@client.example\nSubject: draft\n\nnot yet\n');
      expect(fs.statSync(drafts[0]?.file ?? '').mtimeMs).toBe(1_600_000_000_000);
      expect(fs.existsSync(folderPath(account.home, 'Entw&APw-rfe'))).toBe(true);
      expect(fs.existsSync(folderPath(account.home, 'Archive'))).toBe(false);
    },
  );

  it.each([
    ['implicit TLS', 'pop3s', 'ssl'],
    ['STLS', 'pop3', 'stls'],
  ] as const)('poplib fetches once and deletes over %s', async (_name, service, security) => {
    const account = running.account();
    const words = ['one', 'two', 'three'];
    writeMaildir(account, {
      mails: words.map((word) => ({
        folder: 'INBOX',
        flags: [],
        fresh: word === 'three',
        text: message(word, word),
      })),
    });
    const ids = path.join(running.clientFolder(), 'ids');
    const session = (what: 'keep' | 'delete'): Promise<unknown> =>
      run(
        'poplib-session.py',
        [
          'localhost',
          String(running.world.ports[service]),
          security,
          running.bed.certificate.certFile,
          account.name,
          ids,
          what,
        ],
        account,
      );
    expect(await session('keep')).toMatchObject({
      greeting: expect.stringMatching(/^\+OK/) as string,
      capabilities: expect.arrayContaining(['TOP', 'UIDL', 'SASL']) as string[],
      new: words.map((word) => ({ text: message(word, word).trimEnd(), exact: true })),
      bye: expect.stringMatching(/^\+OK/) as string,
    });
    expect(await session('keep')).toMatchObject({ new: [] });
    expect(readMessages(account.home)).toHaveLength(3);
    expect(await session('delete')).toMatchObject({
      new: [],
      'after rset': 3,
      'after dele': 1,
      deleted: expect.stringContaining('-ERR') as string,
    });
    const left = readMessages(account.home).map((stored) => /text of \w+/.exec(stored.bytes.toString())?.[0]);
    expect(left).toEqual(['text of three']);
  });
});
