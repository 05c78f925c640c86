// NOOP, RSET, QUIT (RFC 5321 §4.1.1.5, .9, .10): commands about the session alone.

import { type Command, failed, ok, resetTransaction } from '../conversation.ts';
import { reply } from '../reply.ts';

export const OK = reply(250, '0.0', 'Ok');

export const noop: Command = {
  verb: 'NOOP',
  beforeTls: true,
  endsGroup: true,
  junk: true,
  run: () => ok(OK),
};

export const rset: Command = {
  verb: 'RSET',
  junk: true,
  run(conversation, words) {
    if (words.length !== 1) return failed(reply(501, '5.4', 'Syntax: RSET'));
    resetTransaction(conversation);
    return ok(OK);
  },
};

export const quit: Command = {
  verb: 'QUIT',
  beforeTls: true,
  run: () => ok(reply(221, '0.0', 'Bye'), { kind: 'close' }),
};
