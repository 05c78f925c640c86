// Any interleaving of our operations with other programs' lock-free ones: no message is lost or doubled, a UID means
// one message for ever, flags are what was set last. Each message is known by its subject.

import { mkdirSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Mailbox } from '@postcote/mailbox';
import { makeTemporaryRoot } from '../testing/index.ts';
import { openMaildirStore, type MaildirStore } from './index.ts';

const OPERATIONS = [
  'append',
  'deliver',
  'outside deliver',
  'outside flag',
  'outside to cur',
  'outside remove',
  'store',
  'expunge',
  'copy',
  'move away',
  'move within',
  'claim',
  'refresh',
  'rewrite uidlist',
  'restart',
] as const;

type Operation = (typeof OPERATIONS)[number];

class World {
  readonly root = makeTemporaryRoot();
  readonly options = { root: this.root.path, index: `${this.root.path}-index`, allowRoot: true };
  store: MaildirStore;
  mailbox!: Mailbox;
  /** Subjects that must be in INBOX, with their flag letters. */
  readonly expected = new Map<string, string>();
  readonly away = new Set<string>();
  /** What each UID was ever seen to be. */
  readonly known = new Map<number, string>();
  highestUid = 0;
  modseq = 0;
  #count = 0;

  constructor() {
    mkdirSync(this.root.path);
    this.store = openMaildirStore(this.options);
  }

  async open(): Promise<void> {
    this.mailbox = await this.store.open('INBOX');
  }

  subject(): string {
    return `s${this.#count++}`;
  }

  path(...parts: string[]): string {
    return join(this.root.path, ...parts);
  }

  /** Some file in INBOX: its directory, name and subject. */
  files(): { directory: string; name: string; subject: string }[] {
    return ['new', 'cur'].flatMap((directory) =>
      readdirSync(this.path(directory)).map((name) => ({
        directory,
        name,
        subject: /^Subject: (\S+)/.exec(readFileText(this.path(directory, name)))?.[1] ?? '?',
      })),
    );
  }

  async subjectOf(uid: number): Promise<string> {
    const text = await this.mailbox.message(uid)?.read();
    return /^Subject: (\S+)/.exec(text?.toString() ?? '')?.[1] ?? '?';
  }

  async check(): Promise<void> {
    await this.mailbox.refresh();
    const { records } = this.mailbox;
    const seen = new Map<string, string>();
    let last = 0;
    for (const { uid, flags } of records) {
      expect(uid).toBeGreaterThan(last);
      last = uid;
      const subject = await this.subjectOf(uid);
      if (this.known.has(uid)) expect([uid, subject]).toEqual([uid, this.known.get(uid)]);
      else expect(uid).toBeGreaterThan(this.highestUid);
      expect(seen.has(subject)).toBe(false);
      seen.set(subject, flags.includes('\\Flagged') ? 'F' : '');
    }
    for (const { uid } of records) this.known.set(uid, await this.subjectOf(uid));
    this.highestUid = Math.max(this.highestUid, last);
    expect(this.mailbox.uidNext).toBeGreaterThan(this.highestUid);
    expect(seen).toEqual(new Map([...this.expected].toSorted()));
    expect(this.mailbox.highestModseq).toBeGreaterThanOrEqual(this.modseq);
    this.modseq = this.mailbox.highestModseq;
    for (const record of records) expect(record.modseq).toBeLessThanOrEqual(this.modseq);
  }
}

function readFileText(path: string): string {
  return readFileSync(path, 'latin1');
}

async function write(
  writer: { write(c: Uint8Array): unknown; commit(): Promise<unknown> },
  text: string,
): Promise<void> {
  await writer.write(Buffer.from(text));
  await writer.commit();
}

async function run(world: World, operation: Operation, pick: number): Promise<void> {
  const { mailbox } = world;
  const file = world.files()[pick % Math.max(1, world.files().length)];
  const record = mailbox.records[pick % Math.max(1, mailbox.records.length)];
  const subject = world.subject();
  const text = `Subject: ${subject}\r\n\r\nbody ${pick}\r\n`;
  const flag = pick % 2 === 0 ? 'F' : '';
  switch (operation) {
    case 'append':
      await write(await world.store.beginAppend('INBOX', { flags: flag ? ['\\Flagged'] : [] }), text);
      world.expected.set(subject, flag);
      return;
    case 'deliver':
      await write(world.store.beginDelivery(), text);
      world.expected.set(subject, '');
      return;
    case 'outside deliver':
      writeFileSync(world.path('tmp', subject), text.replaceAll('\r', ''));
      renameSync(world.path('tmp', subject), world.path('new', `${pick}.M${subject.slice(1)}P1.mta`));
      world.expected.set(subject, '');
      return;
    case 'outside flag':
    case 'outside to cur': {
      if (!file) return;
      const base = file.name.split(':')[0] ?? '';
      const letter = operation === 'outside flag' ? flag : (world.expected.get(file.subject) ?? '');
      renameSync(world.path(file.directory, file.name), world.path('cur', `${base}:2,${letter}`));
      world.expected.set(file.subject, letter);
      return;
    }
    case 'outside remove':
      if (!file) return;
      unlinkSync(world.path(file.directory, file.name));
      world.expected.delete(file.subject);
      return;
    case 'rewrite uidlist': {
      const name = world.path('dovecot-uidlist');
      const [header = '', ...lines] = readFileText(name).split('\n');
      writeFileSync(`${name}.x`, [header.replace(/ N\d+/, ` N${mailbox.uidNext}`), ...lines].join('\n'));
      renameSync(`${name}.x`, name);
      return;
    }
    case 'restart':
      await world.store.close();
      world.store = openMaildirStore(world.options);
      return world.open();
    case 'refresh':
      return mailbox.refresh();
    case 'claim':
      await mailbox.claimRecent();
      return;
    default:
      if (record) await change(world, operation, { uid: record.uid, flag });
  }
}

/** What the client does to a message it believes in; others may have removed it already. */
async function change(
  world: World,
  operation: Operation,
  what: { uid: number; flag: string },
): Promise<void> {
  const { mailbox } = world;
  const { uid, flag } = what;
  const name = await world.subjectOf(uid).catch(() => '?');
  const there = world.expected.has(name);
  if (operation === 'store') {
    const result = await mailbox.store([uid], { mode: flag ? 'add' : 'remove', flags: ['\\Flagged'] });
    expect(result.expunged).toEqual(there ? [] : [uid]);
    if (there) world.expected.set(name, flag);
  } else if (operation === 'expunge') {
    await mailbox.expunge([uid]);
    world.expected.delete(name);
  } else if (operation === 'move away') {
    const { source } = await mailbox.move([uid], 'Away');
    expect(source).toEqual(there ? [uid] : []);
    if (world.expected.delete(name)) world.away.add(name);
  } else if (operation === 'copy') {
    const { source } = await mailbox.copy([uid], 'Away');
    expect(source).toEqual(there ? [uid] : []);
  } else {
    const moved = await mailbox.move([uid], 'INBOX');
    for (const target of moved.target) expect(target).toBeGreaterThan(world.highestUid);
  }
}

it('loses nothing and never gives a UID twice', async () => {
  const step = fc.record({ operation: fc.constantFrom(...OPERATIONS), pick: fc.nat(40), look: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const world = new World();
      try {
        await world.open();
        await world.store.create('Away');
        for (const { operation, pick, look } of steps) {
          await run(world, operation, pick);
          if (look) await world.check();
        }
        await world.check();
        const away = await world.store.open('Away');
        expect(away.records.length).toBeGreaterThanOrEqual(world.away.size);
      } finally {
        await world.store.close();
        world.root.remove();
      }
    }),
    { numRuns: 80 },
  );
});

it('keeps several operations at once apart', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...OPERATIONS), { minLength: 5, maxLength: 25 }),
      async (operations) => {
        const world = new World();
        try {
          await world.open();
          await world.store.create('Away');
          for (let i = 0; i < 6; i++) await run(world, 'append', i);
          const arrivals = operations.filter(
            (o) => o === 'append' || o === 'deliver' || o === 'outside deliver',
          );
          const looks = operations.filter((o) => o === 'refresh' || o === 'claim');
          await Promise.all([...arrivals, ...looks].map((o, i) => run(world, o, i)));
          await world.check();
        } finally {
          await world.store.close();
          world.root.remove();
        }
      },
    ),
    { numRuns: 20 },
  );
});
