// The front: the one process that talks to the network. Gives up every privilege before it accepts.

import { type OpenedLog, openLog } from '../log/open-log.ts';
import type { FrontToSupervisor, SupervisorToFront } from '../ipc.ts';
import { startQueueThread } from '@postcote/queue/edge';
import { becomeUser } from '../become-user.ts';
import { collectReadBuffers, trimAfterStart } from '../trim-memory.ts';
import { Front } from './front.ts';

const opened: OpenedLog = openLog();
const { log } = opened;
let front: Front | undefined;
let ending = false;

const tell = (message: FrontToSupervisor): void => {
  process.send?.(message);
};

function end(status: number): void {
  opened.flush();
  process.exit(status);
}

function crash(error: unknown): void {
  log('fatal', 'postcote', `front: ${error instanceof Error ? error.stack : String(error)}`);
  end(70);
}

function stop(): void {
  if (ending) return;
  ending = true;
  if (front === undefined) end(0);
  else void front.stop().then(() => end(0));
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
process.on('disconnect', () => end(0));
process.on('SIGTERM', stop);
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
process.title = 'postcote: front';

/** Everything that runs is loaded before root is given up: the code may lie where only root can read. */
async function start(message: Extract<SupervisorToFront, { type: 'start' }>): Promise<Front> {
  const queueThread = await startQueueThread(new URL('./queue-thread.js', import.meta.url));
  if (message.identity !== undefined) becomeUser({ ...message.identity, groups: 'none' });
  return await Front.start(message, log, queueThread);
}

process.on('message', (message: SupervisorToFront) => {
  switch (message.type) {
    case 'start':
      start(message).then(
        (started) => {
          front = started;
          trimAfterStart();
          collectReadBuffers();
          tell({ type: 'ready' });
        },
        (error: unknown) => {
          log('fatal', 'postcote', `front: ${error instanceof Error ? error.stack : String(error)}`);
          tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
          end(70);
        },
      );
      return;
    case 'reload':
      front?.reload(message);
      tell({ type: 'reloaded' });
      return;
    case 'shutDown':
      stop();
      return;
  }
});
