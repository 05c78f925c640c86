// MAIL (RFC 5321 §4.1.1.2): begins a transaction.

import { parsePath } from '../address.ts';
import { countCommand } from '../client-events.ts';
import {
  type Command,
  type CommandWord,
  type Conversation,
  type Outcome,
  failed,
  ok,
  resetTransaction,
} from '../conversation.ts';
import { Effects } from '../effects.ts';
import { type MailParameters, parseMailParameters } from '../esmtp-parameters.ts';
import { tellMilters } from '../milter-events.ts';
import { logRefusal, refusal } from '../policy.ts';
import type { Path } from '../address.ts';
import { type Reply, printable, reply } from '../reply.ts';

const OK = reply(250, '1.0', 'Ok');
const BAD_SENDER = reply(501, '1.7', 'Bad sender address syntax');
const TOO_BIG = reply(552, '3.4', 'Message size exceeds fixed limit');
const NO_SPACE = reply(452, '3.1', 'Insufficient system storage');

function run(conversation: Conversation, words: readonly CommandWord[]): Outcome | Promise<Outcome> {
  const { settings } = conversation;
  if (settings.heloRequired && conversation.helo === undefined) {
    return failed(reply(503, '5.1', 'Error: send HELO/EHLO first'));
  }
  if (conversation.transaction !== undefined) return failed(reply(503, '5.1', 'Error: nested MAIL command'));
  if (conversation.chunking !== 'none') return failed(reply(503, '5.1', 'Error: MAIL after BDAT'));
  const [, keyword, address, ...rest] = words;
  if (address === undefined || keyword?.text.toLowerCase() !== 'from:') {
    return failed(reply(501, '5.4', 'Syntax: MAIL FROM:<address>'));
  }
  const tooMuch = countCommand(conversation, 'message');
  if (tooMuch !== undefined) return failed(tooMuch);
  if (address.broken) return failed(BAD_SENDER);
  const parameters = parseMailParameters(
    rest.map((word) => word.text),
    settings,
  );
  if ('refusal' in parameters) return failed(parameters.refusal);
  const sender = parsePath(address.text, { strict: settings.strictRfc821Envelopes });
  if (sender === undefined) {
    logBadAddress(conversation, address.text);
    return failed(BAD_SENDER);
  }
  const told = [address, ...rest].map((word) => word.text);
  return judge(conversation, sender, { parameters: parameters.value, words: told });
}

async function judge(
  conversation: Conversation,
  sender: Path,
  { parameters, words }: { readonly parameters: MailParameters; readonly words: readonly string[] },
): Promise<Outcome> {
  const { settings, ports } = conversation;
  const effects = new Effects();
  conversation.transactions++;
  if (!settings.delayReject) {
    const refused = await refusal(conversation, { moment: 'mail', sender, effects });
    if (refused !== undefined) return failed(refused);
  }
  resetTransaction(conversation);
  if (conversation.milters !== undefined) {
    conversation.miltersInTransaction = true;
    const refused = await tellMilters(conversation, { sender }, (milters) => milters.mail(words), {
      question: { sender },
      effects,
    });
    if (refused !== undefined) return abandon(conversation, refused);
  }
  if (settings.messageSizeLimit > 0 && parameters.size > settings.messageSizeLimit) {
    logRefusal(conversation, TOO_BIG, { sender });
    return abandon(conversation, TOO_BIG);
  }
  if (!(await ports.queue.hasRoomFor(parameters.size))) {
    logRefusal(conversation, NO_SPACE, { sender });
    return abandon(conversation, NO_SPACE);
  }
  conversation.transaction = {
    sender,
    parameters,
    recipients: [],
    overshoot: 0,
    answers: new Map(),
    effects,
  };
  return ok(OK);
}

/** Filters were told of a transaction that does not come about. */
function abandon(conversation: Conversation, refused: Reply): Outcome {
  resetTransaction(conversation);
  return failed(refused);
}

export function logBadAddress(conversation: Conversation, text: string): void {
  const { where } = conversation;
  conversation.log(
    'warn',
    (client) => `warning: Illegal address syntax from ${client} in ${where} command: ${printable(text)}`,
  );
}

export const mail: Command = { verb: 'MAIL', run };
