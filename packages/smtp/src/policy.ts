// Puts the restriction lists together for one moment of a session, runs them, and words the log line of a refusal.
//
// With `smtpd_delay_reject` (the default) the lists for client, HELO and sender run at RCPT, together with the relay
// and recipient lists; without it each runs at its own command.

import { type Conversation, type Transaction } from './conversation.ts';
import type { Path } from './address.ts';
import { UNKNOWN_CLIENT } from './client-name.ts';
import type { EnvelopeMailbox } from './ports.ts';
import { type Reply, replyText } from './reply.ts';
import { type ListRun, evaluateLists, unlistedRecipientReply } from './restrictions/evaluate.ts';
import type { Decision, RestrictionInput } from './restrictions/types.ts';

type Moment = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'endOfData';

export interface Question {
  readonly moment: Moment;
  /** HELO name under judgement, not yet taken over. */
  readonly helo?: string;
  readonly sender?: Path;
  readonly recipient?: Path;
}

/** The refusal of the lists that apply now, or undefined; a refusal has been logged. */
export function refusal(
  conversation: Conversation,
  question: Question,
): Reply | undefined | Promise<Reply | undefined> {
  const input = inputOf(conversation, question);
  const runs = listsFor(conversation, question);
  const decision = runs.length === 0 ? undefined : evaluateLists(runs, input);
  if (decision instanceof Promise) return decision.then((value) => conclude(conversation, question, value));
  return conclude(conversation, question, decision);
}

function conclude(
  conversation: Conversation,
  question: Question,
  decision: Decision | undefined,
): Reply | undefined | Promise<Reply | undefined> {
  if (decision !== undefined) {
    conversation.lastDecision = decision;
    for (const warning of decision.warnings) logRefusal(conversation, warning, question, 'reject_warning');
    if (decision.reply !== undefined) {
      logRefusal(conversation, decision.reply, question);
      return decision.reply;
    }
  }
  const recipient = question.recipient;
  if (recipient?.mailbox === undefined || !conversation.settings.rejectUnlistedRecipient) return undefined;
  return checkListed(conversation, question, recipient.mailbox);
}

async function checkListed(
  conversation: Conversation,
  question: Question,
  mailbox: EnvelopeMailbox,
): Promise<Reply | undefined> {
  const verdict = await conversation.ports.addresses.verify(mailbox);
  const display = question.recipient?.display ?? '';
  const refused = unlistedRecipientReply(verdict, display, conversation.settings.codes);
  if (refused === undefined) return undefined;
  if (verdict.kind === 'unavailable') {
    conversation.log('warn', () => `warning: recipient lookup of ${display}: ${verdict.reason}`);
  }
  logRefusal(conversation, refused, question);
  return refused;
}

function inputOf(conversation: Conversation, question: Question): RestrictionInput {
  const { settings, ports, peer, transaction } = conversation;
  const helo = question.helo ?? conversation.helo;
  const sender = question.sender ?? transaction?.sender;
  return {
    clientAddress: peer.remoteAddress,
    clientName: () => conversation.client,
    ...(helo === undefined ? {} : { helo }),
    ...(sender === undefined ? {} : { sender }),
    ...(question.recipient === undefined ? {} : { recipient: question.recipient }),
    esmtp: conversation.protocol === 'ESMTP',
    secured: conversation.tls !== undefined,
    authenticated: conversation.login !== undefined,
    improperPipelining: conversation.improperPipelining,
    recipientCount: transaction?.recipients.length ?? 0,
    settings,
    dns: ports.dns,
    addresses: ports.addresses,
    answers: transaction?.answers ?? new Map(),
  };
}

function listsFor(conversation: Conversation, question: Question): ListRun[] {
  const { settings } = conversation;
  const delayed = settings.delayReject;
  const runs: ListRun[] = [];
  const add = (list: ListRun['list'], name: string, label: string): void => {
    const items = settings.restrictions[list];
    if (items.length > 0) runs.push({ list, items, subject: { name, label } });
  };
  const helo = question.helo ?? conversation.helo;
  const sender = question.sender ?? conversation.transaction?.sender;
  const client = `${clientNameNow(conversation)}[${conversation.peer.remoteAddress}]`;
  const { moment } = question;
  if (delayed ? moment === 'rcpt' : moment === 'connect') add('client', client, 'Client host');
  if ((delayed ? moment === 'rcpt' : moment === 'helo') && helo !== undefined)
    add('helo', helo, 'Helo command');
  if ((delayed ? moment === 'rcpt' : moment === 'mail') && sender !== undefined)
    add('sender', sender.display, 'Sender address');
  if (moment === 'rcpt') {
    const recipient = question.recipient?.display ?? '';
    const order = settings.relayBeforeRecipientRestrictions
      ? (['relay', 'recipient'] as const)
      : (['recipient', 'relay'] as const);
    for (const list of order) add(list, recipient, 'Recipient address');
  }
  if (moment === 'data') add('data', 'DATA', 'Data command');
  if (moment === 'endOfData') add('endOfData', 'END-OF-MESSAGE', 'End-of-data');
  return runs;
}

/** The client's name as far as it is known: an unfinished look-up counts as `unknown`. */
export function clientNameNow(conversation: Conversation): string {
  return (conversation.client instanceof Promise ? UNKNOWN_CLIENT : conversation.client).name;
}

/** `NOQUEUE: reject: RCPT from name[address]: 554 5.7.1 …; from=<> to=<> proto=ESMTP helo=<>`. */
export function logRefusal(
  conversation: Conversation,
  value: Reply,
  question: Omit<Question, 'moment'>,
  kind = 'reject',
): void {
  const { where, protocol } = conversation;
  const transaction: Transaction | undefined = conversation.transaction;
  const sender = question.sender ?? transaction?.sender;
  const recipient =
    question.recipient ??
    (transaction?.recipients.length === 1 ? transaction.recipients[0]?.path : undefined);
  const helo = question.helo ?? conversation.helo;
  const fields = [
    sender === undefined ? '' : ` from=<${sender.address}>`,
    recipient === undefined ? '' : ` to=<${recipient.address}>`,
    ` proto=${protocol}`,
    helo === undefined ? '' : ` helo=<${helo}>`,
  ].join('');
  conversation.log(
    'info',
    (client) => `NOQUEUE: ${kind}: ${where} from ${client}: ${replyText(value)};${fields}`,
  );
}
