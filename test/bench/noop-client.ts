// Says NOOP every few milliseconds in a process of its own, and tells how long the answers took: what another user
// notices of somebody's heavy work. Reads its task as JSON from the first argument; says `ready` when it has begun, and
// prints its figures as JSON when its standard input ends.

import { setTimeout as sleep } from 'node:timers/promises';
import { LineSession } from './line-session.ts';

export interface NoopTask {
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

export interface NoopFigures {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  readonly count: number;
}

const BETWEEN_MS = 4;

async function run({ port, user, password }: NoopTask): Promise<NoopFigures> {
  const session = await LineSession.open(port, { secure: false });
  await session.imap('a', `LOGIN ${user} ${password}`);
  await session.imap('b', 'SELECT INBOX');
  const times: number[] = [];
  process.stdin.resume();
  for (let i = 0; !process.stdin.readableEnded; i++) {
    const begun = performance.now();
    await session.imap('n', 'NOOP');
    // The first ones warm up both ends.
    if (i >= 50) times.push(performance.now() - begun);
    if (i === 50) process.stdout.write('ready\n');
    await sleep(BETWEEN_MS);
  }
  session.close();
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), most: at(1), count: sorted.length };
}

process.stdout.write(`${JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as NoopTask))}\n`);
