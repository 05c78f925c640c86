// `postcote serve`: the process with privileges. Reads the configuration, binds the ports, starts the others and
// keeps them running. It parses no byte that came from the network.

import { parseServeOptions } from '../commands/serve-options.ts';
import { openLog } from '../log/open-log.ts';
import { RefusedConfiguration } from '../plan.ts';
import { BindError } from './bind.ts';
import { trimAfterStart } from '../trim-memory.ts';
import { Supervisor } from './supervisor.ts';

/** sysexits(3). */
const EX_USAGE = 64;
const EX_OSERR = 71;
const EX_CONFIG = 78;

/** A second signal while stopping ends at once. */
let stopping = false;

async function main(): Promise<void> {
  const options = parseServeOptions(process.argv.slice(2));
  if (options.kind !== 'serve') {
    (options.status === 0 ? process.stdout : process.stderr).write(options.text);
    process.exit(options.status === 0 ? 0 : EX_USAGE);
  }
  const opened = openLog({ file: options.logFile, json: options.logJson });
  const { log, flush } = opened;
  const end = (status: number): never => {
    flush();
    process.exit(status);
  };
  const crash = (error: unknown): void => {
    log('fatal', 'postcote', `supervisor: ${error instanceof Error ? error.stack : String(error)}`);
    end(EX_OSERR);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  let supervisor: Supervisor;
  const fatal = (message: string): void => {
    log('fatal', 'postcote', `not started: ${message}`);
    void supervisor.stop().then(() => end(EX_CONFIG));
  };
  try {
    supervisor = await Supervisor.start(options, opened, fatal);
  } catch (error) {
    if (error instanceof RefusedConfiguration) {
      for (const line of error.lines) log('fatal', 'postcote', line);
      log('fatal', 'postcote', 'not started: the configuration must be mended first');
      return end(EX_CONFIG);
    }
    if (error instanceof BindError) {
      log('fatal', 'postcote', `not started: ${error.message}`);
      return end(EX_OSERR);
    }
    throw error;
  }

  trimAfterStart();
  const stop = (signal: string): void => {
    if (stopping) end(1);
    stopping = true;
    log('info', 'postcote', `supervisor: ${signal}: stopping`);
    void supervisor.stop().then(() => {
      log('info', 'postcote', 'stopped');
      end(0);
    });
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  // Started by the demonstration: without it, nobody would ever stop this server.
  process.on('disconnect', () => stop('the process that started this one is gone'));
  process.on('SIGHUP', () => {
    opened.reopen();
    void supervisor.reload();
  });
}

void main();
