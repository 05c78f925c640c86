// The storage alone, in one process: what opening, listing, reading and searching a Maildir costs without a network and
// without another server beside it. For profiles: `node --cpu-prof` on the bundle of this file.
//
//     store-steps FOLDER INDEX|MEMORY STEP...
//
// Each step prints its time in milliseconds. Steps that come first run in a process that has not warmed up, as they do in
// a worker that has just been started.

import { openMaildirStore } from '../../packages/maildir/src/edge/index.ts';

const [root = '', index = 'MEMORY', ...steps] = process.argv.slice(2);

const store = openMaildirStore({
  root,
  allowRoot: true,
  ...(index === 'MEMORY' ? {} : { index, texts: { automatic: false } }),
});

const RUN: Record<string, () => Promise<unknown>> = {
  async select() {
    const mailbox = await store.open('INBOX');
    await mailbox.refresh();
    await mailbox.claimRecent();
    return mailbox.records.length;
  },
  async flags() {
    const mailbox = await store.open('INBOX');
    let text = 0;
    for (const record of mailbox.records) text += `${record.uid} ${record.flags.join(' ')}`.length;
    return text;
  },
  async sizes() {
    const mailbox = await store.open('INBOX');
    let sum = 0;
    for (const { uid } of mailbox.records) sum += (await mailbox.message(uid)?.size()) ?? 0;
    return sum;
  },
  async structures() {
    const mailbox = await store.open('INBOX');
    let sum = 0;
    for (const { uid } of mailbox.records) {
      const message = mailbox.message(uid);
      const structure = await message?.structure();
      await message?.internalDate();
      sum += structure?.size ?? 0;
    }
    return sum;
  },
  async headers() {
    const mailbox = await store.open('INBOX');
    let sum = 0;
    for (const { uid } of mailbox.records) sum += (await mailbox.message(uid)?.header())?.length ?? 0;
    return sum;
  },
  async index() {
    await store.rebuildIndex(() => {});
    return (await store.indexPlace()).octets;
  },
  /** A needle of few messages, of many, and of two characters. */
  rare: () => search('message 4711 '),
  common: () => search('meeting'),
  short: () => search('ü'),
  async bodies() {
    const mailbox = await store.open('INBOX');
    let sum = 0;
    for (const { uid } of mailbox.records) sum += (await mailbox.message(uid)?.read())?.length ?? 0;
    return sum;
  },
};

async function search(needle: string): Promise<string> {
  const mailbox = await store.open('INBOX');
  const verdicts = await mailbox.searchText?.('text', needle);
  let found = 0;
  let unknown = 0;
  for (const { uid } of mailbox.records) {
    const verdict = verdicts?.(uid);
    if (verdict === true) found++;
    else if (verdict === undefined) unknown++;
  }
  return `${found} found, ${unknown} not indexed`;
}

const begun = performance.now();
for (const step of steps) {
  const start = performance.now();
  const used = process.cpuUsage();
  const result = await RUN[step]?.();
  const { user, system } = process.cpuUsage(used);
  console.log(
    `${step} ${(performance.now() - start).toFixed(1)} ms, processor ${((user + system) / 1000).toFixed(1)} ms (${String(result)})`,
  );
}
await store.close();
console.log(
  `all ${(performance.now() - begun).toFixed(1)} ms, ${(process.memoryUsage.rss() / 1048576).toFixed(0)} MiB`,
);
