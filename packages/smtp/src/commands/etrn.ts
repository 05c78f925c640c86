// ETRN (RFC 1985): mail that waits for a domain is tried now. POSTFIX: only for domains of `fast_flush_domains`, and
// only if `smtpd_etrn_restrictions` let the client ask.

import { isAddressLiteral, isHostname } from '../address.ts';
import { type Command, type Conversation, type Outcome, failed, ok } from '../conversation.ts';
import { refusal } from '../policy.ts';
import { plainReply } from '../reply.ts';

const STARTED = plainReply(250, 'Queuing started');
const UNABLE = plainReply(458, 'Unable to queue messages');

async function flush(conversation: Conversation, domain: string): Promise<Outcome> {
  const refused = await refusal(conversation, { moment: 'etrn', etrn: domain });
  if (refused !== undefined) return failed(refused);
  const answer = await conversation.ports.sites?.flush(domain);
  if (answer === 'started') return ok(STARTED);
  if (answer === 'failed') return failed(UNABLE);
  conversation.log('warn', (client) => `warning: reject: ETRN ${domain.slice(0, 100)}... from ${client}`);
  return failed(plainReply(459, `<${domain}>: service unavailable`));
}

export const etrn: Command = {
  verb: 'ETRN',
  junk: true,
  run(conversation, words) {
    const domain = words[1]?.text;
    if (conversation.settings.heloRequired && conversation.helo === undefined) {
      return failed(plainReply(503, 'Error: send HELO/EHLO first'));
    }
    if (conversation.transaction !== undefined)
      return failed(plainReply(503, 'Error: MAIL transaction in progress'));
    if (domain === undefined || words.length !== 2) return failed(plainReply(500, 'Syntax: ETRN domain'));
    const name = domain.replace(/^[@#]/, '');
    if (!isHostname(name) && !isAddressLiteral(name))
      return failed(plainReply(501, 'Error: invalid parameter syntax'));
    return flush(conversation, name);
  },
};
