// postqueue(1) and mailq(1): the queue listed and flushed, by anybody the lists in main.cf allow.

import { RequestRefused, ServerDown, ask } from '../../control/client.ts';
import type { ControlRequest } from '../../control/protocol.ts';
import { type CommandContext, EX_NOPERM, EX_UNAVAILABLE, Fatal, print, warn } from './context.ts';
import { getopt } from './getopt.ts';
import {
  EMPTY_REPORT,
  type ReportedMessage,
  formatJson,
  formatReport,
  formatReportEnd,
  reportHead,
} from './queue-report.ts';

const USAGE = 'usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site';
const QUEUE_ID = /^[0-9A-Za-z]+$/;

export async function postqueue(args: readonly string[], context: CommandContext): Promise<number> {
  const { options, rest, complaints } = getopt(args, 'c:fi:jps:v');
  for (const complaint of complaints) process.stderr.write(`${context.program}: ${complaint}\n`);
  const chosen = options.filter(([letter]) => letter !== 'c' && letter !== 'v');
  const [[letter, value] = ['', '']] = chosen;
  if (chosen.length !== 1 || rest.length > 0 || complaints.length > 0) throw new Fatal(USAGE, EX_UNAVAILABLE);
  switch (letter) {
    case 'p':
      return await listQueue(context, 'report');
    case 'j':
      return await listQueue(context, 'json');
    case 'i':
      if (!QUEUE_ID.test(value))
        throw new Fatal(`Cannot flush queue ID - invalid name: "${value}"`, EX_UNAVAILABLE);
      return await flush(context, { op: 'flushMessage', id: value });
    case 's':
      return await flush(context, { op: 'flushSite', site: value.replace(/^\[(.*)\]$/, '$1') });
    default:
      return await flush(context, { op: 'flush' });
  }
}

export const mailq = (_args: readonly string[], context: CommandContext): Promise<number> =>
  listQueue(context, 'report');

export async function flush(context: CommandContext, request: ControlRequest): Promise<number> {
  for await (const answer of asked(context, request, 'Cannot flush mail queue - mail system is down'))
    void answer;
  return 0;
}

async function listQueue(context: CommandContext, form: 'report' | 'json'): Promise<number> {
  let octets = 0;
  let messages = 0;
  for await (const message of readMessages(context)) {
    if (form === 'json') {
      print(formatJson(message));
    } else {
      print((messages === 0 ? reportHead(message) : '') + formatReport(message));
    }
    messages++;
    octets += message.size;
  }
  if (form === 'report') print(messages === 0 ? EMPTY_REPORT : formatReportEnd(octets, messages));
  return 0;
}

async function* readMessages(context: CommandContext): AsyncGenerator<ReportedMessage> {
  const down = 'Queue report unavailable - mail system is down';
  let message: ReportedMessage | undefined;
  for await (const answer of asked(context, { op: 'list' }, down)) {
    if (answer.type === 'message') {
      if (message !== undefined) yield message;
      message = { ...answer, recipients: [] };
    } else if (answer.type === 'recipients' && message !== undefined) {
      message = { ...message, recipients: [...message.recipients, ...answer.recipients] };
    }
  }
  if (message !== undefined) yield message;
}

/** `ask` with its failures in Postfix's words. */
export async function* asked(
  context: CommandContext,
  request: ControlRequest,
  down: string,
): ReturnType<typeof ask> {
  try {
    yield* ask(context.dataDirectory, request);
  } catch (error) {
    if (error instanceof RequestRefused) throw new Fatal(error.message, EX_NOPERM);
    if (!(error instanceof ServerDown)) throw error;
    if (process.getuid?.() === 0) warn(context, `${context.dataDirectory}: ${error.message}`);
    throw new Fatal(down, EX_UNAVAILABLE);
  }
}
