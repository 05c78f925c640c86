// Loopback ports for private servers.

import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Below the range that the system takes clients' ports from, so that no connection is sitting on one. */
const FIRST = 20_000;
const LAST = 32_000;

/** Ports that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Waits until all ports take connections. `alive` may throw to give up early. */
export async function waitForPorts(
  ports: readonly number[],
  options: { readonly timeoutMs: number; readonly alive?: () => void },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  for (const port of ports) {
    while (!(await answers(port))) {
      options.alive?.();
      if (Date.now() > deadline) throw new Error(`nothing answers on port ${port}`);
      await sleep(30);
    }
  }
}
