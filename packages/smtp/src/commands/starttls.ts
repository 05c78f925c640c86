// STARTTLS (RFC 3207). What the client said before it counts for nothing after it (§4.2): the session forgets its
// state in `secured`, and the edge drops unread input.

import { refuseTls } from '../client-events.ts';
import { type Command, failed, ok } from '../conversation.ts';
import { standingRefusal454 } from '../milter-events.ts';
import { reply } from '../reply.ts';

export const starttls: Command = {
  verb: 'STARTTLS',
  beforeTls: true,
  endsGroup: true,
  run(conversation, words) {
    const { settings, tls, tlsAvailable } = conversation;
    if (words.length !== 1) return failed(reply(501, '5.4', 'Syntax: STARTTLS'));
    const standing = standingRefusal454(conversation);
    if (standing !== undefined) return failed(standing);
    if (tls !== undefined) return failed(reply(554, '5.1', 'Error: TLS already active'));
    if (settings.tlsSecurityLevel === 'none' || settings.discardEhloKeywords.has('starttls')) {
      return failed(reply(502, '5.1', 'Error: command not implemented'));
    }
    if (!tlsAvailable) return failed(reply(454, '7.0', 'TLS not available due to local problem'));
    const tooMany = refuseTls(conversation);
    if (tooMany !== undefined) return failed(tooMany);
    return ok(reply(220, '0.0', 'Ready to start TLS'), { kind: 'startTls' });
  },
};
