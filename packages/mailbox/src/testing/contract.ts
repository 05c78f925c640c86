// What every mail store must do, as a vitest suite: `describeMailStore('memory', openHarness)`. The in-memory store
// and the Maildir store both pass it, so that protocols tested with the one work with the other.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  diffView,
  MailboxError,
  openView,
  type AppendOptions,
  type Mailbox,
  type MailboxErrorCode,
  type MailStore,
} from '../index.ts';

/** What another program does to a mailbox, behind the store's back. */
export interface OutsideProgram {
  deliver(content: string): void | Promise<void>;
  setFlags(uid: number, flags: readonly string[]): void | Promise<void>;
  remove(uid: number): void | Promise<void>;
}

export interface StoreHarness {
  readonly store: MailStore;
  readonly keywordLimit: number;
  outside(name: string): OutsideProgram;
  /** The same mail as another process sees it, where modseqs outlive one; called when the first is closed. */
  reopen?(): MailStore;
  dispose(): Promise<void>;
}

export function describeMailStore(title: string, openHarness: () => Promise<StoreHarness>): void {
  describe(`mail store contract: ${title}`, () => {
    let harness: StoreHarness;
    let store: MailStore;
    beforeEach(async () => {
      harness = await openHarness();
      store = harness.store;
    });
    afterEach(async () => {
      await store.close();
      await harness.dispose();
    });

    describeMessages(() => harness);
    describeChanges(() => harness);
    describeCopies(() => harness);
    describeFolders(() => harness);
  });
}

const MESSAGE = 'Subject: one\r\nFrom: a@example.org\r\n\r\nline 1\r\nline 2\r\n';

async function append(
  store: MailStore,
  name = 'INBOX',
  options: Partial<AppendOptions> & { content?: string } = {},
): Promise<number> {
  const writer = await store.beginAppend(name, { flags: [], ...options });
  await writer.write(Buffer.from(options.content ?? MESSAGE));
  return (await writer.commit()).uid;
}

async function expectCode(promise: Promise<unknown>, code: MailboxErrorCode): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(MailboxError);
  expect((error as MailboxError).code).toBe(code);
}

function uidsOf(mailbox: Mailbox): number[] {
  return mailbox.records.map((r) => r.uid);
}

function flagsOf(mailbox: Mailbox, uid: number): readonly string[] | undefined {
  return mailbox.records.find((r) => r.uid === uid)?.flags;
}

function describeMessages(harness: () => StoreHarness): void {
  it('gives ascending UIDs and never one twice', async () => {
    const { store } = harness();
    const first = await append(store);
    const second = await append(store);
    const mailbox = await store.open('INBOX');
    expect(second).toBeGreaterThan(first);
    expect(uidsOf(mailbox)).toEqual([first, second]);
    expect(mailbox.uidNext).toBe(second + 1);
    await mailbox.expunge([second]);
    expect(mailbox.uidNext).toBe(second + 1);
    const third = await append(store);
    await mailbox.refresh();
    expect(third).toBeGreaterThan(second);
    expect(uidsOf(mailbox)).toEqual([first, third]);
  });

  it('gives back the octets, size, date, header and structure', async () => {
    const { store } = harness();
    const internalDate = new Date('2020-02-03T04:05:06Z');
    const uid = await append(store, 'INBOX', { internalDate });
    const mailbox = await store.open('INBOX');
    const message = mailbox.message(uid);
    if (!message) throw new Error('no message');
    expect((await message.read()).toString()).toBe(MESSAGE);
    expect(await message.size()).toBe(MESSAGE.length);
    expect(await (message.exactSize?.() ?? message.size())).toBe(MESSAGE.length);
    expect((await message.internalDate()).getTime()).toBe(internalDate.getTime());
    // It was saved later than it says.
    const saved = await message.saveDate?.();
    if (saved !== undefined) expect(saved.getTime()).toBeGreaterThan(internalDate.getTime());
    expect((await message.header()).toString()).toBe(MESSAGE.slice(0, MESSAGE.indexOf('line 1')));
    expect((await message.structure()).envelope.subject).toBe('one');
    expect((await message.envelope?.())?.subject ?? 'one').toBe('one');
    expect((await message.read({ start: 3, end: 9 })).toString()).toBe(MESSAGE.slice(3, 9));
    expect((await message.read({ start: 10, end: 1e9 })).toString()).toBe(MESSAGE.slice(10));
    expect((await message.read({ start: 1e9, end: 2e9 })).length).toBe(0);
    expect(message.guid).not.toBe('');
    expect(message.storageName).not.toBe('');
  });

  it('streams a large message, whole and in part', async () => {
    const { store } = harness();
    const content = `Subject: big\r\n\r\n${'0123456789abcdef0123456789abcdef\r\n'.repeat(60_000)}end`;
    const uid = await append(store, 'INBOX', { content });
    const message = (await store.open('INBOX')).message(uid);
    if (!message) throw new Error('no message');
    expect(await message.size()).toBe(content.length);
    for (const range of [
      undefined,
      { start: 700_001, end: 1_900_003 },
      { start: 5, end: content.length + 5 },
    ]) {
      const pieces: Buffer[] = [];
      for await (const piece of message.stream(range)) pieces.push(Buffer.from(piece));
      const got = Buffer.concat(pieces).toString();
      expect(got === content.slice(range?.start ?? 0, range?.end ?? content.length)).toBe(true);
    }
    expect((await message.read({ start: 1_500_000, end: 1_500_100 })).toString()).toBe(
      content.slice(1_500_000, 1_500_100),
    );
    expect((await message.structure()).size).toBe(content.length);
    expect((await message.header()).toString()).toBe('Subject: big\r\n\r\n');
  });

  it('keeps odd line ends and messages without a header or a last newline', async () => {
    const { store } = harness();
    const mailbox = await store.open('INBOX');
    for (const content of [
      '\r\nbody',
      'no header at all',
      'a: b\r\n\r\nx\r\r\ny\rz\r\n',
      'a: b\r\n\r\n\r\n\r\n',
      '',
    ]) {
      const uid = await append(store, 'INBOX', { content });
      await mailbox.refresh();
      expect((await mailbox.message(uid)?.read())?.toString('latin1')).toBe(content);
      expect(await mailbox.message(uid)?.size()).toBe(content.length);
    }
  });

  it('takes a message in any cut', async () => {
    const { store } = harness();
    const writer = await store.beginAppend('INBOX', { flags: ['\\seen', 'Work'] });
    for (const octet of Buffer.from(MESSAGE)) await writer.write(Buffer.from([octet]));
    const { uid, uidValidity } = await writer.commit();
    const mailbox = await store.open('INBOX');
    expect(uidValidity).toBe(mailbox.uidValidity);
    expect((await mailbox.message(uid)?.read())?.toString()).toBe(MESSAGE);
    expect(flagsOf(mailbox, uid)).toEqual(['\\Seen', 'Work']);
  });

  it('leaves nothing behind when an append is given up', async () => {
    const { store } = harness();
    const mailbox = await store.open('INBOX');
    const { uidNext } = mailbox;
    const writer = await store.beginAppend('INBOX', { flags: [] });
    await writer.write(Buffer.from(MESSAGE));
    await writer.abort();
    await mailbox.refresh();
    expect(uidsOf(mailbox)).toEqual([]);
    expect(mailbox.uidNext).toBe(uidNext);
  });

  it('knows no message that is not there', async () => {
    const { store } = harness();
    const uid = await append(store);
    const mailbox = await store.open('INBOX');
    expect(mailbox.message(uid + 1)).toBeUndefined();
    const held = mailbox.message(uid);
    await mailbox.expunge([uid]);
    expect(mailbox.message(uid)).toBeUndefined();
    await expectCode(
      (async () => {
        await held?.read();
      })(),
      'expunged',
    );
  });
}

function describeChanges(harness: () => StoreHarness): void {
  it('adds, removes and replaces flags, with a modseq for each change', async () => {
    const { store } = harness();
    const uid = await append(store);
    const mailbox = await store.open('INBOX');
    const other = await store.open('INBOX');
    const before = mailbox.highestModseq;
    await mailbox.store([uid], { mode: 'add', flags: ['\\FLAGGED', '\\seen', '\\Recent'] });
    expect(flagsOf(other, uid)).toEqual(['\\Flagged', '\\Seen']);
    expect(mailbox.highestModseq).toBeGreaterThan(before);
    expect(mailbox.records[0]?.modseq).toBe(mailbox.highestModseq);
    await mailbox.store([uid], { mode: 'remove', flags: ['\\Seen'] });
    expect(flagsOf(mailbox, uid)).toEqual(['\\Flagged']);
    await mailbox.store([uid], { mode: 'replace', flags: ['\\Draft', '\\Answered', '\\Deleted'] });
    expect(flagsOf(mailbox, uid)).toEqual(['\\Answered', '\\Deleted', '\\Draft']);
    const after = mailbox.highestModseq;
    await mailbox.store([uid], { mode: 'add', flags: ['\\Draft'] });
    expect(mailbox.highestModseq).toBe(after);
    await mailbox.store([uid], { mode: 'replace', flags: [] });
    expect(flagsOf(mailbox, uid)).toEqual([]);
  });

  it('never mutates records it has given out', async () => {
    const { store } = harness();
    const uid = await append(store);
    const mailbox = await store.open('INBOX');
    const { records } = mailbox;
    const copy = structuredClone(records);
    await mailbox.store([uid], { mode: 'add', flags: ['\\Seen'] });
    await append(store);
    await mailbox.refresh();
    await mailbox.expunge([uid]);
    expect(records).toEqual(copy);
    expect(mailbox.records).not.toBe(records);
    expect(Object.isFrozen(records[0]?.flags)).toBe(true);
  });

  it('keeps keywords, comparing them without case, up to its limit', async () => {
    const { store, keywordLimit } = harness();
    const uid = await append(store);
    const mailbox = await store.open('INBOX');
    await mailbox.store([uid], { mode: 'add', flags: ['$Label1', 'Work'] });
    await mailbox.store([uid], { mode: 'add', flags: ['WORK'] });
    expect(flagsOf(mailbox, uid)).toEqual(['$Label1', 'Work']);
    expect([...mailbox.keywords].sort()).toEqual(['$Label1', 'Work']);
    for (let i = mailbox.keywords.length; i < keywordLimit; i++) {
      expect(mailbox.acceptsNewKeywords).toBe(true);
      await mailbox.store([uid], { mode: 'add', flags: [`kw${i}`] });
    }
    expect(mailbox.acceptsNewKeywords).toBe(false);
    await expectCode(mailbox.store([uid], { mode: 'add', flags: ['one-more'] }), 'limit');
    expect(flagsOf(mailbox, uid)).toHaveLength(keywordLimit);
    await mailbox.store([uid], { mode: 'remove', flags: ['work', 'never-seen'] });
    expect(flagsOf(mailbox, uid)).not.toContain('Work');
    await expectCode(mailbox.store([uid], { mode: 'add', flags: ['a b'] }), 'cannot');
    await expectCode(mailbox.store([uid], { mode: 'add', flags: ['\\Unheard'] }), 'cannot');
  });

  it('honours unchangedSince and tells who is gone', async () => {
    const { store } = harness();
    const a = await append(store);
    const b = await append(store);
    const mailbox = await store.open('INBOX');
    const since = mailbox.highestModseq;
    await mailbox.store([b], { mode: 'add', flags: ['\\Seen'] });
    const options = { unchangedSince: since };
    const result = await mailbox.store([a, b, b + 1], { mode: 'add', flags: ['\\Flagged'] }, options);
    expect(result).toEqual({ modified: [b], expunged: [b + 1] });
    expect(flagsOf(mailbox, a)).toEqual(['\\Flagged']);
    expect(flagsOf(mailbox, b)).toEqual(['\\Seen']);
  });

  it('expunges exactly what it is told, and remembers it', async () => {
    const { store } = harness();
    const uids = [await append(store), await append(store), await append(store)] as const;
    const mailbox = await store.open('INBOX');
    const since = mailbox.highestModseq;
    const view = openView(mailbox);
    await mailbox.expunge([uids[0], uids[2], 4_000_000]);
    expect(uidsOf(mailbox)).toEqual([uids[1]]);
    expect(mailbox.expungedSince(since)).toEqual([uids[0], uids[2]]);
    expect(mailbox.expungedSince(mailbox.highestModseq)).toEqual([]);
    expect(diffView(view, mailbox)).toMatchObject({ expunged: [3, 1], vanished: [uids[0], uids[2]] });
  });

  it('knows modseqs and what was expunged in the next process', async (context) => {
    const { store, outside, reopen } = harness();
    if (!reopen) {
      context.skip('this store keeps nothing');
      return;
    }
    const uids = [
      await append(store),
      await append(store),
      await append(store),
      await append(store),
    ] as const;
    const first = await store.open('INBOX');
    const since = first.highestModseq;
    await first.store([uids[1]], { mode: 'add', flags: ['\\Flagged', 'Work'] });
    await first.expunge([uids[0]]);
    const { highestModseq, uidValidity } = first;
    const records = structuredClone(first.records);
    await first.close();
    await store.close();
    const program = outside('INBOX');
    let next = reopen();
    let mailbox = await next.open('INBOX');
    expect(mailbox.uidValidity).toBe(uidValidity);
    expect(mailbox.records).toEqual(records);
    expect(mailbox.highestModseq).toBe(highestModseq);
    expect(mailbox.expungedSince(since)).toEqual([uids[0]]);
    expect(mailbox.expungedSince(highestModseq)).toEqual([]);
    await next.close();
    // What others do while nobody looks is new at the next look, and nothing else is.
    await program.setFlags(uids[2], ['\\Seen']);
    await program.remove(uids[3]);
    next = reopen();
    mailbox = await next.open('INBOX');
    expect(uidsOf(mailbox)).toEqual([uids[1], uids[2]]);
    expect(mailbox.records[0]).toEqual(records[0]);
    expect(mailbox.records[1]?.flags).toEqual(['\\Seen']);
    expect(mailbox.records[1]?.modseq).toBeGreaterThan(highestModseq);
    expect(mailbox.expungedSince(highestModseq)).toEqual([uids[3]]);
    expect(mailbox.expungedSince(since)).toEqual([uids[0], uids[3]]);
    await next.close();
  });

  it('gives \\Recent to the first who claims it', async () => {
    const { store } = harness();
    const a = await append(store);
    const b = await append(store, 'INBOX', { flags: ['\\Seen'] });
    const one = await store.open('INBOX');
    const two = await store.open('INBOX');
    expect(one.unclaimedRecent).toEqual([a, b]);
    expect(await one.claimRecent()).toEqual([a, b]);
    expect(await two.claimRecent()).toEqual([]);
    expect(two.unclaimedRecent).toEqual([]);
    expect(uidsOf(two)).toEqual([a, b]);
    expect((await store.status('INBOX')).recent).toBe(0);
  });

  it('sees at refresh what other programs did', async () => {
    const { store, outside } = harness();
    const a = await append(store, 'INBOX', { flags: ['\\Seen'] });
    const b = await append(store);
    const mailbox = await store.open('INBOX');
    const view = openView(mailbox);
    const program = outside('INBOX');
    await program.deliver('Subject: outside\n\nhello\n');
    await program.setFlags(b, ['\\Answered']);
    await program.remove(a);
    await mailbox.refresh();
    const diff = diffView(view, mailbox);
    expect(diff).toMatchObject({ expunged: [1], exists: 2, reset: false });
    expect(diff.changed.map((c) => [c.seq, c.record.uid, c.record.flags])).toEqual([[1, b, ['\\Answered']]]);
    const fresh = mailbox.records[1]?.uid ?? 0;
    expect(fresh).toBeGreaterThan(b);
    expect((await mailbox.message(fresh)?.read())?.toString()).toBe('Subject: outside\r\n\r\nhello\r\n');
    const settled = mailbox.highestModseq;
    await mailbox.refresh();
    expect(mailbox.highestModseq).toBe(settled);
    expect(diffView(diff.view, mailbox).view).toBe(diff.view);
  });

  it('calls watchers, whoever made the change', async () => {
    const { store, outside } = harness();
    const mailbox = await store.open('INBOX');
    const other = await store.open('INBOX');
    let calls = 0;
    const stop = mailbox.watch(() => calls++);
    await append(store);
    await other.refresh();
    await expect.poll(() => calls).toBeGreaterThan(0);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    const before = calls;
    await outside('INBOX').deliver('a: b\n\nc\n');
    await expect.poll(() => calls, { timeout: 3000 }).toBeGreaterThan(before);
    await mailbox.refresh();
    expect(mailbox.records).toHaveLength(2);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    stop();
    const last = calls;
    await append(store);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    expect(calls).toBe(last);
  });

  it('ends with close', async () => {
    const { store } = harness();
    const mailbox = await store.open('INBOX');
    const other = await store.open('INBOX');
    await mailbox.close();
    await mailbox.close();
    await expectCode(mailbox.refresh(), 'unavailable');
    await other.refresh();
  });
}

function describeCopies(harness: () => StoreHarness): void {
  it('copies flags, keywords, dates and octets', async () => {
    const { store } = harness();
    await store.create('Target');
    await append(store, 'Target', { flags: ['first', 'second'] });
    const internalDate = new Date('2011-01-01T00:00:00Z');
    const a = await append(store, 'INBOX', { flags: ['\\Seen', 'SECOND', 'own'], internalDate });
    const b = await append(store);
    const mailbox = await store.open('INBOX');
    const result = await mailbox.copy([a, b, b + 7], 'Target');
    expect(result.source).toEqual([a, b]);
    const target = await store.open('Target');
    expect(result.uidValidity).toBe(target.uidValidity);
    expect(uidsOf(target).slice(1)).toEqual(result.target);
    const [copyA = 0, copyB = 0] = result.target;
    expect([...(flagsOf(target, copyA) ?? [])].map((f) => f.toLowerCase()).sort()).toEqual([
      '\\seen',
      'own',
      'second',
    ]);
    expect(flagsOf(target, copyB)).toEqual([]);
    expect((await target.message(copyA)?.internalDate())?.getTime()).toBe(internalDate.getTime());
    expect((await target.message(copyA)?.read())?.toString()).toBe(MESSAGE);
    expect(target.message(copyA)?.guid).toBe(mailbox.message(a)?.guid);
    await mailbox.expunge([a]);
    expect((await target.message(copyA)?.read())?.toString()).toBe(MESSAGE);
    expect(uidsOf(mailbox)).toEqual([b]);
  });

  it('moves, and copies into the same mailbox', async () => {
    const { store } = harness();
    await store.create('Target');
    const a = await append(store, 'INBOX', { flags: ['\\Flagged', 'kept'] });
    const b = await append(store);
    const mailbox = await store.open('INBOX');
    const target = await store.open('Target');
    const since = mailbox.highestModseq;
    const moved = await mailbox.move([a], 'Target');
    expect(uidsOf(mailbox)).toEqual([b]);
    expect(mailbox.expungedSince(since)).toEqual([a]);
    await target.refresh();
    expect(uidsOf(target)).toEqual(moved.target);
    expect(flagsOf(target, moved.target[0] ?? 0)).toEqual(['\\Flagged', 'kept']);
    const within = await mailbox.copy([b], 'inbox');
    expect(uidsOf(mailbox)).toEqual([b, within.target[0]]);
    const around = await mailbox.move([b], 'INBOX');
    expect(uidsOf(mailbox)).toEqual([within.target[0], around.target[0]]);
    expect(around.target[0]).toBeGreaterThan(within.target[0] ?? 0);
  });

  it('refuses to copy where nothing is', async () => {
    const { store } = harness();
    const a = await append(store);
    const mailbox = await store.open('INBOX');
    await expectCode(mailbox.copy([a], 'Nowhere'), 'nonexistent');
    await expectCode(mailbox.move([a], 'Nowhere'), 'nonexistent');
    await expectCode(store.beginAppend('Nowhere', { flags: [] }), 'nonexistent');
    expect(uidsOf(mailbox)).toEqual([a]);
  });
}

function describeFolders(harness: () => StoreHarness): void {
  it('starts with an INBOX, in any spelling', async () => {
    const { store } = harness();
    expect((await store.open('inbox')).name).toBe('INBOX');
    expect(await store.list()).toEqual([
      { name: 'INBOX', selectable: true, hasChildren: false, subscribed: false, exists: true },
    ]);
    await expectCode(store.create('Inbox'), 'alreadyExists');
    await expectCode(store.delete('INBOX'), 'cannot');
    await expectCode(store.rename('INBOX', 'Old'), 'cannot');
  });

  it('makes parents that only hold children, and can make them mailboxes', async () => {
    const { store } = harness();
    await store.create('A/B/C');
    await store.create('Entw&APw-rfe');
    await store.create('INBOX/sub');
    const list = await store.list();
    expect(list.map((e) => [e.name, e.selectable, e.hasChildren])).toEqual([
      ['INBOX', true, true],
      ['A', false, true],
      ['A/B', false, true],
      ['A/B/C', true, false],
      ['Entw&APw-rfe', true, false],
      ['INBOX/sub', true, false],
    ]);
    await expectCode(store.open('A'), 'nonexistent');
    await store.create('A');
    expect((await store.open('A')).records).toEqual([]);
    await expectCode(store.create('A'), 'alreadyExists');
    await expectCode(store.open('a'), 'nonexistent');
  });

  it('deletes a mailbox but not its children', async () => {
    const { store } = harness();
    await store.create('A');
    await store.create('A/B');
    const uid = await append(store, 'A');
    const opened = await store.open('A');
    const { uidValidity } = opened;
    await store.delete('A');
    await expectCode(opened.refresh(), 'nonexistent');
    await expectCode(store.open('A'), 'nonexistent');
    expect((await store.list()).find((e) => e.name === 'A')).toMatchObject({
      selectable: false,
      hasChildren: true,
    });
    await expectCode(store.delete('A'), 'cannot');
    await store.create('A');
    const again = await store.open('A');
    expect(again.uidValidity).toBeGreaterThan(uidValidity);
    expect(again.message(uid)).toBeUndefined();
    await store.delete('A/B');
    await store.delete('A');
    expect((await store.list()).map((e) => e.name)).toEqual(['INBOX']);
    await expectCode(store.delete('A'), 'nonexistent');
  });

  it('renames with children, UIDs and UIDVALIDITY', async () => {
    const { store } = harness();
    await store.create('A/B');
    await store.create('A/B/C');
    await store.create('Other');
    const uid = await append(store, 'A/B/C', { flags: ['kept'] });
    const opened = await store.open('A/B/C');
    const { uidValidity, guid } = opened;
    await expectCode(store.rename('A/B', 'Other'), 'alreadyExists');
    await expectCode(store.rename('A/B', 'A/B/D'), 'cannot');
    await expectCode(store.rename('Nowhere', 'D'), 'nonexistent');
    await expectCode(store.rename('A/B', 'D//E'), 'badName');
    await store.rename('A/B', 'X/Y');
    expect((await store.list()).map((e) => [e.name, e.selectable])).toEqual([
      ['INBOX', true],
      ['Other', true],
      ['X', false],
      ['X/Y', true],
      ['X/Y/C', true],
    ]);
    const renamed = await store.open('X/Y/C');
    expect([renamed.uidValidity, renamed.guid]).toEqual([uidValidity, guid]);
    expect(flagsOf(renamed, uid)).toEqual(['kept']);
    expect(opened.name).toBe('X/Y/C');
    await opened.store([uid], { mode: 'add', flags: ['\\Seen'] });
    expect(flagsOf(renamed, uid)).toEqual(['\\Seen', 'kept']);
  });

  it('refuses names that cannot be', async () => {
    const { store } = harness();
    const names = [
      '',
      '/',
      'a//b',
      '/a',
      'a/',
      '.',
      '..',
      'a/../b',
      '~root',
      'a\0b',
      'a\nb',
      'ä',
      'x'.repeat(300),
    ];
    for (const name of names) await expectCode(store.create(name), 'badName');
    expect((await store.list()).map((e) => e.name)).toEqual(['INBOX']);
    for (const name of names) await expectCode(store.open(name), 'nonexistent');
  });

  it('keeps subscriptions, also of what is gone', async () => {
    const { store } = harness();
    await store.create('A');
    await store.create('B');
    await store.subscribe('A');
    await store.subscribe('inbox');
    await store.subscribe('A');
    await store.delete('A');
    await expectCode(store.subscribe('Nowhere'), 'nonexistent');
    expect((await store.list()).map((e) => [e.name, e.subscribed, e.exists])).toEqual([
      ['INBOX', true, true],
      ['A', true, false],
      ['B', false, true],
    ]);
    await store.unsubscribe('A');
    await store.unsubscribe('A');
    expect((await store.list()).map((e) => e.name)).toEqual(['INBOX', 'B']);
  });

  it('counts for STATUS', async () => {
    const { store } = harness();
    await store.create('S');
    const seen = await append(store, 'S', { flags: ['\\Seen', '\\Deleted'] });
    const unseen = await append(store, 'S');
    const status = await store.status('S');
    expect(status).toMatchObject({ messages: 2, recent: 2, unseen: 1, deleted: 1, uidNext: unseen + 1 });
    const mailbox = await store.open('S');
    expect([status.uidValidity, status.highestModseq]).toEqual([mailbox.uidValidity, mailbox.highestModseq]);
    await mailbox.expunge([seen]);
    expect(await store.status('S')).toMatchObject({ messages: 1, unseen: 1, deleted: 0 });
    await expectCode(store.status('Nowhere'), 'nonexistent');
  });
}
