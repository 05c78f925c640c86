// Commands beside the server itself. Each is loaded when it is called.

import { CONFIG_HELP, runConfig } from './commands/config.ts';
import { INDEX_HELP, runIndex } from './commands/index-command.ts';
import { INIT_HELP, runInit } from './commands/init.ts';
import { runDemo } from './demo/run-demo.ts';
import { VERSION } from './version.ts';

const HELP = `usage: postcote COMMAND [OPTION...]

  serve     the mail server, in the foreground
  demo      a mail server to play with, on loopback ports
  config    the effective settings, each with where it came from
  index     how far a user's mail is indexed for searching; indexes it anew
  init      writes a first configuration; asks two questions
  version   the version
`;

/** sysexits(3). */
const EX_USAGE = 64;
const EX_SOFTWARE = 70;

const commands = new Map<string, (args: readonly string[]) => Promise<number>>([
  ['demo', runDemo],
  ['config', runConfig],
  ['index', runIndex],
  ['init', runInit],
  ['version', async () => print(`postcote ${VERSION}\n`)],
  ['--version', async () => print(`postcote ${VERSION}\n`)],
  ['help', async () => print(HELP)],
]);

const HELPS: ReadonlyMap<string, string> = new Map([
  ['config', CONFIG_HELP],
  ['index', INDEX_HELP],
  ['init', INIT_HELP],
]);

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function main(): Promise<number> {
  const [name = 'help', ...args] = process.argv.slice(2);
  const command = commands.get(name);
  if (command === undefined) {
    process.stderr.write(`postcote: unknown command: ${name}\n\n${HELP}`);
    return EX_USAGE;
  }
  try {
    return await command(args);
  } catch (error) {
    if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
      const help = HELPS.get(name) ?? '';
      process.stderr.write(`postcote ${name}: ${error.message}\n${help}`);
      return EX_USAGE;
    }
    process.stderr.write(`postcote ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return EX_SOFTWARE;
  }
}

process.exitCode = await main();
