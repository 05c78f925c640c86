// postlog(1): a line in the mail log, for scripts. It goes through logger(1) to the system's log.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type CommandContext, Fatal } from './context.ts';
import { getopt } from './getopt.ts';

const LOGGER = '/usr/bin/logger';
/** POSTFIX: the priorities it knows, in syslog's words. */
const PRIORITIES: ReadonlyMap<string, string> = new Map([
  ['info', 'info'],
  ['warn', 'warning'],
  ['warning', 'warning'],
  ['error', 'err'],
  ['fatal', 'err'],
  ['panic', 'crit'],
]);

export async function postlog(args: readonly string[], context: CommandContext): Promise<number> {
  const { options, rest, complaints } = getopt(args, 'c:ip:t:v');
  for (const complaint of complaints) process.stderr.write(`${context.program}: ${complaint}\n`);
  if (complaints.length > 0)
    throw new Fatal('usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]');
  const value = (letter: string): string | undefined => options.findLast(([one]) => one === letter)?.[1];
  const name = (value('p') ?? 'info').toLowerCase();
  const priority = PRIORITIES.get(name);
  if (priority === undefined) throw new Fatal(`invalid priority name "${name}"`);
  const tag = value('t') ?? 'postfix/postlog';
  const lines = rest.length > 0 ? [rest.join(' ')] : readFileSync(0, 'utf8').split('\n').filter(Boolean);
  const prefix = name === 'info' ? '' : `${name.replace(/^warn$/, 'warning')}: `;
  const text = lines.map((line) => `${prefix}${line.replace(/\p{Cc}/gu, '?')}\n`).join('');
  // POSTFIX: whoever watches sees it too.
  if (process.stderr.isTTY) process.stderr.write(text.replace(/^/gm, `${tag}: `).replace(/\S+ $/, ''));
  const id = value('i') === undefined ? [] : ['-i'];
  const { error, status } = spawnSync(LOGGER, [...id, '-p', `mail.${priority}`, '-t', tag], { input: text });
  if (error !== undefined) throw new Fatal(`${LOGGER}: ${error.message}`);
  return status === 0 ? 0 : 1;
}
