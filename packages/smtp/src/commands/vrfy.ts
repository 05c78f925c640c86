// VRFY (RFC 5321 §4.1.1.6). POSTFIX: the answer is RCPT's, with 252 where RCPT says 250: nothing is told here that
// RCPT would not tell.

import { parsePath } from '../address.ts';
import {
  type Command,
  type CommandWord,
  type Conversation,
  type Outcome,
  failed,
  ok,
} from '../conversation.ts';
import { standingRefusal } from '../milter-events.ts';
import { refusal } from '../policy.ts';
import { type Reply, printable, reply } from '../reply.ts';
import { logBadAddress } from './mail.ts';

function run(conversation: Conversation, words: readonly CommandWord[]): Outcome | Promise<Outcome> {
  const { settings } = conversation;
  if (settings.disableVrfyCommand) return failed(reply(502, '5.1', 'VRFY command is disabled'));
  const standing = standingRefusal(conversation);
  if (standing !== undefined) return failed(standing);
  const names = words.slice(1);
  const last = names.at(-1);
  if (names.length > 1 && settings.smtputf8Enable && last?.text.toUpperCase() === 'SMTPUTF8') names.pop();
  const text = names.map((word) => word.text).join(' ');
  if (text === '')
    return failed(reply(501, '5.4', `Syntax: VRFY address${settings.smtputf8Enable ? ' [SMTPUTF8]' : ''}`));
  const path = names.length > 1 || names[0]?.broken === true ? undefined : parsePath(text, { strict: false });
  if (path?.mailbox === undefined) {
    logBadAddress(conversation, text);
    return failed(reply(501, '1.3', 'Bad recipient address syntax'));
  }
  const conclude = (refused: Reply | undefined): Outcome =>
    refused === undefined ? ok(reply(252, '0.0', printable(text))) : failed(refused);
  const refused = refusal(conversation, { moment: 'rcpt', recipient: path });
  return refused instanceof Promise ? refused.then(conclude) : conclude(refused);
}

export const vrfy: Command = { verb: 'VRFY', endsGroup: true, junk: true, run };
