// Takes one resting IMAP session and its connection apart for whoever keeps them while this process is gone.

import type { Socket } from 'node:net';
import type { ImapUserSession } from '@postcote/imap';
import { type DrivenSocket, releaseSocket } from '@postcote/wire/edge';
import { directorySignature } from '../directory-signature.ts';
import type { SleepingSession } from '../ipc.ts';

export interface AwakeSession {
  readonly session: ImapUserSession;
  readonly driven: DrivenSocket;
  readonly remoteAddress: string;
  /** Milliseconds between keepalives while idling. */
  readonly keepalive: number;
}

/**
 * Undefined when the session has something to do after all; it then goes on. Otherwise the socket is to be sent away
 * in this turn of the event loop.
 */
export async function putToSleep(
  awake: AwakeSession,
): Promise<{ readonly session: SleepingSession; readonly socket: Socket } | undefined> {
  const { session, driven, remoteAddress, keepalive } = awake;
  // What the client says from here on waits in the socket, and goes along.
  driven.pause();
  const { watchPaths, idling } = session;
  // Before the session's last look: whatever changes later differs from this.
  const watched = watchPaths.map((path) => [path, directorySignature(path)] as const);
  const state = await session.suspend();
  if (state === undefined) {
    driven.resume();
    return undefined;
  }
  const socket = driven.detach();
  socket.on('error', () => socket.destroy());
  await new Promise((resolve) => socket.write('', resolve));
  const said = releaseSocket(socket).toString('base64');
  return {
    session: { state, remoteAddress, said, idling, watched, keepalive, closedLine: state.closedLine },
    socket,
  };
}
