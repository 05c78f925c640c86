// BDAT (RFC 3030): a message in counted chunks. The octets of a refused chunk are still read, and dropped: what was
// sent as a message must never run as commands.
//
// POSTFIX: after a failed chunk the transaction is gone, and every later chunk is discarded until RSET or the like; wrong syntax ends the
// session, for then nobody knows where the chunk ends.

import { type Command, type CommandWord, type Conversation, type Outcome, failed } from '../conversation.ts';
import { refusal } from '../policy.ts';
import { type Reply, printable, reply } from '../reply.ts';
import { noRecipients } from './data.ts';

interface Chunk {
  readonly size: number;
  readonly last: boolean;
}

/** Digits of a chunk size: all that count without loss. */
const MAX_DIGITS = 15;

function parseChunk(words: readonly CommandWord[]): Chunk | undefined {
  const [, size, last, ...rest] = words;
  if (size === undefined || rest.length > 0 || !/^[0-9]+$/.test(size.text) || size.text.length > MAX_DIGITS)
    return undefined;
  if (last !== undefined && last.text.toUpperCase() !== 'LAST') return undefined;
  return { size: Number(size.text), last: last !== undefined };
}

function run(conversation: Conversation, words: readonly CommandWord[]): Outcome | Promise<Outcome> {
  const { settings } = conversation;
  if (settings.discardEhloKeywords.has('chunking')) {
    return failed(reply(521, '5.1', 'Error: command not implemented'), { kind: 'close' });
  }
  const chunk = parseChunk(words);
  if (chunk === undefined) {
    const line = printable(words.map((word) => word.text).join(' ')).slice(0, 100);
    conversation.log(
      'warn',
      (client) => `warning: NOQUEUE: malformed BDAT command syntax from ${client}: ${line}`,
    );
    return failed(reply(521, '5.4', 'Syntax: BDAT count [LAST]'), { kind: 'close' });
  }
  if (conversation.chunking === 'failed') {
    return skip(conversation, chunk, reply(551, '0.0', `Discarded ${chunk.size} bytes after earlier error`));
  }
  if (settings.messageSizeLimit > 0 && chunk.size > settings.messageSizeLimit) {
    conversation.log(
      'warn',
      (client) => `warning: NOQUEUE: BDAT request from ${client} exceeds message size limit`,
    );
    return skip(conversation, chunk, reply(552, '3.4', 'Chunk exceeds message size limit'));
  }
  if (chunk.size === 0 && !chunk.last) {
    conversation.log('warn', (client) => `warning: NOQUEUE: null BDAT request from ${client}`);
    return skip(conversation, chunk, reply(551, '7.1', 'Null BDAT request'));
  }
  return conversation.chunking === 'receiving' ? take(chunk) : begin(conversation, chunk);
}

function begin(conversation: Conversation, chunk: Chunk): Outcome | Promise<Outcome> {
  const missing = noRecipients(conversation);
  if (missing !== undefined) return skip(conversation, chunk, missing);
  const conclude = (refused: Reply | undefined): Outcome => {
    if (refused !== undefined) return skip(conversation, chunk, refused);
    conversation.chunking = 'receiving';
    return take(chunk);
  };
  const refused = refusal(conversation, { moment: 'data' });
  return refused instanceof Promise ? refused.then(conclude) : conclude(refused);
}

const take = (chunk: Chunk): Outcome => ({ ok: true, next: { kind: 'bdat', ...chunk } });

function skip(conversation: Conversation, chunk: Chunk, refused: Reply): Outcome {
  conversation.transaction = undefined;
  conversation.chunking = 'failed';
  return { ok: false, next: { kind: 'bdat', ...chunk, refused } };
}

export const bdat: Command = { verb: 'BDAT', run };
