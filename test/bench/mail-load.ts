// Mail in: smtp-source (of the postfix package) sends, and a look into the Maildirs says when all has arrived.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../support/play-transcript.ts';
import { readCpu } from './process-figures.ts';
import type { BenchSide } from './sides.ts';

export interface MailLoad {
  /** All sessions together. */
  readonly sessions: number;
  readonly messages: number;
  /** Octets of one. */
  readonly length: number;
  /** Many messages on one connection, or one on each. */
  readonly reuse: boolean;
}

export interface MailFigures {
  readonly acceptedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly cpuMsPerMessage: number;
}

const DELIVERY_LIMIT_MS = 300_000;
const POLL_MS = 10;

/** Sends to the accounts in equal parts, waits until all is in their Maildirs, and empties these. */
export async function runMailLoad(
  side: BenchSide,
  accounts: readonly Account[],
  load: MailLoad,
): Promise<MailFigures> {
  const before = accounts.map(countMessages).reduce(add, 0);
  const cpuBefore = readCpu(side.pids());
  const begun = performance.now();
  const each = Math.floor(load.messages / accounts.length);
  const sessions = Math.max(1, Math.floor(load.sessions / accounts.length));
  await Promise.all(accounts.map((account) => sendAll(side, account, { ...load, sessions, messages: each })));
  const accepted = performance.now() - begun;
  const total = each * accounts.length;
  const deadline = performance.now() + DELIVERY_LIMIT_MS;
  while (accounts.map(countMessages).reduce(add, 0) - before < total) {
    if (performance.now() > deadline)
      throw new Error(`${side.name}: mail did not arrive\n${side.log().slice(-9000)}`);
    await sleep(POLL_MS);
  }
  const delivered = performance.now() - begun;
  // The last removals from the queue are part of the work.
  await sleep(200);
  const cpu = readCpu(side.pids()) - cpuBefore;
  for (const account of accounts) emptyMaildir(account);
  return {
    acceptedPerSecond: (total / accepted) * 1000,
    deliveredPerSecond: (total / delivered) * 1000,
    cpuMsPerMessage: (cpu / total) * 1000,
  };
}

function sendAll(side: BenchSide, account: Account, load: MailLoad): Promise<void> {
  return sendFromSource(side, `${account.name}@example.com`, load);
}

/** Settles when smtp-source has sent all of it. */
export function sendFromSource(
  side: BenchSide,
  recipient: string,
  load: MailLoad,
  extra: readonly string[] = [],
): Promise<void> {
  const args = [
    '-s',
    String(load.sessions),
    '-m',
    String(load.messages),
    '-l',
    String(load.length),
    ...extra,
  ];
  if (load.reuse) args.push('-d');
  args.push('-f', 'sender@example.com', '-t', recipient, `127.0.0.1:${side.ports.smtp}`);
  return new Promise((resolve, reject) => {
    const child = spawn('smtp-source', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString('latin1')));
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0 && complaint === '') resolve();
      else
        reject(
          new Error(`${side.name}: smtp-source: ${complaint.slice(0, 500)}\n${side.log().slice(-9000)}`),
        );
    });
  });
}

/** Waits until nothing more arrives, and empties the Maildirs. */
export async function allDelivered(side: BenchSide, accounts: readonly Account[]): Promise<void> {
  for (let before = -1, now = 0; now !== before;) {
    before = now;
    await sleep(500);
    now = accounts.map(countMessages).reduce(add, 0);
  }
  if (side.pids().length === 0) throw new Error(`${side.name} is gone\n${side.log().slice(-9000)}`);
  for (const account of accounts) emptyMaildir(account);
}

const FOLDERS = ['new', 'cur'];

export function countMessages(account: Account): number {
  return FOLDERS.map((folder) => list(path.join(account.home, 'mail', folder)).length).reduce(add, 0);
}

export function emptyMaildir(account: Account): void {
  for (const folder of FOLDERS) {
    const directory = path.join(account.home, 'mail', folder);
    for (const name of list(directory)) fs.rmSync(path.join(directory, name), { force: true });
  }
}

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

function add(a: number, b: number): number {
  return a + b;
}
