// `postcote config`: the settings in force, the way `postconf -n` and `doveconf -n` print them, each with where it
// came from; and whether the server would start on them.

import { parseArgs } from 'node:util';
import { findParameter, formatDovecot, formatPostfix, formatProblem } from '@postcote/config';
import { loadConfiguration } from '@postcote/config/edge';
import { SUPPORTED_RESTRICTIONS } from '@postcote/smtp';
import { silentLog } from '@postcote/wire';
import { RefusedConfiguration, formatListeners, planServer } from '../plan.ts';
import { CONFIG_OPTIONS } from './options.ts';

export const CONFIG_HELP = `usage: postcote config [OPTION...] [NAME...]

Prints the settings in force, each with the file and line it came from. With names, only these.

  --postfix-dir DIR    where main.cf and master.cf are        (/etc/postfix)
  --dovecot-conf FILE  dovecot.conf                           (/etc/dovecot/dovecot.conf)
  -d, --all            defaults too, not only what the files set
  -x, --expand         with $name filled in
  --check              only say what is not honoured and what would stop the start; exit status 78 for the latter
`;

/** sysexits(3). */
const EX_CONFIG = 78;

export async function runConfig(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...CONFIG_OPTIONS,
      all: { type: 'boolean', short: 'd', default: false },
      expand: { type: 'boolean', short: 'x', default: false },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(CONFIG_HELP);
    return 0;
  }
  const paths = { postfixDirectory: values['postfix-dir'], dovecotConf: values['dovecot-conf'] };
  if (values.check) return await check(paths);
  const { postfix, master, dovecot, problems } = loadConfiguration({
    ...paths,
    supportedRestrictions: SUPPORTED_RESTRICTIONS,
    log: silentLog,
  });
  const postfixText = formatPostfix(postfix, {
    nonDefaultOnly: !values.all && positionals.length === 0,
    isExpanded: values.expand,
    master,
  });
  const dovecotText = formatDovecot(dovecot, { nonDefaultOnly: !values.all && positionals.length === 0 });
  if (positionals.length > 0) return printNames(positionals, `${postfixText}${dovecotText}`);
  process.stdout.write(`# ${paths.postfixDirectory}\n${postfixText}\n# ${paths.dovecotConf}\n${dovecotText}`);
  for (const problem of problems) process.stderr.write(`${problem.severity}: ${formatProblem(problem)}\n`);
  return problems.some(({ severity }) => severity === 'refuse') ? EX_CONFIG : 0;
}

function printNames(names: readonly string[], text: string): number {
  let unknown = 0;
  const lines = text.split('\n');
  for (const name of names) {
    const found = lines.filter((line) => line.trimStart().startsWith(`${name} =`));
    if (found.length > 0) process.stdout.write(`${found.join('\n')}\n`);
    else if (findParameter(name) !== undefined) process.stdout.write(`${name} =\n`);
    else {
      process.stderr.write(`postcote config: unknown parameter: ${name}\n`);
      unknown += 1;
    }
  }
  return unknown === 0 ? 0 : 1;
}

async function check(paths: {
  readonly postfixDirectory: string;
  readonly dovecotConf: string;
}): Promise<number> {
  try {
    const plan = await planServer({ ...paths, dataDirectory: '/var/lib/postcote' });
    for (const notice of plan.notices) process.stdout.write(`${notice}\n`);
    process.stdout.write(`would serve: ${formatListeners(plan.listeners)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof RefusedConfiguration)) throw error;
    for (const line of error.lines) process.stderr.write(`${line}\n`);
    process.stderr.write('would not start\n');
    return EX_CONFIG;
  }
}
