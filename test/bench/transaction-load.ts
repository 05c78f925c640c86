// What a client sees of one transaction, with and without TLS; the client is a process of its own (smtp-client.ts).

import path from 'node:path';
import type { Account } from '../support/play-transcript.ts';
import { mustRun } from '../support/run-program.ts';
import { readCpu } from './process-figures.ts';
import type { BenchSide } from './sides.ts';
import type { ClientFigures, ClientTask } from './smtp-client.ts';

const CLIENT = path.join(import.meta.dirname, 'smtp-client.ts');

export interface TransactionFigures extends ClientFigures {
  readonly perSecond: number;
  readonly cpuMsPerMessage: number;
}

export async function runTransactions(
  side: BenchSide,
  account: Account,
  task: Omit<ClientTask, 'port' | 'recipient'>,
): Promise<TransactionFigures> {
  const whole: ClientTask = { ...task, port: side.ports.smtp, recipient: `${account.name}@example.com` };
  const before = readCpu(side.pids());
  const { stdout } = await mustRun(process.execPath, [CLIENT, JSON.stringify(whole)]);
  const figures = JSON.parse(stdout) as ClientFigures;
  const cpu = readCpu(side.pids()) - before;
  return {
    ...figures,
    perSecond: task.messages / figures.seconds,
    cpuMsPerMessage: (cpu / task.messages) * 1000,
  };
}
