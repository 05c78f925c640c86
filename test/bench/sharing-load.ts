// Several at once: four users who read their mail, one user who waits while another works, one who idles while mail
// arrives, and many who log in.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../support/play-transcript.ts';
import { type BenchContext, eachRound, rate } from './bench-context.ts';
import { FREQUENT_WORD, makeMailbox, removeMailbox } from './corpus.ts';
import { loginImap, withImap } from './imap-client.ts';
import type { LineSession } from './line-session.ts';
import { sendFromSource } from './mail-load.ts';
import { median } from './metrics.ts';
import type { NoopFigures, NoopTask } from './noop-client.ts';
import { readCpu } from './process-figures.ts';
import type { BenchSide } from './sides.ts';

const USERS = 4;
const BODIES = 'UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])';
const NOOP_CLIENT = path.join(import.meta.dirname, 'noop-client.ts');

/** As many messages in each mailbox. */
export async function measureTogether(context: BenchContext, messages: number): Promise<void> {
  await eachRound(context, { name: 'four syncs', accounts: USERS }, async (side, accounts) => {
    for (const account of accounts) makeMailbox(account, messages);
    const sessions: LineSession[] = [];
    try {
      for (const account of accounts) sessions.push(await loginImap(side, account));
      const sync = async (session: LineSession): Promise<void> => {
        await session.imap('b', 'SELECT INBOX');
        await session.imap('c', BODIES);
      };
      const perSecond = rate(USERS * messages, () => Promise.all(sessions.map(sync)));
      context.samples.add('fourSyncs', side.name, await perSecond);
    } finally {
      for (const session of sessions) session.close();
    }
    for (const account of accounts) removeMailbox(account);
  });
}

const WORK: readonly (readonly [key: string, command: string])[] = [
  ['noopSelect', 'SELECT INBOX'],
  ['noopSync', BODIES],
  ['noopSearch', `UID SEARCH TEXT "${FREQUENT_WORD}"`],
];
const WORK_MS = 1500;

export async function measureFairness(context: BenchContext, messages: number): Promise<void> {
  const { samples, progress } = context;
  const name = `another user's NOOP, ${messages}`;
  await eachRound(context, { name, accounts: 2 }, async (side, [worker, waiter]) => {
    if (worker === undefined || waiter === undefined) return;
    makeMailbox(worker, messages);
    makeMailbox(waiter, 10);
    await withImap(side, worker, async (session) => {
      for (const [key, command] of WORK) {
        const waiting = await startNoops(side, waiter);
        const end = performance.now() + WORK_MS;
        // At least once, the first of each as cold as it comes.
        do await session.imap('w', command);
        while (performance.now() < end);
        const figures = await waiting.end();
        samples.add(key, side.name, figures.p99);
        progress(
          `${name}: ${side.name} ${key} p50 ${figures.p50.toFixed(2)}, p99 ${figures.p99.toFixed(2)}, most ${figures.most.toFixed(1)} ms of ${figures.count}`,
        );
      }
    });
    removeMailbox(worker);
  });
}

async function startNoops(side: BenchSide, account: Account): Promise<{ end(): Promise<NoopFigures> }> {
  const task: NoopTask = { port: side.ports.imap, user: account.name, password: account.password };
  const child = spawn(process.execPath, [NOOP_CLIENT, JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  const exit = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.startsWith('ready\n')) resolve();
    });
    child.once('close', () => reject(new Error('the client that says NOOP has ended')));
  });
  return {
    async end() {
      child.stdin.end();
      await exit;
      return JSON.parse(said.split('\n')[1] ?? '{}') as NoopFigures;
    },
  };
}

const PUSHED = 12;
/** Dovecot looks half a second after a change, or later where one followed another. */
const BETWEEN_PUSHES_MS = 700;

/** From the moment smtp-source has its last reply (and ends) to the EXISTS in a session that idles. */
export async function measurePush(context: BenchContext): Promise<void> {
  await eachRound(context, { name: 'push', accounts: 1 }, async (side, [account]) => {
    if (account === undefined) return;
    makeMailbox(account, 1);
    const session = await loginImap(side, account);
    try {
      await session.imap('b', 'SELECT INBOX');
      await session.ask('c IDLE\r\n', (tail) => tail.includes('+ '));
      const times: number[] = [];
      for (let i = 0; i < PUSHED; i++) {
        let heard = 0;
        const exists = session
          .hear((tail) => /EXISTS\r\n/.test(tail.toString('latin1')))
          .then(() => (heard = performance.now()));
        await sendFromSource(side, `${account.name}@example.com`, {
          sessions: 1,
          messages: 1,
          length: 2048,
          reuse: true,
        });
        const accepted = performance.now();
        await exists;
        times.push(Math.max(0, heard - accepted));
        await sleep(BETWEEN_PUSHES_MS);
      }
      context.samples.add('push', side.name, median(times) ?? 0);
    } finally {
      session.close();
    }
    removeMailbox(account);
  });
}

const LOGINS = 200;
const AT_ONCE = 5;

/** Users who are known: their processes run, as they do for people who read mail all day. */
export async function measureLogins(context: BenchContext): Promise<void> {
  await eachRound(context, { name: 'logins', accounts: AT_ONCE }, async (side, accounts) => {
    const logInOften = async (account: Account, times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const session = await loginImap(side, account);
        await session.imap('z', 'LOGOUT').catch(() => {});
        session.close();
      }
    };
    const all = (times: number): Promise<unknown> =>
      Promise.all(accounts.map((account) => logInOften(account, times)));
    await all(4);
    const before = readCpu(side.pids());
    context.samples.add('logins', side.name, await rate(LOGINS, () => all(LOGINS / AT_ONCE)));
    await sleep(200);
    const cpu = readCpu(side.pids()) - before;
    context.samples.add('loginCpu', side.name, (cpu / LOGINS) * 1000);
  });
}
