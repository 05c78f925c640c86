// Quotas of a store: what fits, what is refused and leaves nothing, and what `maildirsize` says of it.

import {
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
  appendFileSync,
  existsSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { QuotaRule } from '../quota-rules.ts';
import { makeTemporaryRoot, type TemporaryRoot } from '../testing/index.ts';
import type { QuotaRootOptions } from './quota.ts';
import { openMaildirStore, type MaildirStore } from './store.ts';

let place: TemporaryRoot;
let store: MaildirStore;
let now = 0;

const RULES: readonly QuotaRule[] = [
  {
    mailbox: '*',
    ignore: false,
    storage: { value: 1000, kind: 'absolute' },
    messages: { value: 5, kind: 'absolute' },
  },
  { mailbox: 'Trash', ignore: false, storage: { value: 500, kind: 'more' } },
  { mailbox: 'Free', ignore: true },
];

function open(
  root: Partial<QuotaRootOptions> = {},
  options: { readonly maxMessageSize?: number; readonly layout?: 'fs' | 'maildir++' } = {},
): MaildirStore {
  return openMaildirStore({
    root: place.path,
    allowRoot: true,
    layout: options.layout ?? 'maildir++',
    nowMs: () => now,
    quota: {
      shown: true,
      exceededMessage: 'Full, sorry',
      maxMessageSize: options.maxMessageSize ?? 0,
      roots: [
        {
          name: 'User quota',
          driver: 'maildir',
          rules: RULES,
          grace: { value: 10, kind: 'percent' },
          enforce: true,
          hidden: false,
          ...root,
        },
      ],
    },
  });
}

beforeEach(() => {
  now = Date.now();
  place = makeTemporaryRoot();
  store = open();
});

afterEach(async () => {
  await store.close();
  place.remove();
});

/** `octets` as they lie on the disk. */
const message = (octets: number): Buffer => Buffer.from(`a: b\r\n\r\n${'x'.repeat(octets - 6)}`);

async function append(octets: number, name = 'INBOX'): Promise<number> {
  const writer = await store.beginAppend(name, { flags: [] });
  await writer.write(message(octets));
  return (await writer.commit()).uid;
}

async function deliver(octets: number): Promise<void> {
  const writer = store.beginDelivery();
  await writer.write(message(octets));
  await writer.commit();
}

const sum = (): string => readFileSync(join(place.path, 'maildirsize'), 'utf8');
const used = async (): Promise<unknown> => (await store.quota?.roots())?.[0];
const isFull = { code: 'overQuota', said: true, message: 'Full, sorry' };

describe('maildirsize', () => {
  it('is made at the first question and goes with every change', async () => {
    await append(400);
    expect(sum()).toBe('1000S,5C\n0 0\n400 1\n');
    await deliver(300);
    expect(sum()).toBe('1000S,5C\n0 0\n400 1\n300 1\n');
    const inbox = await store.open('INBOX');
    await store.create('Other');
    await inbox.copy([1], 'Other');
    expect(sum()).toBe('1000S,5C\n0 0\n400 1\n300 1\n400 1\n');
    await inbox.refresh();
    await inbox.move([1], 'Other');
    await inbox.expunge([2]);
    expect(sum()).toBe('1000S,5C\n0 0\n400 1\n300 1\n400 1\n-300 -1\n');
    expect(await used()).toEqual({
      name: 'User quota',
      storage: { used: 800, limit: 1000 },
      messages: { used: 2, limit: 5 },
    });
    await inbox.close();
  });

  it('counts what others delivered, by the size in the name or the file', async () => {
    mkdirSync(join(place.path, 'new'), { recursive: true });
    mkdirSync(join(place.path, '.Sub', 'cur'), { recursive: true });
    writeFileSync(join(place.path, 'new', '1.a.h'), 'x: y\n\n12345');
    writeFileSync(join(place.path, '.Sub', 'cur', '2.b.h,S=70:2,S'), 'x: y\n\n');
    expect(await used()).toMatchObject({ storage: { used: 81 }, messages: { used: 2 } });
  });

  it('is made anew for other limits, when damaged, too long, or gone', async () => {
    await append(400);
    for (const text of [
      '999S,5C\n77 1\n',
      '1000S,5C\n-1 0\n',
      `1000S,5C\n${'0 0\n'.repeat(2000)}`,
      'rubbish',
    ]) {
      writeFileSync(join(place.path, 'maildirsize'), text);
      expect(await used()).toMatchObject({ storage: { used: 400 } });
      expect(sum()).toBe('1000S,5C\n400 1\n');
    }
    unlinkSync(join(place.path, 'maildirsize'));
    expect(await used()).toMatchObject({ storage: { used: 400 } });
  });

  it('takes in what another program appends, and believes no refusal of an old or long sum', async () => {
    await append(100);
    appendFileSync(join(place.path, 'maildirsize'), '950 1\n');
    // More than one line: counted before anybody is refused.
    await append(100);
    expect(sum()).toBe('1000S,5C\n100 1\n100 1\n');
    writeFileSync(join(place.path, 'maildirsize'), '1000S,5C\n1050 1\n');
    await expect(append(100)).rejects.toMatchObject(isFull);
    const old = new Date(now - 16 * 60_000);
    utimesSync(join(place.path, 'maildirsize'), old, old);
    await append(100);
    expect(sum()).toBe('1000S,5C\n200 2\n100 1\n');
  });

  it('is left to whoever holds its lock, unless nobody does', async () => {
    mkdirSync(place.path, { recursive: true });
    const lock = join(place.path, 'maildirsize.lock');
    writeFileSync(lock, '');
    await append(100);
    expect(existsSync(join(place.path, 'maildirsize'))).toBe(false);
    const old = new Date(now - 60_000);
    utimesSync(lock, old, old);
    expect(await used()).toMatchObject({ storage: { used: 100 } });
    expect(sum()).toBe('1000S,5C\n100 1\n');
    expect(existsSync(lock)).toBe(false);
  });
});

describe('over quota', () => {
  it('lets one message go beyond by the grace, then refuses and keeps nothing', async () => {
    await append(900);
    await expect(append(201)).rejects.toMatchObject(isFull);
    await append(200);
    await expect(deliver(10)).rejects.toMatchObject(isFull);
    await expect(append(10)).rejects.toMatchObject(isFull);
    expect(readdirSync(join(place.path, 'tmp'))).toEqual([]);
    expect(readdirSync(join(place.path, 'new'))).toHaveLength(2);
  });

  it('counts messages, and those on their way in', async () => {
    const all = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7, 8].map(() => append(10)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    expect(readdirSync(join(place.path, 'new'))).toHaveLength(5);
  });

  it('refuses a copy whole, and moves without asking where nothing grows', async () => {
    await append(600);
    await store.create('Other');
    await store.create('Trash');
    await store.create('Free');
    const inbox = await store.open('INBOX');
    await expect(inbox.copy([1], 'Other')).rejects.toMatchObject(isFull);
    expect((await inbox.copy([1], 'Trash')).target).toEqual([1]);
    expect((await inbox.copy([1], 'Free')).target).toEqual([1]);
    expect(await used()).toMatchObject({ storage: { used: 1200 } });
    expect((await inbox.move([1], 'Other')).target).toEqual([1]);
    // From where it counts nothing to where it does is asked about.
    const free = await store.open('Free');
    await expect(free.move([1], 'Other')).rejects.toMatchObject(isFull);
    await free.close();
    await inbox.close();
    await store.delete('Trash');
    expect(await used()).toMatchObject({ storage: { used: 600 }, messages: { used: 1 } });
  });

  it('has a limit for one message, which ends a long one early', async () => {
    await store.close();
    store = open({ enforce: false }, { maxMessageSize: 50 });
    const writer = await store.beginAppend('INBOX', { flags: [] });
    for (let at = 0; at < 100; at++) await writer.write(Buffer.alloc(1024, 'x'));
    await expect(writer.commit()).rejects.toMatchObject({ code: 'overQuota', said: true });
    await append(50);
  });

  it('keeps no file for a sum that is kept elsewhere, and drops one that goes stale', async () => {
    await store.close();
    store = open({ driver: 'count' });
    mkdirSync(place.path);
    writeFileSync(join(place.path, 'maildirsize'), '1S\n1 1\n');
    await append(900);
    await append(10);
    await expect(append(500)).rejects.toMatchObject(isFull);
    expect(existsSync(join(place.path, 'maildirsize'))).toBe(false);
  });
});
