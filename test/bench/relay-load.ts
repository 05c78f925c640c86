// Mail that goes on to another host: smtp-source in, smtp-sink at the other end, for one next hop and for twenty.

import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Zone } from '../support/dns-server.ts';
import { freePorts } from '../support/ports.ts';
import { sendFromSource } from './mail-load.ts';
import { readCpu } from './process-figures.ts';
import type { BenchSide, SideOptions } from './sides.ts';

export const RELAY_DOMAINS = 20;
const LIMIT_MS = 120_000;
const POLL_MS = 10;

const domainOf = (index: number): string => `d${index}.relay.example`;

/** Every domain has its own next hop by name, and all of them are one smtp-sink. */
export function relayZone(): Zone {
  return Object.fromEntries(
    Array.from({ length: RELAY_DOMAINS }, (_, i) => [domainOf(i), { a: ['127.0.0.1'] }]),
  );
}

export function relayOptions(sinkPort: number): SideOptions {
  const rows = Array.from(
    { length: RELAY_DOMAINS },
    (_, i) => `${domainOf(i)} smtp:[${domainOf(i)}]:${sinkPort}\n`,
  );
  return {
    tables: { transport: rows.join('') },
    main: (folder) => [`transport_maps = hash:${folder}/transport`, 'smtp_tls_security_level = none'],
  };
}

export interface Sink {
  readonly port: number;
  /** Messages taken so far. */
  count(): number;
  stop(): void;
}

export async function startSink(): Promise<Sink> {
  const [port = 0] = await freePorts(1);
  const child = spawn('smtp-sink', ['-c', '-u', 'nobody', `127.0.0.1:${port}`, '1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text = (text + chunk.toString('latin1')).slice(-2000)));
  await sleep(300);
  if (child.exitCode !== null) throw new Error('smtp-sink ended');
  return {
    port,
    count: () => Number([...text.matchAll(/mesg=(\d+)/g)].at(-1)?.[1] ?? 0),
    stop: () => void child.kill(),
  };
}

export interface RelayFigures {
  readonly relayedPerSecond: number;
  readonly cpuMsPerMessage: number;
}

export async function runRelayLoad(
  side: BenchSide,
  sink: Sink,
  load: { readonly domains: number; readonly messages: number },
): Promise<RelayFigures> {
  const before = sink.count();
  const cpuBefore = readCpu(side.pids());
  const each = Math.floor(load.messages / load.domains);
  const total = each * load.domains;
  const begun = performance.now();
  const sessions = Math.max(1, Math.floor(20 / load.domains));
  await Promise.all(
    Array.from({ length: load.domains }, (_, i) =>
      sendFromSource(side, `somebody@${domainOf(i)}`, {
        sessions,
        messages: each,
        length: 2048,
        reuse: true,
      }),
    ),
  );
  const deadline = performance.now() + LIMIT_MS;
  while (sink.count() - before < total) {
    if (performance.now() > deadline)
      throw new Error(
        `${side.name}: ${sink.count() - before} of ${total} relayed\n${side.log().slice(-3000)}`,
      );
    await sleep(POLL_MS);
  }
  const seconds = (performance.now() - begun) / 1000;
  await sleep(200);
  return {
    relayedPerSecond: total / seconds,
    cpuMsPerMessage: ((readCpu(side.pids()) - cpuBefore) / total) * 1000,
  };
}
