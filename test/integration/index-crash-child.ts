// The process that index-crash.test.ts kills: works on a Maildir as sessions do, and prints after each operation what a client
// would have been told: every message's UID, modseq and flags, and what was expunged. Arguments: root, index, seed.

import { openMaildirStore } from '../../packages/maildir/src/edge/index.ts';

const [root = '', index = '', seed = '1'] = process.argv.slice(2);
let state = Number(seed) * 2_654_435_761 + 12_345;
const random = (below: number): number => {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor((state / 2_147_483_648) * below);
};

const store = openMaildirStore({ root, index, allowRoot: true });
const mailbox = await store.open('INBOX');
let count = 0;

async function step(): Promise<void> {
  const uids = mailbox.records.map(({ uid }) => uid);
  const some = uids.filter(() => random(4) === 0);
  switch (random(7)) {
    case 0:
    case 1: {
      const writer = await store.beginAppend('INBOX', { flags: random(2) === 0 ? [] : ['\\Seen'] });
      await writer.write(Buffer.from(`Subject: ${seed}-${count++}\r\n\r\nbody ${random(1000)}\r\n`));
      await writer.commit();
      break;
    }
    case 2:
      await mailbox.store(some, { mode: 'add', flags: [random(2) === 0 ? '\\Flagged' : 'Work'] });
      break;
    case 3:
      await mailbox.store(some, { mode: 'remove', flags: ['\\Flagged', '\\Seen'] });
      break;
    case 4:
      if (uids.length > 20) await mailbox.expunge(some);
      break;
    case 5:
      await mailbox.copy(some.slice(0, 3), 'INBOX');
      break;
    default:
      for (const uid of some) await mailbox.message(uid)?.structure();
  }
  await mailbox.refresh();
}

for (;;) {
  await step();
  const { highestModseq, records } = mailbox;
  process.stdout.write(`${JSON.stringify({ highestModseq, records })}\n`);
  if (random(10) === 0) store.save();
}
