// Waits until every port of a server greets: the time a person would wait after starting it.

import net from 'node:net';
import tls from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServicePorts } from '../support/guide-config.ts';

const RETRY_MS = 5;
const IMPLICIT_TLS = new Set(['smtps', 'imaps', 'pop3s']);

/** `alive` throws to give up early. */
export async function waitForGreetings(
  ports: ServicePorts,
  limitMs: number,
  alive: () => void,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  await Promise.all(
    Object.entries(ports).map(async ([service, port]) => {
      while (!(await greets(port, IMPLICIT_TLS.has(service)))) {
        alive();
        if (performance.now() > deadline) throw new Error(`no greeting on ${service} (${port})`);
        await sleep(RETRY_MS);
      }
    }),
  );
}

/** Made once: a context of its own for every try would keep a processor busy while the server starts. */
const context = tls.createSecureContext();

function greets(port: number, secure: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    if (!secure) {
      socket.once('data', () => end(true));
      return;
    }
    socket.once('connect', () => {
      const secured = tls.connect({ socket, secureContext: context, rejectUnauthorized: false });
      secured.once('data', () => end(true));
      secured.once('error', () => end(false));
    });
  });
}
