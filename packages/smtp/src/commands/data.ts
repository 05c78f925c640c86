// DATA (RFC 5321 §4.1.1.4): what must hold before the message itself, which `message-receiver.ts` reads.

import { type Command, type Conversation, type Outcome, failed, ok } from '../conversation.ts';
import { refusal } from '../policy.ts';
import { type Reply, plainReply, reply } from '../reply.ts';

const GO_AHEAD = plainReply(354, 'End data with <CR><LF>.<CR><LF>');

/** POSTFIX: what DATA and BDAT say when nobody is to receive the message. */
export function noRecipients(conversation: Conversation): Reply | undefined {
  if (conversation.transaction === undefined) return reply(503, '5.1', 'Error: need RCPT command');
  return conversation.transaction.recipients.length === 0
    ? reply(554, '5.1', 'Error: no valid recipients')
    : undefined;
}

export const data: Command = {
  verb: 'DATA',
  endsGroup: true,
  run(conversation, words): Outcome | Promise<Outcome> {
    if (conversation.chunking !== 'none') return failed(reply(503, '5.1', 'Error: DATA after BDAT'));
    const missing = noRecipients(conversation);
    if (missing !== undefined) return failed(missing);
    if (words.length !== 1) return failed(reply(501, '5.4', 'Syntax: DATA'));
    const refused = refusal(conversation, { moment: 'data' });
    if (refused instanceof Promise) return refused.then(conclude);
    return conclude(refused);
  },
};

function conclude(refused: Reply | undefined): Outcome {
  return refused === undefined ? ok(GO_AHEAD, { kind: 'data' }) : failed(refused);
}
