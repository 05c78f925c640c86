// Mail changed: flags, expunges, copies and moves of a thousand messages, and appends by one and by ten sessions.

import { type BenchContext, eachRound, rate } from './bench-context.ts';
import { makeMailbox, makeMessage, removeMailbox } from './corpus.ts';
import { append, loginImap, withImap } from './imap-client.ts';
import type { LineSession } from './line-session.ts';

const CHANGED = 1000;
const APPENDED = 300;
const SESSIONS = 10;

/** The mailbox holds twice as many as are changed. */
export async function measureChanging(context: BenchContext): Promise<void> {
  const { samples } = context;
  await eachRound(context, { name: 'changes', accounts: 1 }, async (side, [account]) => {
    if (account === undefined) return;
    makeMailbox(account, 2 * CHANGED);
    const set = `1:${CHANGED}`;
    await withImap(side, account, async (session) => {
      const measure = async (key: string, command: string): Promise<void> =>
        samples.add(key, side.name, await rate(CHANGED, () => session.imap('c', command)));
      await session.imap('b', 'CREATE copies');
      await session.imap('b', 'CREATE moved');
      await session.imap('b', 'SELECT INBOX');
      await measure('store', `STORE ${set} +FLAGS (\\Flagged)`);
      await measure('copy', `COPY ${set} copies`);
      await measure('move', `MOVE ${set} moved`);
      await session.imap('d', `STORE ${set} +FLAGS.SILENT (\\Deleted)`);
      await measure('expunge', 'EXPUNGE');
    });
    removeMailbox(account);
  });
  await eachRound(context, { name: 'appends', accounts: 1 }, async (side, [account]) => {
    if (account === undefined) return;
    makeMailbox(account, 1);
    const sessions: LineSession[] = [];
    try {
      for (let i = 0; i < SESSIONS; i++) sessions.push(await loginImap(side, account));
      const message = (i: number): string => makeMessage(i, 1_700_000_000 + i).replaceAll('\n', '\r\n');
      const appendAll = async (using: readonly LineSession[], count: number): Promise<void> => {
        await Promise.all(
          using.map(async (session) => {
            for (let i = 0; i < count / using.length; i++) await append(session, 'INBOX', message(i));
          }),
        );
      };
      // The first few find out where mail goes, which is not what is asked here.
      await appendAll(sessions, 2 * SESSIONS);
      samples.add(
        'append1',
        side.name,
        await rate(APPENDED, () => appendAll(sessions.slice(0, 1), APPENDED)),
      );
      samples.add('append10', side.name, await rate(2 * APPENDED, () => appendAll(sessions, 2 * APPENDED)));
    } finally {
      for (const session of sessions) session.close();
    }
    removeMailbox(account);
  });
}
