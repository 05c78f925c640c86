// Answers root's questions about this user's index, in the one process that may write it.

import type { Socket } from 'node:net';
import type { MaildirStore } from '@postcote/maildir/edge';
import { formatFrame } from '@postcote/wire';
import type { IndexAction, IndexAnswer } from '../control/index-inquiry.ts';

/** Between two lines about the folder that is being indexed. */
const TELL_EVERY_MS = 500;

/** Ends the connection when all is told. */
export async function answerInquiry(
  openStore: () => MaildirStore,
  action: IndexAction,
  socket: Socket,
): Promise<void> {
  const tell = (answer: IndexAnswer): void => {
    if (!socket.destroyed) socket.write(formatFrame(answer));
  };
  try {
    const store = openStore();
    if (action === 'rebuild') {
      let last = 0;
      await store.rebuildIndex((name, done, all) => {
        const now = performance.now();
        if (done < all && now - last < TELL_EVERY_MS) return;
        last = now;
        tell({ kind: 'folder', name, messages: all, indexed: done });
      });
    } else {
      for (const row of await store.indexStatus()) tell({ kind: 'folder', ...row });
    }
    tell({ kind: 'done', ...(await store.indexPlace()) });
  } catch (error) {
    tell({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
  }
  socket.end();
}
