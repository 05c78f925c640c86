// Mail out: mailboxes of many messages opened, listed and read over IMAP, downloaded over POP3, and searched. "Cold" is a
// mailbox that no server has seen; "warm" is a new session on one that was read in the same way before.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../support/play-transcript.ts';
import { REPOSITORY } from '../support/postcote-daemon.ts';
import { type BenchContext, eachRound, rate, timed } from './bench-context.ts';
import { FREQUENT_WORD, RARE_WORD, makeMailbox, removeMailbox } from './corpus.ts';
import { loginPop3, withImap } from './imap-client.ts';
import { median } from './metrics.ts';
import type { BenchSide } from './sides.ts';

const WARM_SELECTS = 7;
/** RETR commands on their way at once. */
const PIPELINE = 50;
const ENVELOPES = 'UID FETCH 1:* (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)';
const THUNDERBIRD =
  'UID fetch 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])';
const BODIES = 'UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])';

/** `suffix` keeps the figures of large mailboxes apart. */
export async function measureReading(context: BenchContext, messages: number, suffix = ''): Promise<void> {
  const { samples } = context;
  const name = `mailbox of ${messages}`;
  await eachRound(context, { name, accounts: 1 }, async (side, [account]) => {
    if (account === undefined) return;
    makeMailbox(account, messages);
    const add = (key: string, value: number): void => samples.add(`${key}${suffix}`, side.name, value);
    await withImap(side, account, async (session) => {
      add('selectCold', await timed(() => session.imap('b', 'SELECT INBOX')));
      add('flags', await rate(messages, () => session.imap('c', 'UID FETCH 1:* (FLAGS)')));
      add('envelopeCold', await rate(messages, () => session.imap('d', ENVELOPES)));
    });
    const selects: number[] = [];
    for (let i = 0; i < WARM_SELECTS; i++)
      await withImap(side, account, async (session) => {
        selects.push(await timed(() => session.imap('b', 'SELECT INBOX')));
      });
    add('selectWarm', median(selects) ?? 0);
    await withImap(side, account, async (session) => {
      await session.imap('b', 'SELECT INBOX');
      add('envelopeWarm', await rate(messages, () => session.imap('c', ENVELOPES)));
    });
    removeMailbox(account);
  });
  await eachRound(
    context,
    { name: `headers and bodies of ${messages}`, accounts: 1 },
    async (side, [account]) => {
      if (account === undefined) return;
      makeMailbox(account, messages);
      for (const key of ['headersCold', 'headersWarm'])
        await withImap(side, account, async (session) => {
          await session.imap('b', 'SELECT INBOX');
          await session.imap('c', 'UID FETCH 1:* (FLAGS)');
          samples.add(
            `${key}${suffix}`,
            side.name,
            await rate(messages, () => session.imap('d', THUNDERBIRD)),
          );
        });
      removeMailbox(account);
      // Bodies of a mailbox that was only listed, in the session that listed it.
      makeMailbox(account, messages);
      await withImap(side, account, async (session) => {
        await session.imap('b', 'SELECT INBOX');
        samples.add(`sync${suffix}`, side.name, await rate(messages, () => session.imap('c', BODIES)));
      });
      removeMailbox(account);
    },
  );
}

export async function measurePop3(context: BenchContext, messages: number): Promise<void> {
  const { samples } = context;
  await eachRound(context, { name: `POP3 of ${messages}`, accounts: 1 }, async (side, [account]) => {
    if (account === undefined) return;
    makeMailbox(account, messages);
    const session = await loginPop3(side, account);
    try {
      const opened = await timed(async () => {
        const stat = await session.pop3('STAT');
        if (!stat.startsWith(`+OK ${messages} `)) throw new Error(`STAT says ${stat}`);
        await session.ask('UIDL\r\n', (tail) => tail.subarray(-5).toString('latin1') === '\r\n.\r\n');
      });
      samples.add('pop3Open', side.name, opened);
      const retrieved = rate(messages, async () => {
        for (let start = 1; start <= messages; start += PIPELINE) {
          const end = Math.min(messages, start + PIPELINE - 1);
          const commands = Array.from({ length: end - start + 1 }, (_, i) => `RETR ${start + i}\r\n`);
          // NOOP's answer is the one line after a message's end: it tells that all are here.
          await session.ask(`${commands.join('')}NOOP\r\n`, (tail) =>
            /\r\n\.\r\n\+OK[^\r\n]*\r\n$/.test(tail.toString('latin1')),
          );
        }
      });
      samples.add('pop3', side.name, await retrieved);
    } finally {
      session.close();
    }
    removeMailbox(account);
  });
}

const WORDS = { Rare: RARE_WORD, Frequent: FREQUENT_WORD } as const;
const INDEXED_WITHIN_MS = 240_000;

/** The hits of both sides must be the same, before and after indexing. Rates are messages looked through a second. */
export async function measureSearch(context: BenchContext, messages: number): Promise<void> {
  const { samples, progress } = context;
  const hits = new Map<string, string>();
  const search = async (side: BenchSide, account: Account, state: 'Scan' | 'Indexed'): Promise<void> => {
    await withImap(side, account, async (session) => {
      await session.imap('b', 'SELECT INBOX');
      for (const [key, word] of Object.entries(WORDS)) {
        let found = '';
        const perSecond = await rate(messages, async () => {
          found = await session.imapText('s', `UID SEARCH TEXT "${word}"`);
        });
        const uids = /^\* SEARCH([ \d]*)\r?$/m.exec(found)?.[1] ?? '';
        if (uids === '') throw new Error(`SEARCH TEXT "${word}" finds nothing: ${found.slice(0, 200)}`);
        const known = hits.get(word) ?? uids;
        hits.set(word, known);
        if (uids !== known) throw new Error(`SEARCH TEXT "${word}" (${state}) has other hits than before`);
        samples.add(`search${key}${state}`, side.name, perSecond);
      }
    });
  };
  await eachRound(
    context,
    { name: `search in ${messages}`, accounts: 1, rounds: 1 },
    async (side, [account]) => {
      if (account === undefined) return;
      makeMailbox(account, messages);
      await search(side, account, 'Scan');
      if (side.name === 'ours') {
        const waited = await timed(() => untilIndexed(side, account, messages));
        progress(`search: ours has ${messages} messages indexed ${(waited / 1000).toFixed(1)} s later`);
      }
      for (let i = 0; i < 3; i++) await search(side, account, 'Indexed');
      removeMailbox(account);
    },
  );
}

async function untilIndexed(side: BenchSide, account: Account, messages: number): Promise<void> {
  const deadline = performance.now() + INDEXED_WITHIN_MS;
  const args = ['index', 'status', '--data-dir', side.dataFolder ?? '', account.name];
  for (;;) {
    const text = execFileSync(path.join(REPOSITORY, 'postcote'), args, { encoding: 'utf8' });
    if (new RegExp(`\\b${messages} of +${messages}\\b`).test(text)) return;
    if (performance.now() > deadline) throw new Error(`not indexed yet: ${text}`);
    await sleep(1000);
  }
}
