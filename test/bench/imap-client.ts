// Logins and commands of IMAP and POP3 that several parts of the benchmark use.

import type { Account } from '../support/play-transcript.ts';
import { LineSession } from './line-session.ts';
import type { BenchSide } from './sides.ts';

export async function loginImap(side: BenchSide, account: Account, secure = false): Promise<LineSession> {
  const session = await LineSession.open(secure ? side.ports.imaps : side.ports.imap, { secure });
  await session.imap('a', `LOGIN ${account.name} ${account.password}`);
  return session;
}

export async function withImap<T>(
  side: BenchSide,
  account: Account,
  run: (session: LineSession) => Promise<T>,
): Promise<T> {
  const session = await loginImap(side, account);
  try {
    const result = await run(session);
    // Whatever a session keeps when it ends is kept before the next begins.
    await session.imap('z', 'LOGOUT').catch(() => {});
    return result;
  } finally {
    session.close();
  }
}

export async function loginPop3(side: BenchSide, account: Account): Promise<LineSession> {
  const session = await LineSession.open(side.ports.pop3, { secure: false });
  await session.pop3(`USER ${account.name}`);
  await session.pop3(`PASS ${account.password}`);
  return session;
}

/** APPEND with a literal that waits for nobody. */
export function append(session: LineSession, mailbox: string, message: string): Promise<number> {
  return session.imap('d', `APPEND ${mailbox} {${message.length}+}\r\n${message}`);
}
