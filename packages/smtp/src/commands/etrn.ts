// ETRN (RFC 1985). POSTFIX: announced, and refused for every domain that `fast_flush_domains` does not name; here
// there is no such list, so it is refused for all.

import { type Command, failed } from '../conversation.ts';
import { isAddressLiteral, isHostname } from '../address.ts';
import { plainReply } from '../reply.ts';

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
    conversation.log('warn', (client) => `warning: reject: ETRN ${name}... from ${client}`);
    return failed(plainReply(459, `<${name}>: service unavailable`));
  },
};
