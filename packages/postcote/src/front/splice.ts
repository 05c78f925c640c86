// Joins a client's connection with the connection to its mailbox worker: after login the front only carries
// bytes, decrypted on one side, plain on the other.

import type { Socket } from 'node:net';

/** Sends `first` (input that came behind the login) to the worker, then everything both ways until one ends. */
export function spliceSockets(client: Socket, worker: Socket, first: Buffer): void {
  const end = (): void => {
    client.destroy();
    worker.destroy();
  };
  // What one side still has to say is passed on before the other is closed: `pipe` ends its target.
  client.on('error', end);
  worker.on('error', end);
  client.on('close', () => worker.end());
  worker.on('close', () => {
    if (!client.destroyed) client.end();
    // A client that does not take its last bytes is not waited for.
    setTimeout(() => client.destroy(), CLOSE_LINGER).unref();
  });
  if (first.length > 0) worker.write(first);
  client.pipe(worker);
  worker.pipe(client);
}

const CLOSE_LINGER = 10_000;
