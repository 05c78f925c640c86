// What a host of `net-hosts.ts` runs: DNS on its loopback, scripted mail servers on its addresses, and a client that
// speaks for the test. It obeys the parent and ends with it.

import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SmtpClient } from './clients.ts';
import { DnsServer, type Zone } from './dns-server.ts';
import { type Behaviour, ScriptedMx, type TakenMail } from './scripted-mx.ts';

export interface Sending {
  readonly address: string;
  readonly port: number;
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly mailWords?: string;
  readonly rcptWords?: string;
}

export interface MxState {
  readonly taken: readonly TakenMail[];
  readonly lines: readonly string[];
  readonly connections: number;
  readonly peers: readonly string[];
}

export type Call =
  | { readonly method: 'dns' | 'zone'; readonly zone: Zone }
  | { readonly method: 'mx'; readonly address: string; readonly behaviour: Behaviour }
  | { readonly method: 'state'; readonly address: string }
  | ({ readonly method: 'send' } & Sending)
  | { readonly method: 'greeted'; readonly address: string; readonly port: number };

export interface Answer {
  readonly id: number;
  readonly error?: string;
  readonly value?: unknown;
}

const SMTP_PORT = 25;
const GREETING_LIMIT_MS = 60_000;
const servers = new Map<string, ScriptedMx>();
let dns: DnsServer | undefined;

async function run(call: Call): Promise<unknown> {
  switch (call.method) {
    case 'dns':
      dns = await DnsServer.start({ address: '127.0.0.1', port: 53, zone: call.zone });
      return undefined;
    case 'zone':
      dns?.set(call.zone);
      return undefined;
    case 'mx': {
      const running = servers.get(call.address);
      if (running !== undefined) running.behaviour = call.behaviour;
      else servers.set(call.address, await ScriptedMx.start(call.address, SMTP_PORT, call.behaviour));
      return undefined;
    }
    case 'state': {
      const { taken = [], lines = [], connections = 0, peers = [] } = servers.get(call.address) ?? {};
      return { taken, lines, connections, peers } satisfies MxState;
    }
    case 'send':
      return await send(call);
    case 'greeted':
      return await greeted(call.address, call.port);
  }
}

async function send(sending: Sending): Promise<string> {
  const client = await SmtpClient.connect({ port: sending.port, host: sending.address });
  await client.command(`MAIL FROM:<${sending.from}>${sending.mailWords ?? ''}`, '250');
  for (const one of sending.to) await client.command(`RCPT TO:<${one}>${sending.rcptWords ?? ''}`, '250');
  await client.command('DATA', '354');
  const reply = await client.command(`${sending.text.replaceAll('\r\n.', '\r\n..')}.`, '250');
  await client.quit();
  return reply.join(' ');
}

async function greeted(address: string, port: number): Promise<void> {
  const deadline = Date.now() + GREETING_LIMIT_MS;
  while (!(await greets(address, port, deadline - Date.now()))) {
    if (Date.now() > deadline) throw new Error(`${address}:${port} does not greet`);
    await sleep(50);
  }
}

function greets(address: string, port: number, limit: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, address);
    const timer = setTimeout(() => end(false), limit);
    const end = (did: boolean): void => {
      clearTimeout(timer);
      socket.end('QUIT\r\n');
      resolve(did);
    };
    socket.once('data', (octets) => end(octets.toString('latin1').startsWith('220')));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}

process.on('message', (message: Call & { readonly id: number }) => {
  run(message).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
