// The authenticator as a process of its own, for pam.test.ts: serves the socket named by its argument with real
// PAM and the real passwd table, and sends granted connections to its parent as the supervisor would get them.

import { createServer } from 'node:net';
import { PamAuthenticator, PasswdDirectory, serveAuthenticator } from '../../packages/auth/src/edge/index.ts';

const server = createServer();
serveAuthenticator({
  server,
  authenticator: new PamAuthenticator(),
  directory: new PasswdDirectory(),
  log: (_level, program, message) => void process.send?.({ kind: 'log', line: `${program}: ${message}` }),
  grant: (grant, socket) =>
    new Promise((resolve, reject) => {
      process.send?.({ kind: 'grant', grant }, socket, {}, (error) =>
        error === null ? resolve() : reject(error),
      );
    }),
});
server.listen(process.argv[2], () => process.send?.({ kind: 'ready' }));
