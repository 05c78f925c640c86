// `postcote index`: how far a user's mail is indexed for searching, and indexing it anew. Asks the running server, whose
// worker for that user is the one that may write there.

import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FrameReader, formatFrame } from '@postcote/wire';
import {
  INDEX_ACTIONS,
  type IndexAction,
  type IndexAnswer,
  type IndexInquiry,
  isIndexAnswer,
} from '../control/index-inquiry.ts';
import { DEFAULT_DATA_DIRECTORY, INDEX_SOCKET } from '../control/places.ts';

export const INDEX_HELP = `usage: postcote index status|rebuild [OPTION...] USER...

  status     how many messages of each folder are in the index of texts
  rebuild    throws the index of texts away and makes it anew, and shows how far it is

  --data-dir DIR    the running server's data folder    (${DEFAULT_DATA_DIRECTORY})
`;

/** sysexits(3). */
const EX_USAGE = 64;
const EX_UNAVAILABLE = 69;

export async function runIndex(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      'data-dir': { type: 'string', default: DEFAULT_DATA_DIRECTORY },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(INDEX_HELP);
    return 0;
  }
  const [word, ...users] = positionals;
  const action = INDEX_ACTIONS.find((one) => one === word);
  if (action === undefined || users.length === 0) {
    process.stderr.write(INDEX_HELP);
    return EX_USAGE;
  }
  let status = 0;
  for (const user of users) {
    if (users.length > 1) process.stdout.write(`${user}:\n`);
    if (!(await tellOf({ user, action }, values['data-dir']))) status = EX_UNAVAILABLE;
  }
  return status;
}

async function tellOf(inquiry: IndexInquiry, dataDirectory: string): Promise<boolean> {
  const path = join(dataDirectory, INDEX_SOCKET);
  let messages = 0;
  let indexed = 0;
  let isDone = false;
  try {
    for await (const answer of ask(path, inquiry)) {
      if (answer.kind === 'failed') throw new Error(answer.reason);
      if (answer.kind === 'folder') {
        process.stdout.write(`${formatFolder(answer, inquiry.action)}\n`);
        messages += answer.messages;
        indexed += answer.indexed;
        continue;
      }
      isDone = true;
      if (inquiry.action === 'status')
        process.stdout.write(`${formatTotal(answer, { messages, indexed })}\n`);
    }
    if (!isDone) throw new Error('the worker ended before it had told all; its log says why');
    return true;
  } catch (error) {
    process.stderr.write(`postcote index: ${inquiry.user}: ${explain(error, path)}\n`);
    return false;
  }
}

function formatFolder(
  { name, messages, indexed }: Extract<IndexAnswer, { kind: 'folder' }>,
  action: IndexAction,
): string {
  const figures = `${String(indexed).padStart(7)} of ${String(messages).padStart(7)}`;
  return action === 'rebuild' && indexed < messages
    ? `${figures}  ${name} ...`
    : `${figures}  ${name}${indexed < messages ? '  (the rest is searched by reading it)' : ''}`;
}

function formatTotal(
  { path, octets }: Extract<IndexAnswer, { kind: 'done' }>,
  { messages, indexed }: { readonly messages: number; readonly indexed: number },
): string {
  const figures = `${String(indexed).padStart(7)} of ${String(messages).padStart(7)}`;
  return `${figures}  in all; ${path === undefined ? 'no index is kept' : `${(octets / 1_048_576).toFixed(1)} MiB in ${path}`}`;
}

function explain(error: unknown, path: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return `no server is running on ${path}; start it, or name its folder with --data-dir`;
  if (code === 'EACCES') return `${path} is root's: run this as root`;
  return error instanceof Error ? error.message : String(error);
}

async function* ask(path: string, inquiry: IndexInquiry): AsyncGenerator<IndexAnswer, void, undefined> {
  const socket = await open(path);
  const frames = new FrameReader();
  try {
    socket.write(formatFrame(inquiry));
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      frames.push(chunk);
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        if (isIndexAnswer(frame.value)) yield frame.value;
      }
    }
  } finally {
    socket.destroy();
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}
