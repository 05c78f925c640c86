// postsuper(1): what only root does to queued mail.

import { readFileSync } from 'node:fs';
import type { QueueAction } from '../../control/protocol.ts';
import { type CommandContext, Fatal } from './context.ts';
import { getopt } from './getopt.ts';
import { asked } from './postqueue.ts';

const USAGE =
  'usage: postsuper [-c config_dir] [-d queue_id (delete)] [-h queue_id (hold)] [-H queue_id (un-hold)] ' +
  '[-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)] [-v (verbose)] [queue...]';

interface Words {
  readonly action: QueueAction;
  readonly each: string;
  readonly sum: string;
}

const ACTIONS: ReadonlyMap<string, Words> = new Map([
  ['d', { action: 'delete', each: 'removed', sum: 'Deleted' }],
  ['h', { action: 'hold', each: 'placed on hold', sum: 'Placed on hold' }],
  ['H', { action: 'release', each: 'released from hold', sum: 'Released from hold' }],
  ['r', { action: 'requeue', each: 'requeued', sum: 'Requeued' }],
]);

const QUEUES: ReadonlySet<string> = new Set([
  'hold',
  'incoming',
  'active',
  'deferred',
  'maildrop',
  'defer',
  'bounce',
]);
const QUEUE_ID = /^[0-9A-Za-z]+$/;
/** So many ids surely fit into a request. */
const IDS_AT_ONCE = 1000;

export async function postsuper(args: readonly string[], context: CommandContext): Promise<number> {
  if (process.getuid?.() !== 0) throw new Fatal('use of this command is reserved for the superuser');
  const { options, rest, complaints } = getopt(args, 'c:d:e:f:h:H:pr:sSv');
  for (const complaint of complaints) process.stderr.write(`${context.program}: ${complaint}\n`);
  if (complaints.length > 0) throw new Fatal(USAGE);
  const unknown = rest.find((name) => !QUEUES.has(name));
  if (unknown !== undefined) throw new Fatal(`invalid directory name: ${unknown}`);
  for (const [letter] of options)
    if (letter === 'e' || letter === 'f') throw new Fatal(`-${letter}: messages are not expired by hand`);
  for (const [letter, words] of ACTIONS) {
    const given = options.filter(([one]) => one === letter).map(([, value]) => value);
    if (given.length > 0) await run(context, words, { given, queues: rest });
  }
  return 0;
}

async function run(
  context: CommandContext,
  words: Words,
  wanted: { readonly given: readonly string[]; readonly queues: readonly string[] },
): Promise<void> {
  const queues = queuesOf(words.action, wanted);
  const ids = wanted.given.flatMap((value) => (value === '-' ? readIds() : [value]));
  const parts: (readonly string[] | 'ALL')[] = ids.includes('ALL') ? ['ALL'] : inParts(ids.filter(isId));
  let count = 0;
  for (const part of parts) {
    const request = {
      op: 'act' as const,
      action: words.action,
      ids: part,
      ...(queues === undefined ? {} : { queues }),
    };
    for await (const answer of asked(context, request, 'mail system is down')) {
      if (answer.type === 'done') {
        count++;
        // POSTFIX: for ALL only the sum is told.
        if (part !== 'ALL') say(context, `${answer.id}: ${words.each}`);
      } else if (answer.type === 'failed' && answer.reason !== 'no such message') {
        say(context, `warning: ${answer.id}: ${answer.reason}`);
      }
    }
  }
  say(context, `${words.sum}: ${count} message${count === 1 ? '' : 's'}`);
}

/** POSTFIX: what is on hold is not put there again, and nothing else can be released. */
function queuesOf(
  action: QueueAction,
  { queues }: { readonly queues: readonly string[] },
): readonly string[] | undefined {
  if (action === 'release') return ['hold'];
  if (queues.length > 0) return queues;
  return action === 'hold' ? ['active', 'deferred'] : undefined;
}

const isId = (text: string): boolean => QUEUE_ID.test(text);

function readIds(): string[] {
  return readFileSync(0, 'utf8').split(/\s+/).filter(Boolean);
}

function inParts(ids: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) parts.push(ids.slice(at, at + IDS_AT_ONCE));
  return parts;
}

const say = ({ program }: CommandContext, text: string): void => {
  process.stderr.write(`${program}: ${text}\n`);
};
