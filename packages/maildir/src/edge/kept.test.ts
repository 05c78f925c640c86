// What is kept between processes: that it is used, and when it is not believed.

import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mailbox } from '@postcote/mailbox';
import { formatHead } from '../folder-journal.ts';
import { makeTemporaryRoot, type TemporaryRoot } from '../testing/index.ts';
import { openMaildirStore, type MaildirStore, type MaildirStoreOptions } from './index.ts';

let root: TemporaryRoot;
let options: MaildirStoreOptions & { readonly index: string };
let store: MaildirStore;

beforeEach(() => {
  root = makeTemporaryRoot();
  options = { root: root.path, index: `${root.path}-index`, allowRoot: true };
  store = openMaildirStore(options);
});
afterEach(async () => {
  await store.close();
  root.remove();
});

async function append(subject: string, flags: string[] = []): Promise<number> {
  const writer = await store.beginAppend('INBOX', { flags });
  await writer.write(Buffer.from(`Subject: ${subject}\r\n\r\nbody\r\n`));
  return (await writer.commit()).uid;
}

async function reopen(): Promise<Mailbox> {
  await store.close();
  store = openMaildirStore(options);
  return await store.open('INBOX');
}

function messageFile(): string {
  for (const folder of ['new', 'cur']) {
    const [name] = readdirSync(join(root.path, folder));
    if (name !== undefined) return join(root.path, folder, name);
  }
  throw new Error('no message');
}

/** Other octets of the same length: whoever reads the file sees them. */
function disguise(file: string): void {
  const { mtime } = statSync(file);
  writeFileSync(file, readFileSync(file, 'latin1').replace('Subject: ', 'Subject: X').slice(0, -1), 'latin1');
  utimesSync(file, mtime, mtime);
}

const subject = async (mailbox: Mailbox, uid: number): Promise<string | null | undefined> =>
  (await mailbox.message(uid)?.structure())?.envelope.subject;

const stateFile = (): string => {
  const name = readdirSync(options.index).find((n) => n.endsWith('.state'));
  if (name === undefined) throw new Error('no journal');
  return join(options.index, name);
};

describe('what is kept', () => {
  it('is the structure of mail that arrives: nobody parses it again', async () => {
    const delivery = store.beginDelivery();
    for (const piece of ['Subject: as it', ' came\r\n', '\r\nbody']) await delivery.write(Buffer.from(piece));
    await delivery.commit();
    disguise(messageFile());
    let mailbox = await store.open('INBOX');
    const uid = mailbox.records[0]?.uid ?? 0;
    expect(await subject(mailbox, uid)).toBe('as it came');
    expect((await mailbox.message(uid)?.envelope?.())?.subject).toBe('as it came');
    mailbox = await reopen();
    expect(await subject(mailbox, uid)).toBe('as it came');
    expect((await mailbox.message(uid)?.read())?.toString()).toContain('Subject: Xas');
  });

  it('is the structure of copies, and of what was asked for once', async () => {
    const uid = await append('one');
    await store.create('Other');
    let mailbox = await store.open('INBOX');
    await mailbox.copy([uid], 'Other');
    disguise(messageFile());
    expect(await subject(await store.open('Other'), 1)).toBe('one');
    mailbox = await reopen();
    expect(await subject(mailbox, uid)).toBe('one');
    expect(await mailbox.message(uid)?.size()).toBe('Subject: one\r\n\r\nbody\r\n'.length);
  });

  it('is not used for a file that has another length', async () => {
    const uid = await append('one');
    await store.close();
    writeFileSync(messageFile(), 'Subject: longer than it was\n\nbody\n');
    store = openMaildirStore(options);
    const mailbox = await store.open('INBOX');
    await mailbox.message(uid)?.read();
    expect(await subject(mailbox, uid)).toBe('longer than it was');
  });

  it('goes with the folder when that is renamed, and when it is deleted', async () => {
    await store.create('A');
    const mailbox = await store.open('A');
    const { highestModseq } = mailbox;
    await mailbox.close();
    await store.rename('A', 'B');
    await reopen();
    expect((await store.open('B')).highestModseq).toBe(highestModseq);
    const files = readdirSync(options.index).length;
    await store.delete('B');
    await store.create('B');
    expect((await store.open('B')).highestModseq).toBeGreaterThan(highestModseq);
    expect(readdirSync(options.index).length).toBeLessThan(files + 1);
  });

  it('lets modseqs go on above the highest known when the clock goes back', async () => {
    let now = 2_000_000_000_000;
    options = { ...options, nowMs: () => now };
    await store.close();
    store = openMaildirStore(options);
    const uid = await append('one');
    let mailbox = await store.open('INBOX');
    const { highestModseq } = mailbox;
    now = 1_000_000_000_000;
    mailbox = await reopen();
    await mailbox.store([uid], { mode: 'add', flags: ['\\Seen'] });
    expect(mailbox.highestModseq).toBeGreaterThan(highestModseq);
  });
});

describe('a journal that cannot be believed', () => {
  let uids: number[];
  let told: readonly { uid: number; modseq: number }[];
  let highest: number;
  beforeEach(async () => {
    uids = [await append('a'), await append('b', ['\\Seen']), await append('c')];
    const mailbox = await store.open('INBOX');
    await mailbox.store([uids[0] as number], { mode: 'add', flags: ['\\Flagged'] });
    await mailbox.expunge([uids[2] as number]);
    told = mailbox.records.map(({ uid, modseq }) => ({ uid, modseq }));
    highest = mailbox.highestModseq;
    await mailbox.close();
    await store.close();
  });

  async function expectDoubt(): Promise<void> {
    store = openMaildirStore(options);
    const mailbox = await store.open('INBOX');
    expect(mailbox.records.map(({ uid, flags }) => [uid, flags])).toEqual([
      [uids[0], ['\\Flagged']],
      [uids[1], ['\\Seen']],
    ]);
    for (const { modseq } of mailbox.records) expect(modseq).toBeGreaterThan(highest);
    expect(mailbox.expungedSince(highest)).toBeUndefined();
  }

  it('is believed when nothing is wrong with it', async () => {
    store = openMaildirStore(options);
    const mailbox = await store.open('INBOX');
    expect(mailbox.records.map(({ uid, modseq }) => ({ uid, modseq }))).toEqual(told);
  });

  it('is cut short', async () => {
    truncateSync(stateFile(), statSync(stateFile()).size - 5);
    await expectDoubt();
  });

  it('has an octet that is another', async () => {
    const bytes = readFileSync(stateFile());
    bytes[200] = (bytes[200] as number) ^ 1;
    writeFileSync(stateFile(), bytes);
    await expectDoubt();
  });

  it('is empty, or something else', async () => {
    writeFileSync(stateFile(), '');
    await expectDoubt();
    await store.close();
    writeFileSync(stateFile(), 'x'.repeat(1000));
    store = openMaildirStore(options);
    expect((await store.open('INBOX')).records).toHaveLength(2);
  });

  it('ends in changes of a machine that was started again since', async () => {
    const bytes = readFileSync(stateFile());
    const end = 16 + bytes.readUInt32LE(0);
    const head: unknown = JSON.parse(bytes.toString('utf8', 16, end).replace(/\0+$/, ''));
    const other = formatHead({ ...(head as Parameters<typeof formatHead>[0]), boot: 'another' });
    // With the note at its end that all was written, it is good for ever.
    writeFileSync(stateFile(), Buffer.concat([other, bytes.subarray(end)]));
    store = openMaildirStore(options);
    let mailbox = await store.open('INBOX');
    expect(mailbox.records.map(({ uid, modseq }) => ({ uid, modseq }))).toEqual(told);
    await mailbox.store([uids[1] as number], { mode: 'add', flags: ['\\Answered'] });
    await mailbox.store([uids[1] as number], { mode: 'remove', flags: ['\\Answered'] });
    highest = mailbox.highestModseq;
    // As a crash leaves it.
    const crashed = readFileSync(stateFile());
    await store.close();
    writeFileSync(stateFile(), crashed);
    await expectDoubt();
    mailbox = await reopen();
    expect(mailbox.expungedSince(mailbox.highestModseq)).toEqual([]);
  });

  it('is another folder’s', async () => {
    const name = stateFile();
    await store.close();
    store = openMaildirStore(options);
    await store.create('Other');
    await store.close();
    const other = readdirSync(options.index).filter(
      (n) => n.endsWith('.state') && join(options.index, n) !== name,
    );
    writeFileSync(name, readFileSync(join(options.index, other[0] ?? '')));
    await expectDoubt();
  });

  it('lies in a folder that is not ours to write, or cannot be made', async () => {
    const file = join(root.path, '..', 'a-file');
    writeFileSync(file, '');
    const lines: string[] = [];
    options = { ...options, index: `${file}/index`, log: (_level, _program, line) => lines.push(line) };
    store = openMaildirStore(options);
    expect((await store.open('INBOX')).records).toHaveLength(2);
    expect(lines.join()).toContain('working without an index');
    expect(existsSync(`${file}/index`)).toBe(false);
  });
});
