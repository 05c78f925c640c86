// Mail out: a mailbox of many messages, opened, synchronised over IMAP and downloaded over POP3; and connections
// that only wait.

import fs from 'node:fs';
import path from 'node:path';
import type { Account } from '../support/play-transcript.ts';
import { LineSession } from './line-session.ts';
import type { BenchSide } from './sides.ts';

export interface MailboxFigures {
  readonly coldSelectMs: number;
  readonly warmSelectMs: number;
  readonly syncPerSecond: number;
  readonly pop3PerSecond: number;
}

const WARM_SELECTS = 5;
/** RETR commands on their way at once. */
const PIPELINE = 50;

/** A Maildir no server has seen: messages as a delivery agent leaves them, without any index. */
export function makeMailbox(account: Account, messages: number): void {
  const maildir = path.join(account.home, 'mail');
  for (const folder of ['', 'cur', 'new', 'tmp']) {
    const directory = path.join(maildir, folder);
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    fs.chownSync(directory, account.uid, account.gid);
  }
  const begun = 1_600_000_000;
  for (let i = 0; i < messages; i++) {
    const file = path.join(maildir, 'cur', `${begun + i * 60}.M${i}P1.bench:2,${i % 3 === 0 ? '' : 'S'}`);
    fs.writeFileSync(file, makeMessage(i, begun + i * 60), { mode: 0o600 });
    fs.chownSync(file, account.uid, account.gid);
  }
}

function makeMessage(number: number, seconds: number): string {
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000');
  const line = `This is line of message ${number}, as long as such lines use to be in letters.\n`;
  return [
    'Return-Path: <sender@example.com>',
    'Received: from mail.example.net (mail.example.net [192.0.2.1])',
    `\tby lollipop.example.com (Postfix) with ESMTPS id ${(number + 0x10000).toString(16).toUpperCase()}`,
    `\tfor <someone@example.com>; ${date}`,
    `From: "Sender ${number % 97}" <sender${number % 97}@example.net>`,
    'To: someone@example.com',
    `Subject: Message ${number} of a mailbox with many`,
    `Date: ${date}`,
    `Message-ID: <${number}.bench@example.net>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    // Two to six kilobytes.
    line.repeat(25 + ((number * 7) % 50)),
  ].join('\n');
}

/** Logins are outside of what is timed. */
export async function runMailboxLoad(
  side: BenchSide,
  account: Account,
  messages: number,
): Promise<MailboxFigures> {
  const first = await loginImap(side, account, false);
  const coldSelectMs = await timed(() => first.imap('b', 'SELECT INBOX'));
  const syncMs = await timed(() =>
    first.imap('c', 'UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])'),
  );
  first.close();
  const warm: number[] = [];
  for (let i = 0; i < WARM_SELECTS; i++) {
    const session = await loginImap(side, account, false);
    warm.push(await timed(() => session.imap('b', 'SELECT INBOX')));
    await session.imap('c', 'LOGOUT').catch(() => {});
    session.close();
  }
  const pop3Ms = await downloadAll(side, account, messages);
  return {
    coldSelectMs,
    warmSelectMs: warm.toSorted((a, b) => a - b)[WARM_SELECTS >> 1] ?? 0,
    syncPerSecond: (messages / syncMs) * 1000,
    pop3PerSecond: (messages / pop3Ms) * 1000,
  };
}

async function downloadAll(side: BenchSide, account: Account, messages: number): Promise<number> {
  const session = await LineSession.open(side.ports.pop3, { secure: false });
  await session.pop3(`USER ${account.name}`);
  await session.pop3(`PASS ${account.password}`);
  const elapsed = await timed(async () => {
    const stat = await session.pop3('STAT');
    if (!stat.startsWith(`+OK ${messages} `)) throw new Error(`${side.name}: STAT says ${stat}`);
    await session.ask('UIDL\r\n', (tail) => tail.subarray(-5).toString('latin1') === '\r\n.\r\n');
    for (let start = 1; start <= messages; start += PIPELINE) {
      const end = Math.min(messages, start + PIPELINE - 1);
      const commands = Array.from({ length: end - start + 1 }, (_, i) => `RETR ${start + i}\r\n`).join('');
      // NOOP's answer is the one line after a message's end: it tells that all are here.
      await session.ask(`${commands}NOOP\r\n`, (tail) =>
        /\r\n\.\r\n\+OK[^\r\n]*\r\n$/.test(tail.toString('latin1')),
      );
    }
  });
  session.close();
  return elapsed;
}

export async function loginImap(side: BenchSide, account: Account, secure: boolean): Promise<LineSession> {
  const session = await LineSession.open(secure ? side.ports.imaps : side.ports.imap, { secure });
  await session.imap('a', `LOGIN ${account.name} ${account.password}`);
  return session;
}

/** Connections over TLS with INBOX selected and IDLE begun, as phones keep them; `close` ends all. */
export async function openIdle(
  side: BenchSide,
  accounts: readonly Account[],
  count: number,
): Promise<{ close(): void }> {
  const sessions: LineSession[] = [];
  for (let i = 0; i < count; i++) {
    const account = accounts[i % accounts.length];
    if (account === undefined) break;
    const session = await loginImap(side, account, true);
    await session.imap('b', 'SELECT INBOX');
    await session.ask('c IDLE\r\n', (tail) => tail.includes('+ '));
    sessions.push(session);
  }
  return {
    close() {
      for (const session of sessions) session.close();
    },
  };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}
