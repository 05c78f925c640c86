// AUTH (RFC 4954). The exchange itself is the port's; this file says when it may begin, and what its end means.
// POSTFIX: texts and log lines are those fail2ban's filters look for.

import { countCommand } from '../client-events.ts';
import {
  type Command,
  type CommandWord,
  type Conversation,
  type Outcome,
  failed,
  offeredMechanisms,
  ok,
  saslActive,
} from '../conversation.ts';
import { standingRefusal454 } from '../milter-events.ts';
import type { SaslStep } from '../ports.ts';
import { plainReply, printable, reply } from '../reply.ts';

const REASON_UNKNOWN = '(reason unavailable)';

function run(conversation: Conversation, words: readonly CommandWord[]): Outcome | Promise<Outcome> {
  const { settings, ports, tls } = conversation;
  const tooMany = countCommand(conversation, 'auth');
  if (tooMany !== undefined) return failed(tooMany);
  if (settings.heloRequired && conversation.helo === undefined) {
    return failed(reply(503, '5.1', 'Error: send HELO/EHLO first'));
  }
  if (!saslActive(conversation) || settings.discardEhloKeywords.has('auth')) {
    return failed(reply(503, '5.1', 'Error: authentication not enabled'));
  }
  if (conversation.transaction !== undefined) {
    return failed(reply(503, '5.1', 'Error: MAIL transaction in progress'));
  }
  const standing = standingRefusal454(conversation);
  if (standing !== undefined) return failed(standing);
  if (settings.tlsAuthOnly && tls === undefined) {
    return failed(reply(504, '5.4', 'Encryption required for requested authentication mechanism'));
  }
  if (conversation.login !== undefined) return failed(reply(503, '5.1', 'Error: already authenticated'));
  const mechanism = words[1]?.text.toUpperCase();
  if (mechanism === undefined || words.length > 3) return failed(reply(501, '5.4', 'Syntax: AUTH mechanism'));
  if (!offeredMechanisms(conversation).includes(mechanism)) {
    return refused(conversation, { mechanism, user: undefined, reason: 'Invalid authentication mechanism' });
  }
  return continueSasl(conversation, mechanism, ports.sasl.startSasl(mechanism, words[2]?.text));
}

/** Turns a step of the exchange into what the client sees. */
export function continueSasl(
  conversation: Conversation,
  mechanism: string,
  step: SaslStep,
): Outcome | Promise<Outcome> {
  switch (step.kind) {
    case 'challenge':
      return ok(plainReply(334, step.text), { kind: 'sasl', mechanism, step });
    case 'cancelled':
      conversation.log('warn', (client) => `warning: ${client}: SASL ${mechanism} authentication aborted`);
      return countFailure(conversation, failed(reply(501, '7.0', 'Authentication aborted')));
    case 'malformed':
      return refused(conversation, { mechanism, user: undefined, reason: step.reason ?? REASON_UNKNOWN });
    case 'unknownMechanism':
      return refused(conversation, {
        mechanism,
        user: undefined,
        reason: 'Invalid authentication mechanism',
      });
    case 'credentials':
      return decide(conversation, mechanism, step);
  }
}

async function decide(
  conversation: Conversation,
  mechanism: string,
  credentials: Extract<SaslStep, { kind: 'credentials' }>,
): Promise<Outcome> {
  const { ports, peer } = conversation;
  const verdict = await ports.login({
    service: 'smtp',
    mechanism: mechanism === 'LOGIN' ? 'LOGIN' : 'PLAIN',
    user: credentials.user,
    password: credentials.password,
    remoteAddress: peer.remoteAddress,
    localAddress: peer.localAddress,
    secured: conversation.tls !== undefined,
    sessionId: conversation.sessionId,
  });
  if (verdict.kind === 'granted') {
    conversation.login = { method: mechanism, user: verdict.user };
    return ok(reply(235, '7.0', 'Authentication successful'));
  }
  const user = printable(credentials.user);
  if (verdict.kind === 'refused') {
    return refused(conversation, { mechanism, user, reason: REASON_UNKNOWN });
  }
  const line = `SASL ${mechanism} authentication failed: ${printable(verdict.message)}, sasl_username=${user}`;
  conversation.log('warn', (client) => `warning: ${client}: ${line}`);
  return countFailure(
    conversation,
    failed(reply(454, '7.0', 'Temporary authentication failure: authentication service unavailable')),
  );
}

interface Refusal {
  readonly mechanism: string;
  readonly user: string | undefined;
  readonly reason: string;
}

function refused(conversation: Conversation, { mechanism, user, reason }: Refusal): Outcome {
  const shown = printable(mechanism).slice(0, 40);
  conversation.log(
    'warn',
    (client) =>
      `warning: ${client}: SASL ${shown} authentication failed: ${reason}, sasl_username=${user ?? '(unavailable)'}`,
  );
  return countFailure(conversation, failed(reply(535, '7.8', `Error: authentication failed: ${reason}`)));
}

/** Ends a session that goes on guessing. */
function countFailure(conversation: Conversation, outcome: Outcome): Outcome {
  conversation.failedLogins++;
  const limit = conversation.settings.saslAttemptLimit;
  if (limit === 0 || conversation.failedLogins < limit) return outcome;
  const { myhostname } = conversation.settings;
  conversation.log('info', (client) => `too many errors after AUTH from ${client}`);
  return {
    ...outcome,
    reply: reply(421, '7.0', `${myhostname} Error: too many errors`),
    next: { kind: 'close' },
  };
}

export const auth: Command = { verb: 'AUTH', run };
