// RCPT (RFC 5321 §4.1.1.3): one more recipient, if every list lets it pass.

import { type Path, parsePath } from '../address.ts';
import { countCommand } from '../client-events.ts';
import {
  type Command,
  type CommandWord,
  type Conversation,
  type Outcome,
  type Transaction,
  failed,
  ok,
} from '../conversation.ts';
import { type RecipientParameters, parseRecipientParameters } from '../esmtp-parameters.ts';
import { tellRecipient } from '../milter-events.ts';
import { refusal } from '../policy.ts';
import { type Reply, reply, replyText } from '../reply.ts';
import { logBadAddress } from './mail.ts';

const OK = reply(250, '1.5', 'Ok');
const BAD_RECIPIENT = reply(501, '1.3', 'Bad recipient address syntax');
const TOO_MANY = reply(452, '5.3', 'Error: too many recipients');

function run(conversation: Conversation, words: readonly CommandWord[]): Outcome | Promise<Outcome> {
  const { settings, transaction } = conversation;
  if (transaction === undefined) return failed(reply(503, '5.1', 'Error: need MAIL command'));
  if (conversation.chunking !== 'none') return failed(reply(503, '5.1', 'Error: RCPT after BDAT'));
  const [, keyword, address, ...rest] = words;
  if (address === undefined || keyword?.text.toLowerCase() !== 'to:') {
    return failed(reply(501, '5.4', 'Syntax: RCPT TO:<address>'));
  }
  const tooMany = countCommand(conversation, 'recipient');
  if (tooMany !== undefined) return failed(tooMany);
  if (address.broken) return failed(BAD_RECIPIENT);
  const path = parsePath(address.text, { strict: settings.strictRfc821Envelopes });
  if (path?.mailbox === undefined) {
    logBadAddress(conversation, address.text);
    return failed(BAD_RECIPIENT);
  }
  if (settings.screened !== undefined) return failed(refuseScreened(conversation, path, settings.screened));
  const parameters = parseRecipientParameters(
    rest.map((word) => word.text),
    settings,
  );
  if ('refusal' in parameters) return failed(parameters.refusal);
  if (settings.recipientLimit > 0 && transaction.recipients.length >= settings.recipientLimit) {
    // POSTFIX: the first thousand too many are no error of the client's.
    return transaction.overshoot++ < settings.recipientOvershootLimit ? ok(TOO_MANY) : failed(TOO_MANY);
  }
  const conclude = (value: Reply | undefined): Outcome =>
    value === undefined ? add(transaction, path, parameters.value) : failed(value);
  const judged = refusal(conversation, { moment: 'rcpt', recipient: path });
  if (conversation.milters === undefined)
    return judged instanceof Promise ? judged.then(conclude) : conclude(judged);
  const told = [address, ...rest].map((word) => word.text);
  const tell = async (): Promise<Outcome> => {
    const rejection = await judged;
    return conclude(await tellRecipient(conversation, path, { words: told, rejection }));
  };
  return tell();
}

function add(transaction: Transaction, path: Path, parameters: RecipientParameters): Outcome {
  transaction.recipients.push({ path, envelope: { address: path.address, ...parameters } });
  return ok(OK);
}

/** POSTFIX: postscreen's own log line. */
function refuseScreened(
  { peer, transaction, protocol, helo = '', log }: Conversation,
  to: Path,
  value: Reply,
): Reply {
  const from = `[${peer.remoteAddress}]:${peer.remotePort}`;
  const facts = `from=<${transaction?.sender.address ?? ''}>, to=<${to.address}>, proto=${protocol}, helo=<${helo}>`;
  log('info', () => `NOQUEUE: reject: RCPT from ${from}: ${replyText(value)}; ${facts}`);
  return value;
}

export const rcpt: Command = { verb: 'RCPT', run };
