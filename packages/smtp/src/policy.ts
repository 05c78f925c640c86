// Puts the restriction lists together for one moment of a session, runs them, and words the log line of a refusal.
//
// With `smtpd_delay_reject` (the default) the lists for client, HELO and sender run at RCPT, together with the relay
// and recipient lists; without it each runs at its own command.

import { type Conversation, type Transaction } from './conversation.ts';
import type { Path } from './address.ts';
import { UNKNOWN_CLIENT } from './client-name.ts';
import type { EnvelopeMailbox } from './ports.ts';
import { type Reply, replyText } from './reply.ts';
import type { Effects } from './effects.ts';
import { type ListRun, type Pending, evaluateLists } from './restrictions/evaluate.ts';
import type { Decision, Remark, RestrictionInput } from './restrictions/types.ts';
import { unlistedRecipientReply } from './restrictions/unlisted.ts';
import type { RestrictionItem } from './settings.ts';

type Moment = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'endOfData' | 'etrn';

export interface Question {
  readonly moment: Moment;
  /** HELO name under judgement, not yet taken over. */
  readonly helo?: string;
  readonly sender?: Path;
  readonly recipient?: Path;
  readonly etrn?: string;
  /** What MAIL's lists want done, before there is a transaction. */
  readonly effects?: Effects;
  readonly queueId?: string;
  /** Octets of the message, once they are known. */
  readonly size?: number;
}

/** The refusal of the lists that apply now, or undefined; a refusal has been logged. */
export function refusal(
  conversation: Conversation,
  question: Question,
): Reply | undefined | Promise<Reply | undefined> {
  // POSTFIX: RFC 5321 §3.6: nothing stands between a client and the postmaster.
  if (question.moment === 'rcpt' && isBarePostmaster(question.recipient)) return undefined;
  const input = inputOf(conversation, question);
  if (input.effects?.discard === true) return undefined;
  const runs = listsFor(conversation, question);
  const decision =
    runs.length === 0 ? undefined : evaluateLists(runs, input, pendingOf(conversation, question.moment));
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
    for (const remark of decision.remarks) logRemark(conversation, remark, question);
    if (question.moment === 'connect' || question.moment === 'helo' || question.moment === 'mail')
      conversation.deferred[question.moment] = decision.deferIfPermit;
    if (decision.reply !== undefined) {
      logRefusal(conversation, decision.reply, question);
      return decision.reply;
    }
  }
  const recipient = question.recipient;
  if (recipient?.mailbox === undefined || !conversation.settings.rejectUnlistedRecipient) return undefined;
  if (effectsOf(conversation, question)?.discard === true) return undefined;
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

/** POSTFIX: DEFER_IF_PERMIT outlives the command that raised it, until a recipient is judged. */
function pendingOf({ deferred }: Conversation, moment: Moment): Pending {
  switch (moment) {
    case 'connect':
      return { isLast: false };
    case 'helo':
      return { isLast: false, deferIfPermit: deferred.connect };
    case 'mail':
      return { isLast: false, deferIfPermit: deferred.connect ?? deferred.helo };
    case 'etrn':
      return { isLast: true, deferIfPermit: deferred.connect ?? deferred.helo };
    case 'rcpt':
      return { isLast: true, deferIfPermit: deferred.mail ?? deferred.connect ?? deferred.helo };
    case 'data':
    case 'endOfData':
      return { isLast: true };
  }
}

function isBarePostmaster(path: Path | undefined): boolean {
  const mailbox = path?.mailbox;
  return mailbox?.domain === undefined && mailbox?.local.toLowerCase() === 'postmaster';
}

function effectsOf(conversation: Conversation, question: Question): Effects | undefined {
  return question.effects ?? conversation.transaction?.effects;
}

function inputOf(conversation: Conversation, question: Question): RestrictionInput {
  const { settings, ports, peer, transaction } = conversation;
  const helo = question.helo ?? conversation.helo;
  const sender = question.sender ?? transaction?.sender;
  const effects = effectsOf(conversation, question);
  // POSTFIX: DATA's lists are told of a recipient when there is but one.
  const recipient =
    question.recipient ??
    (transaction?.recipients.length === 1 ? transaction.recipients[0]?.path : undefined);
  const { tls, login } = conversation;
  return {
    clientAddress: peer.remoteAddress,
    clientPort: peer.remotePort,
    serverAddress: peer.localAddress,
    serverPort: peer.localPort,
    clientName: () => conversation.client,
    ...(helo === undefined ? {} : { helo }),
    ...(sender === undefined ? {} : { sender }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(question.etrn === undefined ? {} : { etrn: question.etrn }),
    ...(effects === undefined ? {} : { effects }),
    ...(question.queueId === undefined ? {} : { queueId: question.queueId }),
    messageSize: question.size ?? transaction?.parameters.size ?? 0,
    instance: `${conversation.sessionId}.${conversation.transactions}`,
    where: conversation.where,
    esmtp: conversation.protocol === 'ESMTP',
    secured: tls !== undefined,
    ...(tls === undefined ? {} : { tls }),
    authenticated: login !== undefined,
    ...(login === undefined ? {} : { login }),
    improperPipelining: conversation.improperPipelining,
    recipientCount: transaction?.recipients.length ?? 0,
    settings,
    dns: ports.dns,
    clock: ports.clock,
    addresses: ports.addresses,
    ...(ports.verifier === undefined ? {} : { verifier: ports.verifier }),
    answers: transaction?.answers ?? new Map(),
  };
}

/** `smtpd_reject_unlisted_sender`: a list of its own, so that a permission in the sender's list does not end it. */
const UNLISTED_SENDER: readonly RestrictionItem[] = [
  { word: 'reject_unlisted_sender', origin: { file: '(smtpd_reject_unlisted_sender)', line: 0 } },
];
const UNUSED_SUBJECT = { name: '', label: 'Sender address' };

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
  const decides = moment === 'rcpt' || moment === 'etrn';
  if (delayed ? decides : moment === 'connect') add('client', client, 'Client host');
  if ((delayed ? decides : moment === 'helo') && helo !== undefined) add('helo', helo, 'Helo command');
  if ((delayed ? moment === 'rcpt' : moment === 'mail') && sender !== undefined)
    add('sender', sender.display, 'Sender address');
  if (
    settings.rejectUnlistedSender &&
    (delayed ? moment === 'rcpt' : moment === 'mail') &&
    sender?.mailbox !== undefined
  )
    runs.push({ list: 'sender', items: UNLISTED_SENDER, subject: UNUSED_SUBJECT });
  if (moment === 'rcpt') {
    const recipient = question.recipient?.display ?? '';
    const order = settings.relayBeforeRecipientRestrictions
      ? (['relay', 'recipient'] as const)
      : (['recipient', 'relay'] as const);
    for (const list of order) add(list, recipient, 'Recipient address');
  }
  if (moment === 'etrn') add('etrn', question.etrn ?? '', 'Etrn command');
  if (moment === 'data') add('data', 'DATA', 'Data command');
  if (moment === 'endOfData') add('endOfData', 'END-OF-MESSAGE', 'End-of-data');
  return runs;
}

/** The client's name as far as it is known: an unfinished look-up counts as `unknown`. */
export function clientNameNow(conversation: Conversation): string {
  return (conversation.client instanceof Promise ? UNKNOWN_CLIENT : conversation.client).name;
}

function logRemark(conversation: Conversation, remark: Remark, question: Question): void {
  switch (remark.kind) {
    case 'warning':
      conversation.log('warn', () => `warning: ${remark.text}`);
      return;
    case 'rejectWarning':
      logRefusal(conversation, remark.reply, question, 'reject_warning');
      return;
    case 'note':
      logEvent(conversation, remark.note, question);
  }
}

/** `NOQUEUE: reject: RCPT from name[address]: 554 5.7.1 …; from=<> to=<> proto=ESMTP helo=<>`. */
export function logRefusal(
  conversation: Conversation,
  value: Reply,
  question: Omit<Question, 'moment'>,
  kind = 'reject',
): void {
  logEvent(conversation, { kind, text: replyText(value) }, question);
}

interface Event {
  readonly kind: string;
  readonly text: string;
  readonly ofClient?: true;
}

export function logEvent(
  conversation: Conversation,
  { kind, text, ofClient }: Event,
  question: Omit<Question, 'moment'>,
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
  const queueId = question.queueId ?? 'NOQUEUE';
  conversation.log('info', (client) => {
    const about = ofClient === true ? `${text}${client} ` : text;
    return `${queueId}: ${kind}: ${where} from ${client}: ${about};${fields}`;
  });
}
