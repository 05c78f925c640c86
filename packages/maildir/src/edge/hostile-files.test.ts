// What a Maildir must survive: things that are no messages, wrong sizes, torn files, damaged lists, others' locks.

import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mailbox } from '@postcote/mailbox';
import { makeTemporaryRoot, type TemporaryRoot } from '../testing/index.ts';
import { openMaildirStore, type MaildirStore, type MaildirStoreOptions } from './index.ts';

let temporary: TemporaryRoot;
let root = '';
let store: MaildirStore;
let logged: string[];

function reopen(options: Partial<MaildirStoreOptions> = {}): MaildirStore {
  logged = [];
  const log = (_level: string, _program: string, message: string): void => void logged.push(message);
  store = openMaildirStore({ root, allowRoot: true, log, ...options });
  return store;
}

beforeEach(() => {
  temporary = makeTemporaryRoot();
  root = temporary.path;
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(root, part), { recursive: true });
  reopen();
});

afterEach(async () => {
  await store.close();
  temporary.remove();
});

const TEXT = 'Subject: x\n\nline\n';
const CRLF_TEXT = TEXT.replaceAll('\n', '\r\n');

function put(name: string, content: string | Buffer = TEXT): void {
  writeFileSync(join(root, name), content, { mode: 0o600 });
}

async function texts(mailbox: Mailbox): Promise<string[]> {
  const out: string[] = [];
  for (const { uid } of mailbox.records)
    out.push(((await mailbox.message(uid)?.read()) ?? '').toString('latin1'));
  return out;
}

function uidlist(): string {
  return readFileSync(join(root, 'dovecot-uidlist'), 'latin1');
}

describe('things that are no messages', () => {
  it('ignores FIFOs, directories, links and dot files without hanging', async () => {
    execFileSync('mkfifo', [join(root, 'new', '1.M1.fifo'), join(root, 'cur', '2.M1.fifo:2,S')]);
    mkdirSync(join(root, 'new', '3.M1.dir'));
    symlinkSync('/nowhere', join(root, 'new', '4.M1.dangling'));
    symlinkSync('/etc/hostname', join(root, 'cur', '5.M1.link:2,'));
    put('new/.6.hidden');
    put('new/7.M1.real');
    const mailbox = await store.open('INBOX');
    expect(mailbox.records.map((r) => r.uid)).toEqual([1]);
    expect(await texts(mailbox)).toEqual([CRLF_TEXT]);
    await mailbox.refresh();
    expect(mailbox.records).toHaveLength(1);
    expect(logged.filter((l) => l.includes('no regular file'))).toHaveLength(5);
    unlinkSync(join(root, 'new', '1.M1.fifo'));
    put('new/1.M1.fifo');
    await mailbox.refresh();
    expect(mailbox.records).toHaveLength(2);
  });

  it('refuses to read a FIFO that took the place of a message', async () => {
    put('cur/1.M1.h:2,S');
    const mailbox = await store.open('INBOX');
    unlinkSync(join(root, 'cur/1.M1.h:2,S'));
    execFileSync('mkfifo', [join(root, 'cur/1.M1.h:2,S')]);
    await expect((async () => mailbox.message(1)?.read())()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('gives names that no uidlist can hold a new name', async () => {
    put('new/1.M1\n9 :fake');
    put('cur/:2,S');
    const mailbox = await store.open('INBOX');
    expect(mailbox.records).toHaveLength(2);
    expect(uidlist().split('\n')).toHaveLength(4);
    expect(await texts(mailbox)).toEqual([CRLF_TEXT, CRLF_TEXT]);
  });

  it('serves names of any octets', async () => {
    const name = Buffer.concat([
      Buffer.from(join(root, 'cur/1.M1.h')),
      Buffer.from([0xff, 0xe4]),
      Buffer.from(':2,S'),
    ]);
    writeFileSync(name, TEXT);
    const mailbox = await store.open('INBOX');
    await mailbox.store([1], { mode: 'add', flags: ['\\Flagged'] });
    expect(await texts(mailbox)).toEqual([CRLF_TEXT]);
    const again = await reopen().open('INBOX');
    expect(again.records).toMatchObject([{ uid: 1, flags: ['\\Flagged', '\\Seen'] }]);
  });
});

describe('sizes', () => {
  it.each([
    ['right', `,S=${TEXT.length},W=${CRLF_TEXT.length}`],
    ['wrong S', `,S=5,W=${CRLF_TEXT.length + 9}`],
    ['no W', `,S=${TEXT.length}`],
    ['impossible W', `,S=${TEXT.length},W=3`],
    ['huge W', `,S=${TEXT.length},W=99999`],
    ['nonsense', ',S=,W=x,S=1'],
  ])('%s: the size told is the size of the octets', async (_, fields) => {
    put(`cur/1.M1.h${fields}:2,`);
    const mailbox = await store.open('INBOX');
    expect(await mailbox.message(1)?.size()).toBe(CRLF_TEXT.length);
    expect(await texts(mailbox)).toEqual([CRLF_TEXT]);
    expect(readdirSync(join(root, 'cur'))).toEqual([`1.M1.h${fields}:2,`]);
  });

  it('corrects a plausible but wrong W as soon as the octets are read', async () => {
    put(`cur/1.M1.h,S=${TEXT.length},W=${CRLF_TEXT.length + 2}:2,`);
    const mailbox = await store.open('INBOX');
    const message = mailbox.message(1);
    expect(await message?.exactSize?.()).toBe(CRLF_TEXT.length);
    expect(await message?.size()).toBe(CRLF_TEXT.length);
    await mailbox.close();
    await store.close();
    expect(await (await reopen().open('INBOX')).message(1)?.size()).toBe(CRLF_TEXT.length);
  });

  it('gives all octets to who asks up to the size that a wrong W told', async () => {
    put(`cur/1.M1.h,S=${TEXT.length},W=${CRLF_TEXT.length - 2}:2,`);
    const mailbox = await store.open('INBOX');
    const end = (await mailbox.message(1)?.size()) ?? 0;
    expect(end).toBe(CRLF_TEXT.length - 2);
    expect((await mailbox.message(1)?.read({ start: 3, end }))?.toString()).toBe(CRLF_TEXT.slice(3));
    expect(await mailbox.message(1)?.size()).toBe(CRLF_TEXT.length);
  });

  it('keeps counted sizes in the uidlist', async () => {
    put('cur/1.V1I1M1.mta:2,');
    const mailbox = await store.open('INBOX');
    await mailbox.message(1)?.size();
    await mailbox.close();
    expect(uidlist()).toContain(`\n1 S${TEXT.length} W${CRLF_TEXT.length} :1.V1I1M1.mta\n`);
  });

  it('serves empty and half-written files as they are', async () => {
    put('new/1.M1.h', '');
    put('new/2.M1.h', 'Subject: tor');
    const mailbox = await store.open('INBOX');
    expect(await texts(mailbox)).toEqual(['', 'Subject: tor']);
    expect((await mailbox.message(2)?.structure())?.size).toBe(12);
  });
});

describe('many files at once', () => {
  it('tells messages from other things, and one message from two', async () => {
    for (let i = 10; i < 60; i++) put(`${i % 2 ? 'new' : 'cur'}/${i}.M1.h${i % 2 ? '' : ':2,'}`);
    execFileSync('mkfifo', [join(root, 'new', '1.M1.fifo')]);
    symlinkSync('/etc/hostname', join(root, 'cur', '2.M1.link:2,'));
    linkSync(join(root, 'new/11.M1.h'), join(root, 'cur/11.M1.h:2,S'));
    put('cur/13.M1.h:2,S', 'Subject: other\n\n');
    const mailbox = await store.open('INBOX');
    const found = await texts(mailbox);
    expect(found).toHaveLength(51);
    expect(found.filter((text) => text === CRLF_TEXT)).toHaveLength(50);
    expect(uidlist()).not.toMatch(/fifo|link/);
    expect(uidlist()).toMatch(/^3 V\d+ N52 /);
    const again = await reopen().open('INBOX');
    expect(again.records.map((r) => r.uid)).toEqual(mailbox.records.map((r) => r.uid));
  });
});

describe('a file that changes under its name', () => {
  it('is served as it is now, whatever size it had', async () => {
    put('cur/1.M1.h:2,');
    for (const body of ['', 'short', 'x'.repeat(70_000), 'y\n'.repeat(60_000), 'z'.repeat(2_000_000)]) {
      for (const now of [`${body}more\n`, body.slice(0, -1), '']) {
        put('cur/1.M1.h:2,', body);
        const mailbox = await reopen().open('INBOX');
        const message = mailbox.message(1);
        // A look at the file that keeps its size, and nothing of its content, in mind.
        await message?.internalDate();
        put('cur/1.M1.h:2,', now);
        const text = (await message?.read())?.toString();
        expect(text === now.replaceAll('\n', '\r\n')).toBe(true);
        await store.close();
      }
    }
  });

  it('has a header that is found in any piece of it', async () => {
    const header = `Subject: x\n${'X-Long: y\n'.repeat(1000)}`;
    put('cur/1.M1.h:2,', `${header}\n${'body\n'.repeat(20_000)}`);
    const mailbox = await store.open('INBOX');
    expect((await mailbox.message(1)?.header())?.toString()).toBe(`${header}\n`.replaceAll('\n', '\r\n'));
  });
});

describe('names and places', () => {
  it('follows a message that other programs move and flag', async () => {
    put('new/1.M1.h');
    const mailbox = await store.open('INBOX');
    const message = mailbox.message(1);
    renameSync(join(root, 'new/1.M1.h'), join(root, 'cur/1.M1.h:2,FPXq,S=9'));
    expect((await message?.read())?.toString()).toBe(CRLF_TEXT);
    expect(mailbox.records[0]?.flags).toEqual(['\\Flagged', 'unknown-16']);
    await mailbox.store([1], { mode: 'add', flags: ['\\Seen'] });
    expect(readdirSync(join(root, 'cur'))).toEqual(['1.M1.h:2,FPSXq,S=9']);
    renameSync(join(root, 'cur/1.M1.h:2,FPSXq,S=9'), join(root, 'cur/1.M1.h:2,RS'));
    await mailbox.store([1], { mode: 'remove', flags: ['\\Seen'] });
    expect(readdirSync(join(root, 'cur'))).toEqual(['1.M1.h:2,R']);
  });

  it('gives a second file of one base a name and a UID of its own', async () => {
    put('cur/1.M1.h:2,S', 'Subject: one\n\n');
    put('new/1.M1.h', 'Subject: two\n\n');
    const mailbox = await store.open('INBOX');
    expect((await texts(mailbox)).toSorted()).toEqual(['Subject: one\r\n\r\n', 'Subject: two\r\n\r\n']);
    expect(mailbox.records.map((r) => r.uid)).toEqual([1, 2]);
    await mailbox.refresh();
    expect(mailbox.records).toHaveLength(2);
  });

  it('takes two links of one file and name for one message', async () => {
    put('new/1.M1.h');
    linkSync(join(root, 'new/1.M1.h'), join(root, 'cur/1.M1.h:2,'));
    const mailbox = await store.open('INBOX');
    expect(mailbox.records).toHaveLength(1);
  });

  it('gives a file that comes back after its expunge another UID', async () => {
    put('cur/1.M1.h:2,S');
    put('cur/2.M1.h:2,S');
    const mailbox = await store.open('INBOX');
    await mailbox.expunge([1]);
    put('cur/1.M1.h:2,S');
    await mailbox.refresh();
    expect(mailbox.records.map((r) => r.uid)).toEqual([2, 3]);
    const again = await reopen().open('INBOX');
    expect(again.records.map((r) => r.uid)).toEqual([2, 3]);
  });

  it('orders strangers by seconds, microseconds, name', async () => {
    put('new/10.M5P1.h');
    put('new/9.V1I1M700000.mta');
    put('cur/10.M40P1.h:2,S');
    put('new/10.M5P0.h');
    await store.open('INBOX');
    const bases = uidlist().match(/(?<=:).*$/gm);
    expect(bases).toEqual(['9.V1I1M700000.mta', '10.M5P0.h', '10.M5P1.h', '10.M40P1.h']);
  });
});

describe('the uidlist', () => {
  it('is read on when it grew and anew when it was replaced', async () => {
    put('cur/1.M1.h:2,');
    const mailbox = await store.open('INBOX');
    put('cur/2.M1.h:2,');
    appendFileSync(join(root, 'dovecot-uidlist'), '7 Ghello :2.M1.h\n');
    await mailbox.refresh();
    expect(mailbox.records.map((r) => r.uid)).toEqual([1, 7]);
    expect(mailbox.message(7)?.guid).toBe('hello');
    writeFileSync(
      join(root, 'u'),
      uidlist()
        .replace(/ N\d+ /, ' N30 ')
        .replace('7 Ghello', '12'),
    );
    renameSync(join(root, 'u'), join(root, 'dovecot-uidlist'));
    await mailbox.refresh();
    expect(mailbox.records.map((r) => r.uid)).toEqual([1, 12]);
    expect(mailbox.uidNext).toBe(30);
  });

  it('keeps every whole record of a damaged file', async () => {
    for (const n of [1, 2, 3]) put(`cur/${n}.M1.h:2,`);
    await (await store.open('INBOX')).close();
    const { uidValidity } = await store.status('INBOX');
    await store.close();
    const header = uidlist().split('\n', 1)[0];
    writeFileSync(
      join(root, 'dovecot-uidlist'),
      `${header}\n1 :1.M1.h\ngarbage\n5 :2.M1.h\n4 :3.M1.h\n6 :torn`,
    );
    const mailbox = await reopen().open('INBOX');
    expect(mailbox.uidValidity).toBe(uidValidity);
    expect(mailbox.records.map((r) => r.uid)).toEqual([1, 5, 6]);
    expect(uidlist().split('\n').slice(1)).toEqual(['1 :1.M1.h', '5 :2.M1.h', '6 :3.M1.h', '']);
  });

  it('becomes another mailbox when its header is lost', async () => {
    put('cur/1.M1.h:2,');
    const { uidValidity } = await store.status('INBOX');
    await store.close();
    writeFileSync(join(root, 'dovecot-uidlist'), 'what is this\n');
    const mailbox = await reopen().open('INBOX');
    expect(mailbox.uidValidity).toBeGreaterThan(uidValidity);
    expect(mailbox.records).toHaveLength(1);
  });

  it('is written again with the same UIDs when it goes missing under us', async () => {
    put('cur/1.M1.h:2,');
    put('cur/2.M1.h:2,');
    const mailbox = await store.open('INBOX');
    await mailbox.expunge([1]);
    const { uidValidity } = mailbox;
    unlinkSync(join(root, 'dovecot-uidlist'));
    await mailbox.refresh();
    expect(uidlist()).toMatch(new RegExp(`^3 V${uidValidity} N3 .*\n2 :2.M1.h\n$`));
  });

  it('is followed to another UIDVALIDITY', async () => {
    put('cur/1.M1.h:2,');
    const mailbox = await store.open('INBOX');
    writeFileSync(join(root, 'u'), '3 V99 N50 G0123456789abcdef0123456789abcdef\n49 :1.M1.h\n');
    renameSync(join(root, 'u'), join(root, 'dovecot-uidlist'));
    await mailbox.refresh();
    expect([mailbox.uidValidity, mailbox.uidNext, mailbox.records.map((r) => r.uid)]).toEqual([99, 50, [49]]);
    expect(await texts(mailbox)).toEqual([CRLF_TEXT]);
  });
});

describe('locks', () => {
  const lockPath = (): string => join(root, 'dovecot-uidlist.lock');

  it('waits for a live owner and takes over from a dead one', async () => {
    await store.open('INBOX');
    const dead = spawn('true');
    await new Promise((resolve) => {
      dead.on('exit', resolve);
    });
    put('dovecot-uidlist.lock', `${dead.pid}:${hostname()}`);
    put('new/1.M1.h');
    expect((await store.status('INBOX')).messages).toBe(1);
    put('dovecot-uidlist.lock', `${process.ppid}:${hostname()}`);
    put('new/2.M1.h');
    const waiting = store.status('INBOX');
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    unlinkSync(lockPath());
    expect((await waiting).messages).toBe(2);
    expect(existsSync(lockPath())).toBe(false);
  });

  it('never overrides a lock of another host, or a young one that tells nothing', async () => {
    reopen({ lockTimeoutMs: 150 });
    for (const content of ['1:elsewhere', '']) {
      put('dovecot-uidlist.lock', content);
      await expect(store.open('INBOX')).rejects.toMatchObject({ code: 'inUse' });
      expect(readFileSync(lockPath(), 'latin1')).toBe(content);
    }
    const old = Date.now() / 1000 - 130;
    utimesSync(lockPath(), old, old);
    await store.open('INBOX');
  });
});

describe('modes and leftovers', () => {
  it.each([
    [0o755, 0o600, 0o644, 0o755],
    [0o700, 0o600, 0o600, 0o700],
    [0o770, 0o660, 0o660, 0o770],
    [0o750, 0o640, 0o640, 0o750],
  ])('root %o: messages %o, lists %o, directories %o', async (rootMode, message, list, directory) => {
    chmodSync(root, rootMode);
    await store.create('A');
    const writer = await store.beginAppend('A', { flags: ['\\Seen', 'kw'] });
    await writer.write(Buffer.from(CRLF_TEXT));
    await writer.commit();
    const mode = (path: string): number => statSync(join(root, path)).mode & 0o777;
    expect(mode(`A/cur/${readdirSync(join(root, 'A/cur'))[0]}`)).toBe(message);
    expect(mode('A/dovecot-uidlist')).toBe(list);
    expect(mode('A/dovecot-keywords')).toBe(list);
    expect(mode('A/cur')).toBe(directory);
  });

  it('makes what a delivery misses, for the user alone', async () => {
    for (const part of ['cur', 'new', 'tmp']) rmdirSync(join(root, part));
    chmodSync(root, 0o755);
    const writer = store.beginDelivery();
    await writer.write(Buffer.from(CRLF_TEXT));
    const { fileName } = await writer.commit();
    expect(fileName).toMatch(/^\d{10}\.M\d+P\d+\.[^,:/]+,S=17,W=20$/);
    const mode = (path: string): number => statSync(join(root, path)).mode & 0o777;
    expect([mode('cur'), mode('new'), mode('tmp'), mode(`new/${fileName}`)]).toEqual([
      0o700, 0o700, 0o700, 0o600,
    ]);
    rmSync(root, { recursive: true });
    const second = store.beginDelivery();
    await second.write(Buffer.from(CRLF_TEXT));
    await second.commit();
    expect(mode('')).toBe(0o700);
    expect(() => store.beginDelivery('Nowhere')).toThrow(/no mailbox/);
  });

  it('sweeps only old files from tmp/', async () => {
    put('tmp/young');
    await store.open('INBOX');
    expect(existsSync(join(root, 'tmp/young'))).toBe(true);
    await store.close();
    reopen({ nowMs: () => Date.now() + 37 * 3600 * 1000 });
    await store.open('INBOX');
    expect(existsSync(join(root, 'tmp/young'))).toBe(false);
  });

  it('drops the quota sum and the list index when they go stale', async () => {
    put('maildirsize', '1000S\n0 0\n');
    put('dovecot.list.index.log', 'x');
    const writer = await store.beginAppend('INBOX', { flags: [] });
    await writer.write(Buffer.from('x'));
    await writer.commit();
    expect(existsSync(join(root, 'maildirsize'))).toBe(false);
    expect(existsSync(join(root, 'dovecot.list.index.log'))).toBe(true);
    await store.create('B');
    expect(existsSync(join(root, 'dovecot.list.index.log'))).toBe(false);
  });

  it('lists a tree with link loops once, and deletes only the link', async () => {
    await store.create('A/B');
    symlinkSync('.', join(root, 'A/self'));
    symlinkSync('..', join(root, 'A/up'));
    symlinkSync('/etc', join(root, 'etc'));
    const elsewhere = join(root, '../elsewhere');
    mkdirSync(join(elsewhere, 'cur'), { recursive: true });
    mkdirSync(join(elsewhere, 'child/cur'), { recursive: true });
    symlinkSync(elsewhere, join(root, 'kept'));
    symlinkSync(elsewhere, join(root, 'kept-again'));
    const names = (await store.list()).map((e) => e.name);
    expect(names).toEqual(['INBOX', 'A', 'A/B', expect.stringMatching(/^kept/)]);
    await store.open(names[3] ?? '');
    await store.delete(names[3] ?? '');
    expect(existsSync(join(elsewhere, 'child/cur'))).toBe(true);
    expect(existsSync(join(elsewhere, 'cur'))).toBe(true);
  });

  it('finds INBOX where it is told, folders in the root', async () => {
    const inbox = join(root, 'INBOX');
    reopen({ inbox: `${inbox}/` });
    const writer = store.beginDelivery();
    await writer.write(Buffer.from(CRLF_TEXT));
    await writer.commit();
    await store.create('INBOX/child');
    await store.create('A');
    expect((await store.status('INBOX')).messages).toBe(1);
    expect(readdirSync(join(inbox, 'new'))).toHaveLength(1);
    expect(readdirSync(join(root, 'new'))).toHaveLength(0);
    expect((await store.list()).map((e) => e.name)).toEqual(['INBOX', 'A', 'INBOX/child']);
  });

  it('refuses names that would hide its own files', async () => {
    for (const name of [
      'cur',
      'A/new',
      'tmp',
      'subscriptions',
      'dovecot-uidlist',
      'dovecot.index',
      'maildirsize',
    ]) {
      await expect(store.create(name)).rejects.toMatchObject({ code: 'badName' });
    }
    await store.create('Lists/dovecot');
  });

  it('refuses to run as root, or as another user than the owner', () => {
    const uid = process.getuid?.() ?? 0;
    if (uid === 0) expect(() => openMaildirStore({ root })).toThrow(/root/);
    expect(() => openMaildirStore({ root, uid: uid + 1, allowRoot: true })).toThrow(/uid/);
    expect(() => openMaildirStore({ root, uid, allowRoot: true })).not.toThrow();
  });
});
