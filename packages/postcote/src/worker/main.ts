// A mailbox worker: one user's mail, under that user's uid. It is started without an owner, may wait as a spare,
// becomes one user's with the `assign` message (giving up every privilege first), and then serves the connections
// the supervisor hands it: IMAP and POP3 sessions after login, and deliveries.

import type { Socket } from 'node:net';
import { type OpenedLog, openLog } from '../log/open-log.ts';
import type { SupervisorToWorker, WorkerToSupervisor } from '../ipc.ts';
import { becomeUser } from '../become-user.ts';
import { closeInheritedDescriptors, killRunningCommands } from '../local/run-command.ts';
import { UserWorker } from './user-worker.ts';

const tell = (message: WorkerToSupervisor): void => {
  process.send?.(message);
};

let opened: OpenedLog | undefined;
let worker: UserWorker | undefined;

function leave(status: number): void {
  killRunningCommands();
  // After a fault the files are compared anew.
  if (status === 0) worker?.save();
  opened?.flush();
  process.exit(status);
}

// Without its supervisor a worker serves nobody.
process.on('disconnect', () => leave(0));
process.on('SIGTERM', () => worker?.shutDown(() => leave(0)) ?? leave(0));
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
const crash = (error: unknown): void => {
  opened ??= openLog();
  opened.log('fatal', 'postcote', `mailbox worker: ${error instanceof Error ? error.stack : String(error)}`);
  leave(70);
};
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);

process.on('message', (message: SupervisorToWorker, socket: Socket | undefined) => {
  switch (message.type) {
    case 'assign':
      if (message.changeIdentity)
        becomeUser({ ...message.account, groups: message.account.commandsOnly === true ? 'none' : 'own' });
      process.title = `postcote: ${message.account.name}`;
      closeInheritedDescriptors();
      opened = openLog();
      worker = new UserWorker({
        account: message.account,
        settings: message.settings,
        indexFolder: message.indexFolder,
        log: opened.log,
        onIdle: (connections) => tell({ type: 'idle', connections }),
        onAsleep: (session, socket) =>
          process.send?.({ type: 'asleep', session } satisfies WorkerToSupervisor, socket, {
            keepOpen: false,
          }),
      });
      return;
    case 'connection':
      if (socket === undefined) worker?.lostConnection();
      else worker?.accept(message, socket);
      return;
    case 'ping':
      tell({ type: 'pong' });
      return;
    case 'leave':
      leave(0);
      return;
    case 'endSessions':
      worker?.endSessions();
      return;
    case 'shutDown':
      if (worker === undefined) leave(0);
      else worker.shutDown(() => leave(0));
      return;
  }
});
tell({ type: 'started' });
