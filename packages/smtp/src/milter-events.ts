// Mail filters in a session (milters): when they are told of what, and what becomes of their answers. POSTFIX: smtpd.c,
// check_milter_reply() and smtpd_milter.c. Filters hear of a command after the restrictions have agreed to it.

import type { Path } from './address.ts';
import { type Conversation, type MilterFacts, abortMilters } from './conversation.ts';
import type { Effects } from './effects.ts';
import { type Question, clientNameNow, logEvent } from './policy.ts';
import type { MilterMacros, MilterSession, MilterVerdict } from './ports.ts';
import { type Reply, enhancedCode, plainReply, reply } from './reply.ts';

const CLOSING = reply(421, '7.0', 'Server closing connection');

/** `550-5.7.1 one` CRLF `550 5.7.1 two` as a reply; its lines keep the enhanced codes they came with. */
export function replyOfLines(text: string): Reply {
  const lines = text.split('\r\n');
  return plainReply(Number(lines[0]?.slice(0, 3)), ...lines.map((line) => line.slice(4)));
}

/** A filter's words in one line of the log. */
const onOneLine = (text: string): string => text.replace(/\r\n/g, '??');

const isDiscarded = (effects: Effects | undefined): boolean =>
  effects?.discard === true || effects?.discardByFilter === true;

interface Hearing {
  readonly question?: Omit<Question, 'moment'>;
  readonly effects?: Effects;
}

/** The refusal that a verdict comes to, logged; undefined: the session goes on. */
export function settleVerdict(
  conversation: Conversation,
  verdict: MilterVerdict | undefined,
  { question = {}, effects = conversation.transaction?.effects }: Hearing = {},
): Reply | undefined {
  switch (verdict?.kind) {
    case undefined:
      return undefined;
    case 'hold':
      if (effects?.hold === true) return undefined;
      effects?.setHold();
      logEvent(
        conversation,
        { kind: 'milter-hold', text: verdict.reason || 'milter triggers HOLD action' },
        question,
      );
      return undefined;
    case 'discard':
      if (isDiscarded(effects)) return undefined;
      effects?.setDiscardByFilter();
      logEvent(conversation, { kind: 'milter-discard', text: 'milter triggers DISCARD action' }, question);
      return undefined;
    case 'shutdown':
      logEvent(
        conversation,
        { kind: 'milter-reject', text: `421 ${enhancedCode(CLOSING)} ${CLOSING.lines[0] ?? ''}` },
        question,
      );
      return CLOSING;
    case 'reply':
      logEvent(conversation, { kind: 'milter-reject', text: onOneLine(verdict.text) }, question);
      return replyOfLines(verdict.text);
  }
}

/** Tells the filters of one thing, if there are any that still want to hear; the answer is the refusal. */
export async function tellMilters(
  conversation: Conversation,
  facts: MilterFacts,
  tell: (milters: MilterSession) => Promise<MilterVerdict | undefined>,
  hearing: Hearing = {},
): Promise<Reply | undefined> {
  const { milters } = conversation;
  const effects = hearing.effects ?? conversation.transaction?.effects;
  if (milters === undefined || isDiscarded(effects)) return undefined;
  conversation.milterFacts = facts;
  const verdict = await tell(milters);
  return settleVerdict(conversation, verdict, hearing);
}

/**
 * RCPT: filters hear of it after the lists, some of them also of refused recipients; then the lists' refusal stands. The
 * answer is the reply to give, or undefined.
 */
export async function tellRecipient(
  conversation: Conversation,
  recipient: Path,
  { words, rejection }: { readonly words: readonly string[]; readonly rejection: Reply | undefined },
): Promise<Reply | undefined> {
  const facts: MilterFacts = { recipient, ...(rejection === undefined ? {} : { rejection }) };
  if (rejection === undefined)
    return await tellMilters(conversation, facts, (milters) => milters.rcpt(words), {
      question: { recipient },
    });
  const { milters, transaction } = conversation;
  if (milters !== undefined && !isDiscarded(transaction?.effects)) {
    conversation.milterFacts = facts;
    await milters.rcpt(words, { rejected: true });
  }
  return rejection;
}

const TRY_AGAIN = reply(454, '3.0', 'Try again later');

/** For commands of which filters are not told: what stands against the session. */
export function standingRefusal({ milters }: Conversation): Reply | undefined {
  const verdict = milters?.standing();
  return verdict?.kind === 'reply' ? replyOfLines(verdict.text) : undefined;
}

/** The same for STARTTLS and AUTH. POSTFIX: sendmail's 454 in place of any temporary one. */
export function standingRefusal454(conversation: Conversation): Reply | undefined {
  const refused = standingRefusal(conversation);
  return refused !== undefined && refused.code < 500 ? TRY_AGAIN : refused;
}

/** The session is that of another client from here on, or over. */
export function endMilters(conversation: Conversation): void {
  abortMilters(conversation);
  if (conversation.helo !== undefined) conversation.milters?.abort();
  conversation.milters?.end();
  conversation.milters = undefined;
}

type Macro = (conversation: Conversation) => string | undefined | Promise<string | undefined>;

const senderOf = ({ milterFacts, transaction }: Conversation): Path | undefined =>
  milterFacts.sender ?? transaction?.sender;

function resolvedSender(
  conversation: Conversation,
  part: 'transport' | 'nexthop' | 'address',
): ReturnType<Macro> {
  const sender = senderOf(conversation);
  if (sender === undefined) return undefined;
  if (part === 'address' && sender.address === '') return '';
  return resolved(conversation, sender.address, part);
}

function resolvedRecipient(
  conversation: Conversation,
  part: 'transport' | 'nexthop' | 'address',
): ReturnType<Macro> {
  const { recipient, rejection } = conversation.milterFacts;
  if (recipient === undefined) return undefined;
  if (rejection !== undefined) {
    // sendmail's way of telling why.
    if (part === 'transport') return 'error';
    if (part === 'nexthop') return enhancedCode(rejection) || undefined;
    const [, text = ''] = /^\S+ (.*)$/.exec(rejection.lines[0] ?? '') ?? [];
    return text;
  }
  return resolved(conversation, recipient.address, part);
}

async function resolved(
  conversation: Conversation,
  address: string,
  part: 'transport' | 'nexthop' | 'address',
): Promise<string | undefined> {
  const { addresses } = conversation.ports;
  const found = await addresses.whereTo?.(address, senderOf(conversation)?.address ?? '');
  return found?.[part] ?? (part === 'address' ? address : undefined);
}

const known = (text: string): string => (text === '' ? 'unknown' : text);

/** What filters may ask about a session. TLS and the envelope are known while it is under way, not once the message is in. */
const SESSION_MACROS: ReadonlyMap<string, Macro> = new Map<string, Macro>([
  ['{daemon_name}', ({ settings }) => settings.milterDaemonName],
  ['{v}', ({ settings }) => settings.milterVersion],
  ['{j}', ({ settings }) => settings.myhostname],
  [
    '{_}',
    async ({ client, peer }) => {
      const { name, reverseName } = await client;
      const forged = name.toLowerCase() === reverseName.toLowerCase() ? '' : ' (may be forged)';
      return `${reverseName} [${peer.remoteAddress}]${forged}`;
    },
  ],
  ['{client_addr}', ({ peer }) => withFamily(peer.remoteAddress)],
  ['{client_port}', ({ peer }) => String(peer.remotePort)],
  ['{client_name}', (conversation) => clientNameNow(conversation)],
  ['{client_ptr}', async ({ client }) => known((await client).reverseName)],
  [
    '{client_connections}',
    ({ connections }) => (connections === undefined ? undefined : String(connections)),
  ],
  [
    '{client_resolve}',
    async ({ client }) => {
      const { status, reverseName } = await client;
      if (status === 'ok') return 'OK';
      if (status === 'temporary') return 'TEMP';
      return reverseName === 'unknown' ? 'FAIL' : 'FORGED';
    },
  ],
  ['{daemon_addr}', ({ peer }) => peer.localAddress],
  ['{daemon_port}', ({ peer }) => String(peer.localPort)],
  ['{i}', ({ milterFacts }) => milterFacts.queueId],
  ['{auth_type}', ({ login }) => login?.method],
  ['{auth_authen}', ({ login }) => login?.user],
]);

const ENVELOPE_MACROS: ReadonlyMap<string, Macro> = new Map<string, Macro>([
  ['{tls_version}', ({ tls }) => tls?.protocol],
  ['{cipher}', ({ tls }) => tls?.cipher],
  ['{cipher_bits}', ({ tls }) => (tls === undefined ? undefined : String(tls.usedBits))],
  ['{tls_sni}', ({ tls }) => tls?.serverName],
  ['{mail_addr}', (conversation) => resolvedSender(conversation, 'address')],
  ['{mail_host}', (conversation) => resolvedSender(conversation, 'nexthop')],
  ['{mail_mailer}', (conversation) => resolvedSender(conversation, 'transport')],
  ['{rcpt_addr}', (conversation) => resolvedRecipient(conversation, 'address')],
  ['{rcpt_host}', (conversation) => resolvedRecipient(conversation, 'nexthop')],
  ['{rcpt_mailer}', (conversation) => resolvedRecipient(conversation, 'transport')],
]);

/** Postfix's form of an address that stands alone (RFC 5321 §4.1.3). */
const withFamily = (address: string): string => (address.includes(':') ? `IPv6:${address}` : address);

export function sessionMacros(conversation: Conversation): MilterMacros {
  return (name) => (SESSION_MACROS.get(name) ?? ENVELOPE_MACROS.get(name))?.(conversation);
}

/** POSTFIX: cleanup(8) asks them about the content, and knows less: no TLS, no envelope. */
export function contentMacros(conversation: Conversation, queueId: string): MilterMacros {
  const { login } = conversation;
  const then: Conversation = { ...conversation, login, milterFacts: { queueId } };
  return (name) => {
    if (name === '{client_addr}') return then.peer.remoteAddress;
    if (name === '{client_connections}' || name === '{client_resolve}') return undefined;
    return SESSION_MACROS.get(name)?.(then);
  };
}
