// A process that is killed in the middle of anything leaves an index that says what the files say, and that a client which
// was told a modseq can go on with.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openMaildirStore, type MaildirStoreOptions } from '../../packages/maildir/src/edge/index.ts';
import type { MessageRecord } from '../../packages/mailbox/src/index.ts';

const KILLS = 6;
const child = fileURLToPath(new URL('./index-crash-child.ts', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'postcote-index-crash-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Told {
  readonly highestModseq: number;
  readonly records: readonly MessageRecord[];
}

/** What the process told last before it was killed. */
async function runAndKill(options: MaildirStoreOptions, seed: number): Promise<Told> {
  const running = spawn(process.execPath, [child, options.root, options.index ?? '', String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let lines = 0;
  const enough = 5 + ((seed * 37) % 30);
  running.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('latin1');
    lines += chunk.toString('latin1').split('\n').length - 1;
    // Not between two lines: in the middle of what follows.
    if (lines >= enough) setTimeout(() => running.kill('SIGKILL'), seed % 7);
  });
  await once(running, 'close');
  const whole = output.split('\n').slice(0, -1).at(-1);
  if (whole === undefined) throw new Error('it told nothing');
  return JSON.parse(whole) as Told;
}

async function look(
  options: MaildirStoreOptions,
): Promise<Told & { readonly shown: unknown; readonly gone: readonly number[] | undefined }> {
  const store = openMaildirStore(options);
  const mailbox = await store.open('INBOX');
  const shown: unknown[] = [];
  for (const { uid, flags } of mailbox.records) {
    const message = mailbox.message(uid);
    const date = await message?.internalDate();
    shown.push([uid, flags, await message?.size(), await message?.structure(), date?.getTime()]);
  }
  const { records, highestModseq } = mailbox;
  const gone = told === undefined ? undefined : mailbox.expungedSince(told.highestModseq);
  await store.close();
  return { records, highestModseq, shown, gone };
}

let told: Told | undefined;

it(
  `after each of ${KILLS} kills, the index equals a rebuilt one, and modseqs go on`,
  { timeout: 240_000 },
  async () => {
    const options = { root: path.join(folder, 'mail'), index: path.join(folder, 'index'), allowRoot: true };
    for (let kill = 1; kill <= KILLS; kill++) {
      told = await runAndKill(options, kill);
      const kept = await look(options);
      const fresh = await look({ ...options, index: path.join(folder, `index-${kill}`) });
      expect(kept.shown).toEqual(fresh.shown);
      expect(kept.highestModseq).toBeGreaterThanOrEqual(told.highestModseq);
      const before = new Map(told.records.map((record) => [record.uid, record]));
      for (const record of kept.records) {
        const known = before.get(record.uid);
        before.delete(record.uid);
        // A client that asks for changes since what it was told must hear of each that it does not know.
        const same = known !== undefined && known.flags.join() === record.flags.join();
        if (!same) expect(record.modseq).toBeGreaterThan(told.highestModseq);
        else expect(record.modseq).toBeGreaterThanOrEqual(known.modseq);
      }
      expect(kept.gone).toEqual(expect.arrayContaining([...before.keys()]));
    }
  },
);
