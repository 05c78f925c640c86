// The swap itself: a real Dovecot has served a Maildir, we take it over, the real Dovecot takes it back. Clients must
// notice nothing: the same UIDs, UIDVALIDITY, UIDLs, flags, keywords, folders, subscriptions.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ImapClient, Pop3Client, SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import { makeFolder, readMessages, writeOwned } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { SIDE_UNDER_TEST, TestBed, type World, startReal, startWorld } from '../support/world.ts';

interface SeenFolder {
  readonly uidValidity: number;
  readonly uidNext: number;
  /** UID, flags, internal date, size and body of each message. */
  readonly messages: readonly string[];
}

interface Seen {
  readonly list: readonly string[];
  readonly subscribed: readonly string[];
  readonly folders: Readonly<Record<string, SeenFolder>>;
  readonly uidls: readonly string[];
  readonly sizes: readonly string[];
}

/** Everything a client can see that must outlive the swap. `\Recent` must not: it belongs to a server's memory. */
async function look(world: World, account: Account, folders: readonly string[]): Promise<Seen> {
  const imap = await ImapClient.login({ port: world.ports.imap }, account);
  const listed = (lines: readonly string[]): string[] =>
    lines
      .filter((line) => line.startsWith('* '))
      .map((line) => line.replace(/ ?\\Unmarked| ?\\Marked/g, ''))
      .toSorted();
  // Uses that nobody configured are ours to name (docs/differences.md).
  const list = listed(await imap.command('LIST "" "*"')).map((line) =>
    line.replace(/ \\(?:Archive|Drafts|Junk|Sent|Trash)\b/, ''),
  );
  const subscribed = listed(await imap.command('LSUB "" "*"'));
  const seen: Record<string, SeenFolder> = {};
  for (const folder of folders) {
    const text = (await imap.command(`EXAMINE "${folder}"`)).join('\n');
    const lines = await imap.command('UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])');
    const messages = lines
      .join('\n')
      .split(/\n(?=\* \d+ FETCH)/)
      .filter((part) => part.startsWith('* '));
    seen[folder] = {
      uidValidity: Number(/UIDVALIDITY (\d+)/.exec(text)?.[1]),
      uidNext: Number(/UIDNEXT (\d+)/.exec(text)?.[1]),
      messages: messages.map((part) => withoutRecent(part.replace(/\nt\d+ OK.*$/s, ''))),
    };
  }
  await imap.logout();
  const pop3 = await Pop3Client.login({ port: world.ports.pop3 }, account);
  const uidls = await pop3.lines('UIDL');
  const sizes = await pop3.lines('LIST');
  await pop3.quit();
  return { list, subscribed, folders: seen, uidls, sizes };
}

function withoutRecent(fetched: string): string {
  return fetched.replace(/FLAGS \(([^)]*)\)/, (_all, flags: string) => {
    const kept = flags.split(' ').filter((flag) => flag !== '\\Recent' && flag !== '');
    return `FLAGS (${kept.toSorted().join(' ')})`;
  });
}

const message = (word: string): string =>
  `From: bob@sender.example\r\nSubject: ${word}\r\n\r\ntext of ${word}\r\n`;

async function append(imap: ImapClient, folder: string, flags: string, word: string): Promise<void> {
  await imap.command(
    `APPEND "${folder}" (${flags}) "17-Jul-2020 02:44:25 +0000" {${message(word).length}+}\r\n${message(word)}`,
  );
}

const FOLDERS = ['INBOX', 'Archive/2024', 'Entw&APw-rfe', 'Shop'];

describeAsRoot('the swap', () => {
  let bed: TestBed;
  let ours: World;
  let real: World;
  beforeAll(async () => {
    bed = await TestBed.open('swap');
    [ours, real] = [await startWorld(SIDE_UNDER_TEST, bed), await startReal(bed)];
  });
  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
    await bed?.close();
  });

  /** What years of use leave behind, done through `world`. */
  const use = async (world: World, account: Account): Promise<void> => {
    const imap = await ImapClient.login({ port: world.ports.imap }, account);
    for (const folder of FOLDERS.slice(1)) await imap.command(`CREATE "${folder}"`);
    for (const folder of ['Archive/2024', 'Shop']) await imap.command(`SUBSCRIBE "${folder}"`);
    await append(imap, 'INBOX', '\\Seen', 'one');
    await append(imap, 'INBOX', '\\Flagged $label1', 'two');
    await append(imap, 'INBOX', '', 'three');
    await append(imap, 'INBOX', 'Work $Forwarded \\Answered', 'four');
    await append(imap, 'Entw&APw-rfe', '\\Draft', 'draft');
    await imap.select('INBOX');
    await imap.command('COPY 1:2 "Archive/2024"');
    await imap.command('STORE 3 +FLAGS (\\Deleted)');
    await imap.command('UID EXPUNGE 3');
    await imap.command('SELECT "Archive/2024"');
    await imap.command('STORE 1 +FLAGS ($label2)');
    await imap.logout();
    const smtp = await SmtpClient.connect({ port: world.ports.smtp });
    await smtp.deliver(
      'bob@sender.example',
      [`${account.name}@example.com`],
      'Subject: delivered\r\n\r\ntext',
    );
    await smtp.quit();
    await eventually(() => expect(readMessages(account.home)).toHaveLength(4));
  };

  const newAccount = (): Account => {
    const account = bed.users.one();
    makeFolder(account, 'INBOX');
    return account;
  };

  it('takes over what Dovecot and Postfix left, and gives it back', async () => {
    const account = newAccount();
    await use(real, account);
    const before = await look(real, account, FOLDERS);
    expect(before.folders['INBOX']?.messages).toHaveLength(4);
    const taken = await look(ours, account, FOLDERS);
    expect(taken).toEqual(before);
    expect(await look(real, account, FOLDERS)).toEqual(before);
  });

  it('goes on where Dovecot stopped: new UIDs follow, changes of ours are seen by Dovecot', async () => {
    const account = newAccount();
    await use(real, account);
    const before = await look(real, account, FOLDERS);
    const imap = await ImapClient.login({ port: ours.ports.imap }, account);
    const { uidNext } = await imap.select('INBOX');
    expect(uidNext).toBe(before.folders['INBOX']?.uidNext);
    await append(imap, 'INBOX', '\\Seen NewWord', 'five');
    await imap.command('UID STORE 1 +FLAGS (\\Answered $label1)');
    await imap.command('UID STORE 2 -FLAGS (\\Flagged)');
    await imap.command('UID STORE 4 +FLAGS (\\Deleted)');
    await imap.command('UID EXPUNGE 4');
    await imap.command('UID COPY 1 Shop');
    await imap.command('RENAME Entw&APw-rfe Drafts/old');
    await imap.command('UNSUBSCRIBE "Shop"');
    await imap.command('SUBSCRIBE "Drafts/old"');
    await imap.logout();
    const smtp = await SmtpClient.connect({ port: ours.ports.smtp });
    await smtp.deliver('bob@sender.example', [`${account.name}@example.com`], 'Subject: by us\r\n\r\ntext');
    await smtp.quit();
    await eventually(() => expect(readMessages(account.home)).toHaveLength(5));

    const folders = ['INBOX', 'Archive/2024', 'Drafts/old', 'Shop'];
    const after = await look(ours, account, folders);
    expect(after.folders['INBOX']?.messages).toHaveLength(5);
    expect(after.uidls[0]).toBe(before.uidls[0]);
    expect(await look(real, account, folders)).toEqual(after);
    // And once more with Dovecot's index gone: what it knows is in the files that we wrote.
    for (const name of fs.readdirSync(path.join(account.home, 'mail'))) {
      if (/^dovecot\.(?:index|list\.index)/.test(name)) fs.rmSync(path.join(account.home, 'mail', name));
    }
    expect(await look(real, account, folders)).toEqual(after);
  });

  it('hands over a Maildir that only we have ever served', async () => {
    const account = newAccount();
    await use(ours, account);
    const before = await look(ours, account, FOLDERS);
    expect(await look(real, account, FOLDERS)).toEqual(before);
    expect(await look(ours, account, FOLDERS)).toEqual(before);
  });

  it('serves what a real Postfix delivers into the Maildir meanwhile', async () => {
    const account = newAccount();
    const imap = await ImapClient.login({ port: ours.ports.imap }, account);
    await imap.select('INBOX');
    imap.line.send('i IDLE\r\n');
    await imap.line.linesUntil(/^\+ /);
    const smtp = await SmtpClient.connect({ port: real.ports.smtp });
    for (let i = 1; i <= 3; i++) {
      await smtp.deliver(
        'bob@sender.example',
        [`${account.name}@example.com`],
        `Subject: number ${i}\r\n\r\ntext`,
      );
      await imap.line.linesUntil(new RegExp(`^\\* ${i} EXISTS$`));
    }
    await smtp.quit();
    imap.line.send('DONE\r\n');
    await imap.line.linesUntil(/^i OK/);
    const found = (await imap.command('UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')).join('\n');
    expect(found.match(/number \d/g)).toEqual(['number 1', 'number 2', 'number 3']);
    await imap.logout();
  });

  it('keeps working beside a Dovecot that serves the same Maildir at the same time', async () => {
    const account = newAccount();
    const [a, b] = await Promise.all(
      [ours, real].map((world) => ImapClient.login({ port: world.ports.imap }, account)),
    );
    if (a === undefined || b === undefined) throw new Error('no session');
    await a.select('INBOX');
    await b.select('INBOX');
    for (let i = 0; i < 10; i++) {
      await Promise.all([append(a, 'INBOX', '', `ours ${i}`), append(b, 'INBOX', '', `theirs ${i}`)]);
    }
    await a.command('NOOP');
    await b.command('NOOP');
    const [uidsA, uidsB] = [await subjects(a), await subjects(b)];
    expect(uidsA.size).toBe(20);
    expect(uidsB).toEqual(uidsA);
    await a.command('UID STORE 1:* +FLAGS (\\Seen)');
    await b.command('UID STORE 5 +FLAGS ($label1)');
    await a.command('UID STORE 6 +FLAGS (\\Deleted)');
    await a.command('UID EXPUNGE 6');
    await a.command('NOOP');
    await b.command('NOOP');
    expect(await b.flags()).toEqual(await a.flags());
    expect((await a.flags()).get(5)).toBe('$label1 \\Seen');
    expect((await a.flags()).has(6)).toBe(false);
    await a.logout();
    await b.logout();
  });

  it('reads a Maildir with a subscription file and folders of Dovecot 1.x', async () => {
    const account = newAccount();
    makeFolder(account, 'Old/Folder');
    writeOwned(account, path.join(account.home, 'mail/subscriptions'), 'Old/Folder\n');
    writeOwned(account, path.join(account.home, 'mail/cur/1000000000.P1.old:2,S'), 'Subject: old\n\nx\n');
    writeOwned(
      account,
      path.join(account.home, 'mail/dovecot-uidlist'),
      '1 1234567 43\n42 1000000000.P1.old\n',
    );
    const seen = await look(ours, account, ['INBOX']);
    expect(seen.folders['INBOX']).toMatchObject({ uidValidity: 1_234_567, uidNext: 43 });
    expect(seen.uidls).toEqual(['1 0000002a0012d687']);
    expect(seen.subscribed).toEqual(['* LSUB () "/" Old/Folder']);
    expect(await look(real, account, ['INBOX'])).toEqual(seen);
  });
});

async function subjects(imap: ImapClient): Promise<Map<string, string>> {
  const text = (await imap.command('UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])')).join('\n');
  return new Map(
    [...text.matchAll(/UID (\d+) [^]*?Subject: ([^\r\n]+)/g)].map((match) => [
      match[1] ?? '',
      match[2] ?? '',
    ]),
  );
}
