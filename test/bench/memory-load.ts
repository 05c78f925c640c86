// Memory: of a server that has just started, and what each connection costs that idles over TLS, as phones keep them.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../support/play-transcript.ts';
import type { BenchContext } from './bench-context.ts';
import { loginImap } from './imap-client.ts';
import type { LineSession } from './line-session.ts';
import { readPss } from './process-figures.ts';
import type { BenchSide, SideOptions } from './sides.ts';

const SETTLE_MS = 3000;
const ASLEEP_WITHIN_MS = 60_000;

/** Ours puts sessions to sleep after half a minute by itself; here sooner, so that nobody waits for it. */
export const SLEEPING: SideOptions = { ourDovecot: ['imap_hibernate_timeout = 5s'] };

/** `sides` are stopped, and stopped again at the end. Counts of connections ascend, over all accounts in turn. */
export async function measureMemory(
  context: BenchContext,
  accounts: readonly Account[],
  counts: readonly number[],
): Promise<void> {
  const { samples, progress, rounds } = context;
  for (let round = 0; round < rounds; round++) {
    for (const side of context.sides) {
      const sessions: LineSession[] = [];
      try {
        await side.start();
        await sleep(SETTLE_MS);
        const processes = side.pids().length;
        const idle = readPss(side.pids()) / 1024;
        samples.add('memoryIdle', side.name, idle);
        for (const count of counts) {
          while (sessions.length < count) sessions.push(await idleSession(side, accounts, sessions.length));
          await sleep(SETTLE_MS);
          const awake = readPss(side.pids()) / 1024;
          samples.add(`memory${count}`, side.name, awake);
          if (side.name === 'ours') await allAsleep(side, processes);
          const asleep = readPss(side.pids()) / 1024;
          samples.add(`memoryEach${count}`, side.name, ((asleep - idle) / count) * 1024);
          progress(
            `memory ${round + 1}/${rounds}: ${side.name} ${idle.toFixed(0)} MiB, with ${count} connections ${awake.toFixed(0)} and then ${asleep.toFixed(0)} MiB`,
          );
        }
      } catch (error) {
        samples.fail(`memory, ${side.name}: ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        for (const session of sessions) session.close();
        await side.stop();
      }
    }
  }
}

/** INBOX selected, IDLE begun. */
async function idleSession(
  side: BenchSide,
  accounts: readonly Account[],
  number: number,
): Promise<LineSession> {
  const account = accounts[number % accounts.length];
  if (account === undefined) throw new Error('no account');
  const session = await loginImap(side, account, true);
  await session.imap('b', 'SELECT INBOX');
  await session.ask('c IDLE\r\n', (tail) => tail.includes('+ '));
  return session;
}

/** No more processes than before anybody came. */
async function allAsleep(side: BenchSide, processes: number): Promise<void> {
  const deadline = performance.now() + ASLEEP_WITHIN_MS;
  while (side.pids().length > processes) {
    if (performance.now() > deadline) throw new Error(`still ${side.pids().length} processes`);
    await sleep(500);
  }
  await sleep(SETTLE_MS);
}
