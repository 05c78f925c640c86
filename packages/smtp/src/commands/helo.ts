// EHLO and HELO (RFC 5321 §4.1.1.1): who the client says it is, and what we offer.

import {
  type Command,
  type CommandWord,
  type Conversation,
  type Outcome,
  failed,
  offeredMechanisms,
  ok,
  resetTransaction,
  saslActive,
} from '../conversation.ts';
import { tellMilters } from '../milter-events.ts';
import { refusal } from '../policy.ts';
import { type Reply, plainReply, printable } from '../reply.ts';

/** POSTFIX: characters that would break `Received:` or the log. */
export const UNSAFE = /[ <>()\\";@]/g;

function greet(
  verb: 'EHLO' | 'HELO',
  conversation: Conversation,
  words: readonly CommandWord[],
): Outcome | Promise<Outcome> {
  if (words.length < 2) return failed(plainReply(501, `Syntax: ${verb} hostname`));
  const name = printable(
    words
      .slice(1)
      .map((word) => word.text)
      .join(' '),
  ).replace(UNSAFE, '?');
  const goOn = (refused: Reply | undefined): Outcome | Promise<Outcome> => {
    if (refused !== undefined) return failed(refused);
    return conversation.milters === undefined
      ? accept(verb, conversation, { name })
      : askMilters(verb, conversation, name);
  };
  if (conversation.settings.delayReject) return goOn(undefined);
  const refused = refusal(conversation, { moment: 'helo', helo: name });
  return refused instanceof Promise ? refused.then(goOn) : goOn(refused);
}

/** POSTFIX: only a filter that ends the session is heard now; what else it says is said to MAIL and what follows. */
async function askMilters(verb: 'EHLO' | 'HELO', conversation: Conversation, name: string): Promise<Outcome> {
  const question = { helo: name };
  const refused = await tellMilters(conversation, {}, (milters) => milters.helo(name), { question });
  if (refused?.code === 421) return failed(refused);
  return accept(verb, conversation, { name, offersNothing: refused !== undefined && refused.code >= 500 });
}

function accept(
  verb: 'EHLO' | 'HELO',
  conversation: Conversation,
  { name, offersNothing = false }: { readonly name: string; readonly offersNothing?: boolean },
): Outcome {
  resetTransaction(conversation);
  if (conversation.helo !== undefined) conversation.milters?.abort();
  conversation.helo = name;
  conversation.protocol = verb === 'EHLO' ? 'ESMTP' : 'SMTP';
  if (verb === 'HELO') return ok(plainReply(250, conversation.settings.myhostname));
  if (offersNothing) return ok(plainReply(250, conversation.settings.myhostname, 'ENHANCEDSTATUSCODES'));
  const off = [...conversation.settings.discardEhloKeywords];
  if (off.length > 0 && !off.includes('silent-discard')) {
    conversation.log('info', () => `discarding EHLO keywords: ${off.join(' ').toUpperCase()}`);
  }
  return ok(ehloReply(conversation));
}

/** POSTFIX: the order of keywords. */
export function ehloReply(conversation: Conversation): Reply {
  const { settings, tls } = conversation;
  const off = settings.discardEhloKeywords;
  const lines = [settings.myhostname];
  const offer = (line: string, keyword = line): void => {
    if (!off.has(keyword.toLowerCase())) lines.push(line);
  };
  offer('PIPELINING');
  offer(settings.messageSizeLimit > 0 ? `SIZE ${settings.messageSizeLimit}` : 'SIZE', 'SIZE');
  if (!settings.disableVrfyCommand) offer('VRFY');
  offer('ETRN');
  if (settings.tlsSecurityLevel !== 'none' && tls === undefined && conversation.tlsAvailable)
    offer('STARTTLS');
  if (saslActive(conversation) && (!settings.tlsAuthOnly || tls !== undefined)) {
    const mechanisms = offeredMechanisms(conversation).join(' ');
    if (mechanisms !== '') {
      offer(`AUTH ${mechanisms}`, 'AUTH');
      if (settings.brokenSaslAuthClients) offer(`AUTH=${mechanisms}`, 'AUTH');
    }
  }
  if (conversation.mayXclient)
    offer('XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT', 'XCLIENT');
  if (conversation.mayXforward) offer('XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT', 'XFORWARD');
  offer('ENHANCEDSTATUSCODES');
  offer('8BITMIME');
  offer('DSN');
  if (settings.smtputf8Enable) offer('SMTPUTF8');
  offer('CHUNKING');
  return plainReply(250, ...lines);
}

export const ehlo: Command = {
  verb: 'EHLO',
  beforeTls: true,
  endsGroup: true,
  junk: true,
  run: (conversation, words) => greet('EHLO', conversation, words),
};

export const helo: Command = {
  verb: 'HELO',
  beforeTls: true,
  endsGroup: true,
  junk: true,
  run: (conversation, words) => greet('HELO', conversation, words),
};
