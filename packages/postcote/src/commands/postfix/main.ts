// The commands that administrators and scripts call by Postfix's names: one lean bundle, started by the scripts in
// libexec/ with the name as the first argument. What only some need is loaded when it is needed.

import { type Command, EX_TEMPFAIL, EX_UNAVAILABLE, type Fatal, dataDirectory } from './context.ts';

const commands: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['sendmail', async () => (await import('./sendmail.ts')).sendmail],
  ['mailq', async () => (await import('./sendmail.ts')).sendmail],
  ['newaliases', async () => (await import('./postmap.ts')).newaliases],
  ['postalias', async () => (await import('./postmap.ts')).postalias],
  ['postcat', async () => (await import('./postcat.ts')).postcat],
  ['postconf', async () => (await import('./postconf.ts')).postconf],
  ['postfix', async () => (await import('./postfix.ts')).postfix],
  ['postlog', async () => (await import('./postlog.ts')).postlog],
  ['postmap', async () => (await import('./postmap.ts')).postmap],
  ['postqueue', async () => (await import('./postqueue.ts')).postqueue],
  ['postsuper', async () => (await import('./postsuper.ts')).postsuper],
]);

/** POSTFIX: what these end with when nothing more fitting is known; the others with 1. */
const STATUS: ReadonlyMap<string, number> = new Map([
  ['sendmail', EX_TEMPFAIL],
  ['mailq', EX_TEMPFAIL],
  ['postqueue', EX_UNAVAILABLE],
]);

/** By name: what is loaded later has a `Fatal` class of its own. */
function statusOf(error: unknown): number | undefined {
  return error instanceof Error && error.name === 'Fatal' ? (error as Fatal).status : undefined;
}

async function main(): Promise<number> {
  const [name = '', ...args] = process.argv.slice(2);
  const load = commands.get(name);
  if (load === undefined) {
    process.stderr.write(
      `postcote: no command of that name: ${name} (there are ${[...commands.keys()].join(', ')})\n`,
    );
    return 64;
  }
  try {
    const command = await load();
    return await command(args, { program: name, dataDirectory: dataDirectory() });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${name}: fatal: ${message}\n`);
    return statusOf(error) ?? STATUS.get(name) ?? 1;
  }
}

// Built as CommonJS, which has no await at this level.
void main().then((status) => {
  process.exitCode = status;
});
