// The process that store-crash.test.ts kills: works on a user's mailboxes as sessions do, and notes in a file what it begins and
// what was acknowledged. The file survives the process in the page cache. Arguments: root, index, notes, seed.

import { appendFileSync } from 'node:fs';
import { openMaildirStore } from '../../packages/maildir/src/edge/index.ts';
import type { Mailbox } from '../../packages/mailbox/src/index.ts';

const [root = '', index = '', notes = '', seed = '1'] = process.argv.slice(2);
let state = Number(seed) * 2_654_435_761 + 97;
const random = (below: number): number => {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor((state / 2_147_483_648) * below);
};
const note = (what: object): void => appendFileSync(notes, `${JSON.stringify(what)}\n`);

/** What is begun, and its result when it is acknowledged. */
async function acknowledged(op: object, run: () => Promise<object | void>): Promise<void> {
  note({ begin: op });
  note({ done: (await run()) ?? {} });
}

const store = openMaildirStore({ root, index, allowRoot: true });
const FOLDERS = ['INBOX', 'Work', 'Old'];
let renames = 0;
for (const name of FOLDERS.slice(1)) await store.create(name).catch(() => {});
const folders = async (): Promise<string[]> =>
  (await store.list()).filter(({ selectable }) => selectable).map(({ name }) => name);

async function within(
  name: string,
  work: (mailbox: Mailbox, uids: number[]) => Promise<void>,
): Promise<void> {
  const mailbox = await store.open(name);
  try {
    await mailbox.refresh();
    const uids = mailbox.records.map(({ uid }) => uid).filter(() => random(4) === 0);
    await work(mailbox, uids.slice(0, 12));
  } finally {
    await mailbox.close();
  }
}

async function step(number: number): Promise<void> {
  const names = await folders();
  const folder = names[random(names.length)] ?? 'INBOX';
  const other = names[random(names.length)] ?? 'INBOX';
  switch (random(9)) {
    case 0:
    case 1:
    case 2: {
      const id = `${seed}.${number}`;
      await acknowledged({ op: 'append', folder, id }, async () => {
        const writer = await store.beginAppend(folder, { flags: random(2) === 0 ? [] : ['\\Seen'] });
        await writer.write(Buffer.from(`X-Id: ${id}\r\n\r\n${'text\r\n'.repeat(random(400))}`));
        return await writer.commit();
      });
      return;
    }
    case 3:
      return await within(folder, async (mailbox, uids) => {
        await acknowledged({ op: 'copy', folder, uids, other }, () => mailbox.copy(uids, other));
      });
    case 4:
      if (folder === other) return;
      return await within(folder, async (mailbox, uids) => {
        await acknowledged({ op: 'move', folder, uids, other }, () => mailbox.move(uids, other));
      });
    case 5:
    case 6:
      return await within(folder, async (mailbox, uids) => {
        const flags = [['\\Flagged', '\\Answered', 'Project'][random(3)] ?? '\\Flagged'];
        const mode = random(2) === 0 ? ('add' as const) : ('remove' as const);
        await acknowledged({ op: 'store', folder, uids, mode, flags }, () =>
          mailbox.store(uids, { mode, flags }),
        );
      });
    case 7:
      return await within(folder, async (mailbox, uids) => {
        const some = uids.slice(0, 3);
        await acknowledged({ op: 'expunge', folder, uids: some }, () => mailbox.expunge(some));
      });
    default: {
      if (folder === 'INBOX') return;
      const target = `Moved${seed}-${renames++}`;
      await acknowledged({ op: 'rename', folder, other: target }, () => store.rename(folder, target));
    }
  }
}

process.stdout.write('ready\n');
for (let number = 0; ; number++) await step(number);
