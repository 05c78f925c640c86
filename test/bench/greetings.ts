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

function greets(port: number, secure: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = secure
      ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : net.connect(port, '127.0.0.1');
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}
