// What the index of texts says of a message is what reading the message says: against a plain scan, with texts of all
// kinds and needles cut from them.

import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mailbox } from '@postcote/mailbox';
import {
  decodeWords,
  fieldValue,
  findInMessage,
  foldForSearch,
  parseHeaderFields,
  parseMessageStructure,
  searchableText,
} from '@postcote/mime';
import { makeTemporaryRoot, type TemporaryRoot } from '../../testing/index.ts';
import { openMaildirStore, type MaildirStore, type MaildirStoreOptions } from '../index.ts';

let root: TemporaryRoot;
let store: MaildirStore;
let options: MaildirStoreOptions;

beforeEach(() => {
  root = makeTemporaryRoot();
  options = {
    root: root.path,
    index: `${root.path}-index`,
    texts: { automatic: false, maxMessage: 100_000 },
    allowRoot: true,
  };
  store = openMaildirStore(options);
});
afterEach(async () => {
  await store.close();
  root.remove();
});

async function append(content: string): Promise<number> {
  const writer = await store.beginAppend('INBOX', { flags: [] });
  await writer.write(Buffer.from(content, 'latin1'));
  return (await writer.commit()).uid;
}

const rebuild = (): Promise<void> => store.rebuildIndex(() => {});

/** What reading the message says. */
async function scan(
  mailbox: Mailbox,
  uid: number,
  scope: 'header' | 'body' | 'text',
  needle: string,
): Promise<boolean> {
  const message = mailbox.message(uid);
  if (!message) throw new Error('gone');
  if (scope === 'header') {
    const header = await message.header();
    return parseHeaderFields(header).some((field) =>
      foldForSearch(decodeWords(fieldValue(header, field))).includes(needle),
    );
  }
  const source = { read: async (range: { start: number; end: number }) => message.read(range) };
  return (await findInMessage(source, await message.structure(), { scope, needles: [needle] })).has(needle);
}

async function compare(mailbox: Mailbox, needles: readonly string[]): Promise<number> {
  let decided = 0;
  for (const needle of needles) {
    for (const scope of ['header', 'body', 'text'] as const) {
      const verdicts = await mailbox.searchText?.(scope, needle);
      for (const { uid } of mailbox.records) {
        const verdict = verdicts?.(uid);
        if (verdict === undefined) continue;
        decided++;
        const found = await scan(mailbox, uid, scope, needle);
        expect({ uid, scope, needle, found: verdict }).toEqual({ uid, scope, needle, found });
      }
    }
  }
  return decided;
}

const WORDS = [
  'hello',
  'Grüße',
  'STRASSE',
  'ﬁne',
  'naïve',
  '日本語の',
  'İstanbul',
  'a',
  '😀 smile',
  'e\u0301te\u0301',
  '\0',
  '%',
  '"q"',
  'ÅNGSTRÖM',
];
const text = fc
  .array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ unit: 'grapheme', maxLength: 8 })), {
    maxLength: 12,
  })
  .map((w) => w.join(' '));
const octets = (value: string, encoding: BufferEncoding = 'utf8'): string =>
  Buffer.from(value, encoding).toString('latin1');
const lines = (value: string): string => value.replaceAll(/[\r\n]/g, ' ').replaceAll(/(.{60})/gu, '$1\r\n');
const base64 = (value: string): string =>
  Buffer.from(value)
    .toString('base64')
    .replaceAll(/(.{76})/g, '$1\r\n');
const leaf = fc.oneof(
  text.map((t) => `\r\n${octets(lines(t))}`),
  text.map(
    (t) =>
      `Content-Type: text/plain; charset=utf-8\r\nX-Part: ${octets(t.replaceAll(/[\r\n]/g, ' '))}\r\n\r\n${octets(lines(t))}\r\n`,
  ),
  text.map(
    (t) =>
      `Content-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(t)}\r\n`,
  ),
  text.map((t) => `Content-Type: text/plain; charset=iso-8859-1\r\n\r\n${octets(lines(t), 'latin1')}`),
  text.map(
    (t) =>
      `Content-Type: application/x; name="${octets(t.replaceAll(/[\r\n"\\]/g, ''))}"\r\n\r\nhello hidden`,
  ),
  fc
    .uint8Array({ maxLength: 60 })
    .map(
      (bytes) => `Content-Type: text/plain; charset=utf-8\r\n\r\n${Buffer.from(bytes).toString('latin1')}`,
    ),
);
const headers = text.map(
  (t) =>
    `Subject: =?utf-8?b?${Buffer.from(t.slice(0, 30)).toString('base64')}?= plain ${octets(t.replaceAll(/[\r\n]/g, ' ').slice(0, 20))}\r\nFrom: Ann <ann@example.org>\r\n`,
);
const message = fc
  .tuple(headers, fc.array(leaf, { minLength: 1, maxLength: 3 }), headers)
  .map(([head, parts, inner]) => {
    const first = parts[0] as string;
    if (parts.length === 1) return head + first;
    const all = parts
      .map((p, i) => `--b\r\n${i === 1 ? `Content-Type: message/rfc822\r\n\r\n${inner}` : ''}${p}\r\n`)
      .join('');
    return `${head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${all}--b--\r\n`;
  });

/** Folded needles: cut from the messages' own text, and others. */
async function needlesFrom(contents: readonly string[], cuts: readonly number[]): Promise<string[]> {
  let all = '';
  for (const content of contents) {
    const bytes = Buffer.from(content, 'latin1');
    const source = { read: ({ start, end }: { start: number; end: number }) => bytes.subarray(start, end) };
    for await (const piece of searchableText(source, parseMessageStructure(bytes), 'text'))
      all += foldForSearch(piece.text);
  }
  const cut = cuts.map((n) => all.slice(n % (all.length + 1), (n % (all.length + 1)) + (n % 13) + 1));
  return [
    ...cut,
    'hello',
    'e\u0301',
    'ss',
    '日本',
    'z',
    '\ufffd',
    'not there',
    ...WORDS.map((w) => foldForSearch(w)),
  ].filter((needle) => needle !== '');
}

describe('the index of texts', () => {
  it('says of every message what reading it says', async () => {
    const runs = fc.tuple(
      fc.array(message, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(100_000), { minLength: 4, maxLength: 8 }),
    );
    await fc.assert(
      fc.asyncProperty(runs, async ([contents, cuts]) => {
        for (const content of contents) await append(content);
        await rebuild();
        const mailbox = await store.open('INBOX');
        expect(await compare(mailbox, await needlesFrom(contents, cuts))).toBeGreaterThan(0);
        await mailbox.expunge(mailbox.records.map((r) => r.uid));
        await mailbox.close();
      }),
      { numRuns: 40 },
    );
  });

  it('finds across the slices in which a long text is read, and not across parts', async () => {
    const filler = 'x'.repeat(70);
    const long = `Subject: s\r\nContent-Type: text/plain\r\n\r\n${`${filler}\r\n`.repeat(900)}needle here\r\n`;
    await append(long);
    await append(
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nnee\r\n--b\r\n\r\ndle\r\n--b--\r\n',
    );
    await rebuild();
    const mailbox = await store.open('INBOX');
    const verdicts = await mailbox.searchText?.('body', 'needle');
    expect(mailbox.records.map(({ uid }) => verdicts?.(uid))).toEqual([true, false]);
  });

  it('does not know what is too long, or came later', async () => {
    const long = await append(`Subject: long\r\n\r\n${'word '.repeat(30_000)}`);
    const short = await append('Subject: short\r\n\r\nword');
    await rebuild();
    const late = await append('Subject: late\r\n\r\nword');
    const mailbox = await store.open('INBOX');
    const verdicts = await mailbox.searchText?.('text', 'word');
    expect([long, short, late].map((uid) => verdicts?.(uid))).toEqual([undefined, true, undefined]);
    expect(await store.indexStatus()).toEqual([{ name: 'INBOX', messages: 3, indexed: 2 }]);
  });

  it('forgets what was expunged, down to its octets', async () => {
    const uids: number[] = [];
    for (let i = 0; i < 5; i++) uids.push(await append(`Subject: m\r\n\r\nsecretword${i} filler`));
    await rebuild();
    const mailbox = await store.open('INBOX');
    await mailbox.expunge([uids[1] as number, uids[3] as number]);
    await mailbox.close();
    await store.close();
    store = openMaildirStore({ ...options, texts: { automatic: true } });
    const again = await store.open('INBOX');
    await expect.poll(() => store.indexing, { timeout: 10_000 }).toBe(false);
    const verdicts = await again.searchText?.('text', 'secretword');
    expect(uids.map((uid) => verdicts?.(uid))).toEqual([true, undefined, true, undefined, true]);
  });

  it('fills itself with mail that arrives and with folders that are opened', async () => {
    await store.create('Old');
    const writer = await store.beginAppend('Old', { flags: [] });
    await writer.write(Buffer.from('Subject: old\r\n\r\nantique'));
    await writer.commit();
    await store.close();
    store = openMaildirStore({ ...options, texts: { automatic: true } });
    const delivery = store.beginDelivery();
    await delivery.write(Buffer.from('Subject: new\r\n\r\nmodern'));
    await delivery.commit();
    const indexed = async (): Promise<number> =>
      (await store.indexStatus()).reduce((sum, row) => sum + row.indexed, 0);
    await expect.poll(indexed, { timeout: 10_000 }).toBe(2);
    const inbox = await store.open('INBOX');
    expect((await inbox.searchText?.('body', 'modern'))?.(inbox.records[0]?.uid ?? 0)).toBe(true);
  });

  it('is made anew when it is damaged, of another version or of another mailbox', async () => {
    const uid = await append('Subject: one\r\n\r\nword');
    await rebuild();
    const path = `${options.index}/text.db`;
    await store.close();
    expect(statSync(path).mode & 0o077).toBe(0);
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.alloc(2000, 0x55), 0, 2000, 0);
    closeSync(fd);
    store = openMaildirStore(options);
    let mailbox = await store.open('INBOX');
    expect((await mailbox.searchText?.('text', 'word'))?.(uid)).toBeUndefined();
    await rebuild();
    expect((await mailbox.searchText?.('text', 'word'))?.(uid)).toBe(true);
    await store.close();
    unlinkSync(path);
    writeFileSync(path, 'not a database at all');
    store = openMaildirStore(options);
    mailbox = await store.open('INBOX');
    expect((await mailbox.searchText?.('text', 'word'))?.(uid)).toBeUndefined();
    // Another UIDVALIDITY makes all messages others.
    await rebuild();
    const list = readFileSync(`${root.path}/dovecot-uidlist`, 'latin1');
    writeFileSync(`${root.path}/dovecot-uidlist`, list.replace(/ V\d+/, ' V77'));
    await mailbox.refresh();
    expect((await mailbox.searchText?.('text', 'word'))?.(uid)).toBeUndefined();
    expect(readdirSync(options.index ?? '').length).toBeGreaterThan(0);
  });

  it('keeps nothing where it is told so', async () => {
    await store.close();
    const { index: _none, ...without } = options;
    store = openMaildirStore(without);
    await append('Subject: one\r\n\r\nword');
    const mailbox = await store.open('INBOX');
    expect(await mailbox.searchText?.('text', 'word')).toBeUndefined();
    await expect(rebuild()).rejects.toThrow('no index of texts');
    expect(existsSync(`${options.index}/text.db`)).toBe(false);
  });
});
