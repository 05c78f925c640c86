// The examples of `fixtures/`: Maildirs made by Dovecot (a, b) or by hand (c, d), and what Dovecot answers from them.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Mailbox, MessageHandle } from '@postcote/mailbox';
import { makeTemporaryRoot, type TemporaryRoot } from '../testing/index.ts';
import { openMaildirStore } from './index.ts';

interface ExpectedMessage {
  readonly uid: number;
  readonly flags: readonly string[];
  readonly keywords: readonly string[];
  readonly internaldate: string;
  readonly rfc822_size: number;
  readonly subject: string;
  readonly body_sha256: string;
}

interface Expected {
  readonly list: Readonly<Record<string, { readonly attributes: readonly string[] }>>;
  readonly lsub: readonly string[];
  readonly folders: Readonly<
    Record<
      string,
      {
        readonly exists: number;
        readonly uidvalidity: number;
        readonly uidnext: number;
        readonly messages: readonly ExpectedMessage[];
      }
    >
  >;
  readonly pop3: readonly { readonly uidl: string; readonly size: number }[];
}

const FIXTURES = new URL('../../fixtures/', import.meta.url).pathname;
const EXAMPLES = [
  ['a', 'a-dovecot-2.3'],
  ['b', 'b-undelivered-new'],
  ['c', 'c-hand-made-v1-uidlist'],
  ['d', 'd-hand-made-extensions'],
] as const;

let temporary: TemporaryRoot | undefined;

afterEach(() => {
  temporary?.remove();
  temporary = undefined;
});

function unpack(archive: string): string {
  temporary = makeTemporaryRoot();
  const directory = dirname(temporary.path);
  execFileSync('tar', ['-xpzf', join(FIXTURES, `${archive}.tar.gz`), '-C', directory, '--no-same-owner']);
  return temporary.path;
}

function readExpected(letter: string): Expected {
  return JSON.parse(readFileSync(join(FIXTURES, `${letter}-expected.json`), 'utf8')) as Expected;
}

async function describeMessage(mailbox: Mailbox, uid: number): Promise<ExpectedMessage> {
  const flags = mailbox.records.find((r) => r.uid === uid)?.flags ?? [];
  const message = mailbox.message(uid);
  if (!message) throw new Error(`no message ${uid}`);
  const size = await message.size();
  const body = await message.read();
  const digest = createHash('sha256').update(body).digest('hex');
  return {
    uid,
    flags: flags.filter((f) => f.startsWith('\\')).toSorted(),
    keywords: flags.filter((f) => !f.startsWith('\\')).toSorted(),
    internaldate: imapDate(await message.internalDate()),
    rfc822_size: size,
    subject: (await message.structure()).envelope.subject ?? '',
    body_sha256: digest,
  };
}

function imapDate(date: Date): string {
  const [, day, month, year, time] = /, (\d\d) (\w{3}) (\d{4}) ([\d:]{8})/.exec(date.toUTCString()) ?? [];
  return `${day}-${month}-${year} ${time} +0000`;
}

function uidl(message: MessageHandle, mailbox: Mailbox): string {
  const hex = (n: number): string => n.toString(16).padStart(8, '0');
  return message.pop3Uidl ?? hex(message.uid) + hex(mailbox.uidValidity);
}

describe.each(EXAMPLES)('example %s', (letter, archive) => {
  it('serves what Dovecot serves', async () => {
    const expected = readExpected(letter);
    const store = openMaildirStore({ root: unpack(archive), allowRoot: true });
    const list = await store.list();
    const attributes = list
      .filter((e) => e.exists)
      .map((e) => {
        const children = e.hasChildren ? '\\haschildren' : '\\hasnochildren';
        return [e.name, e.selectable ? [children] : [children, '\\noselect']];
      });
    expect(Object.fromEntries(attributes)).toEqual(
      Object.fromEntries(Object.entries(expected.list).map(([name, item]) => [name, item.attributes])),
    );
    expect(list.flatMap((e) => (e.subscribed ? [e.name] : [])).toSorted()).toEqual(expected.lsub);
    for (const [name, folder] of Object.entries(expected.folders)) {
      const mailbox = await store.open(name);
      expect([name, mailbox.uidValidity, mailbox.uidNext]).toEqual([
        name,
        folder.uidvalidity,
        folder.uidnext,
      ]);
      const messages: ExpectedMessage[] = [];
      for (const { uid } of mailbox.records) messages.push(await describeMessage(mailbox, uid));
      const wanted = folder.messages.map((m) => ({
        uid: m.uid,
        flags: m.flags.toSorted(),
        keywords: m.keywords.toSorted(),
        internaldate: m.internaldate,
        rfc822_size: m.rfc822_size,
        subject: m.subject,
        body_sha256: m.body_sha256,
      }));
      expect(messages).toEqual(wanted);
    }
    await store.close();
  });

  it('gives the same POP3 ids, order and sizes, before and after a rewrite', async () => {
    const expected = readExpected(letter);
    const root = unpack(archive);
    for (let round = 0; round < 2; round++) {
      const store = openMaildirStore({ root, allowRoot: true });
      const mailbox = await store.open('INBOX');
      const messages = mailbox.records.flatMap((r) => mailbox.message(r.uid) ?? []);
      const order = (m: MessageHandle): number => m.pop3Order ?? Infinity;
      messages.sort((a, b) => (order(a) === order(b) ? a.uid - b.uid : order(a) - order(b)));
      const listed = [];
      for (const m of messages) listed.push({ uidl: uidl(m, mailbox), size: await m.size() });
      expect(listed).toEqual(expected.pop3.map(({ uidl, size }) => ({ uidl, size })));
      // Sizes that had to be counted are written down: closing rewrites the uidlist.
      await mailbox.close();
      await store.close();
    }
    expect(existsSync(join(root, 'dovecot-uidlist.lock'))).toBe(false);
  });
});

describe('writing back', () => {
  it('turns version 1 into version 3 with the same values', async () => {
    const root = unpack('c-hand-made-v1-uidlist');
    const store = openMaildirStore({ root, allowRoot: true });
    await store.open('INBOX');
    await store.unsubscribe('old/name');
    const [header, ...records] = readFileSync(join(root, 'dovecot-uidlist'), 'latin1').split('\n');
    expect(header).toMatch(/^3 V1090000000 N\d+ G[0-9a-f]{32}$/);
    expect(Number(/ N(\d+)/.exec(header ?? '')?.[1])).toBeGreaterThanOrEqual(20);
    expect(records).toEqual([
      '4 :1100000001.P1001Q0.oldhost',
      '7 :1100000002.P1001Q1.oldhost,S=165',
      '15 :1100000003.P1001Q2.oldhost',
      '20 :1100000004.P1001Q3.oldhost',
      '',
    ]);
    expect(readFileSync(join(root, 'subscriptions'), 'latin1')).toBe('INBOX\nEntw&APw-rfe\n');
  });

  it('keeps unknown fields, letters and header keys', async () => {
    const root = unpack('d-hand-made-extensions');
    const store = openMaildirStore({ root, allowRoot: true });
    const mailbox = await store.open('INBOX');
    await mailbox.store([5], { mode: 'replace', flags: ['\\Answered'] });
    await mailbox.expunge([3]);
    await mailbox.close();
    const text = readFileSync(join(root, 'dovecot-uidlist'), 'latin1');
    expect(text).toMatch(/^3 V1400000000 N13 G0123456789abcdef0123456789abcdef Xkept\n/);
    expect(text).toContain('\n2 Pimported-uidl-1 O2 :1400000001.M1P7.h\n');
    expect(text).toContain('\n5 O1 Gguid-of-five Zunknown :1400000003.M3P7.h\n');
    expect(text).not.toContain('1400000099');
    expect(existsSync(join(root, 'cur', '1400000003.M3P7.h:2,PRX'))).toBe(true);
  });
});
