// Random sequences of work on one Maildir, by several stores of ours and an outside program, and by ours and a real Dovecot
// in turn, against a model. `POSTCOTE_MODEL_SECONDS=600` runs each that long; `POSTCOTE_MODEL_SEED=n` repeats a run.

import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Mailbox } from '../../packages/mailbox/src/index.ts';
import { openMaildirStore, type MaildirStore } from '../../packages/maildir/src/edge/index.ts';
import { DOVECOT_IMAP, dovecotConfiguration, DovecotParty } from '../support/dovecot-imap.ts';
import { makeMaildir, ModelRun, type Look, type Party, type Step } from '../support/maildir-model.ts';

const SECONDS = Number(process.env['POSTCOTE_MODEL_SECONDS'] ?? '5');
const SEED = process.env['POSTCOTE_MODEL_SEED'];
/** Nobody's. */
const UID = 47_302;

const STEPS = fc.array(
  fc.record<Step>({
    what: fc.constantFrom(
      'append',
      'append',
      'outsideDeliver',
      'store',
      'store',
      'expunge',
      'copy',
      'move',
      'restart',
      'outsideFlag',
      'outsideRemove',
    ),
    party: fc.nat(5),
    folder: fc.nat(5),
    target: fc.nat(5),
    message: fc.nat(30),
    flags: fc.nat(31),
    mode: fc.constantFrom('add', 'remove', 'replace'),
  }),
  { minLength: 5, maxLength: 40, size: 'max' },
);

/** A store of ours, as a process of its own would have it. */
class StoreParty implements Party {
  readonly name: string;
  readonly #open: () => MaildirStore;
  #store: MaildirStore;

  constructor(name: string, open: () => MaildirStore) {
    this.name = name;
    this.#open = open;
    this.#store = open();
  }

  async look(folder: string): Promise<Look> {
    return this.#with(folder, async (mailbox) => {
      const rows = [];
      for (const { uid, flags } of mailbox.records) {
        const header = (await mailbox.message(uid)?.header())?.toString('latin1') ?? '';
        rows.push({ uid, flags, subject: /^Subject: (\S+)/.exec(header)?.[1] ?? '' });
      }
      return { uidValidity: mailbox.uidValidity, uidNext: mailbox.uidNext, rows };
    });
  }

  async append(folder: string, content: string, flags: readonly string[]): Promise<void> {
    const writer = await this.#store.beginAppend(folder, { flags });
    await writer.write(Buffer.from(content));
    await writer.commit();
  }

  async store(folder: string, uid: number, change: Parameters<Party['store']>[2]): Promise<void> {
    await this.#with(folder, (mailbox) => mailbox.store([uid], change));
  }

  async expunge(folder: string, uid: number): Promise<void> {
    await this.#with(folder, (mailbox) => mailbox.expunge([uid]));
  }

  async transfer(from: string, uid: number, to: string, mode: 'copy' | 'move'): Promise<void> {
    const made = await this.#with(from, (mailbox) => mailbox[mode]([uid], to));
    expect(made.source).toEqual([uid]);
  }

  async restart(): Promise<void> {
    await this.#store.close();
    this.#store = this.#open();
  }

  stop(): Promise<void> {
    return this.#store.close();
  }

  async #with<T>(folder: string, work: (mailbox: Mailbox) => Promise<T>): Promise<T> {
    const mailbox = await this.#store.open(folder);
    try {
      return await work(mailbox);
    } finally {
      await mailbox.close();
    }
  }
}

let folder = '';
let played = 0;

afterEach(() => {
  if (folder !== '') rmSync(folder, { recursive: true });
  folder = '';
});

/** Sequence after sequence until the time is over, each from a seed of its own; at least one is played to its end. */
async function check(run: (steps: readonly Step[], isOver: () => boolean) => Promise<void>): Promise<void> {
  const end = Date.now() + SECONDS * 1000;
  played = 0;
  const first = SEED === undefined ? Date.now() % 1_000_000_000 : Number(SEED);
  for (let seed = first; seed === first || Date.now() < end; seed++) {
    const [steps = []] = fc.sample(STEPS, { numRuns: 1, seed });
    try {
      await run(steps, () => seed !== first && Date.now() > end);
    } catch (error) {
      throw new Error(`POSTCOTE_MODEL_SEED=${seed}`, { cause: error });
    }
    if (SEED !== undefined) break;
  }
  expect(played).toBeGreaterThan(0);
}

/** Records how much was tried. */
async function play(run: ModelRun, steps: readonly Step[], isOver: () => boolean): Promise<void> {
  for (const step of steps) if (!isOver()) await run.step(step);
  played += run.history.length;
}

function folders(root: string): { name: string; path: string }[] {
  const all = [
    { name: 'INBOX', path: root },
    { name: 'Other', path: join(root, '.Other') },
  ];
  for (const { path } of all) makeMaildir(path);
  return all;
}

describe('a Maildir against a model', () => {
  it(
    'is the same to two of our processes while an outside program works on it',
    async () => {
      await check(async (steps, isOver) => {
        folder = mkdtempSync(join(tmpdir(), 'postcote-model-'));
        const root = join(folder, 'mail');
        const parties = [0, 1].map(
          (threadId) =>
            new StoreParty(`ours${threadId}`, () =>
              openMaildirStore({
                root,
                layout: 'maildir++',
                threadId,
                allowRoot: true,
                index: join(folder, `index${threadId}`),
              }),
            ),
        );
        try {
          const run = new ModelRun(parties, folders(root));
          await play(run, steps, isOver);
        } finally {
          for (const party of parties) await party.stop();
          rmSync(folder, { recursive: true });
          folder = '';
        }
      });
    },
    SECONDS * 1000 + 60_000,
  );

  const missing =
    process.getuid?.() !== 0
      ? 'needs root, to run Dovecot and our store under one ordinary uid'
      : existsSync(DOVECOT_IMAP)
        ? undefined
        : 'needs Dovecot (dovecot-imapd)';

  it.skipIf(missing !== undefined)(
    `is the same to us and a real Dovecot in turn${missing === undefined ? '' : ` (${missing})`}`,
    async () => {
      await check(async (steps, isOver) => {
        folder = mkdtempSync(join(tmpdir(), 'postcote-model-'));
        const root = join(folder, 'home', 'Maildir');
        for (const path of [folder, join(folder, 'home'), join(folder, 'run'), join(folder, 'state')]) {
          mkdirSync(path, { recursive: true });
          chownSync(path, UID, UID);
          chmodSync(path, 0o755);
        }
        const configuration = join(folder, 'dovecot.conf');
        writeFileSync(configuration, dovecotConfiguration(folder, ['mail_location = maildir:~/Maildir']));
        asUser();
        const ours = new StoreParty('ours', () =>
          openMaildirStore({ root, layout: 'maildir++', uid: UID, index: join(folder, 'home', 'index') }),
        );
        let dovecot: DovecotParty | undefined;
        try {
          const all = folders(root);
          dovecot = await DovecotParty.start(
            { configuration, home: join(folder, 'home'), uid: UID },
            (work) => {
              asRoot();
              try {
                return work();
              } finally {
                asUser();
              }
            },
          );
          const run = new ModelRun([ours, dovecot], all);
          await play(run, steps, isOver);
        } finally {
          dovecot?.stop();
          await ours.stop();
          asRoot();
          rmSync(folder, { recursive: true, maxRetries: 3, retryDelay: 50 });
          folder = '';
        }
      });
    },
    SECONDS * 1000 + 60_000,
  );
});

function asUser(): void {
  process.setegid?.(UID);
  process.seteuid?.(UID);
}

function asRoot(): void {
  process.seteuid?.(0);
  process.setegid?.(0);
}
