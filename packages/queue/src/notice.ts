// Delivery status notifications: what the sender of a message is told about recipients that failed, are late, or were
// reached (RFC 3461, 3462, 3464). Pure: facts in, the octets of a message out.
//
//   multipart/report; report-type=delivery-status
//     text/plain                   for people
//     message/delivery-status      for programs
//     message/rfc822               the message, or text/rfc822-headers: its header

import type { MessageEnvelope, QueuedRecipient } from './envelope.ts';
import type { DeliveryResult } from './ports.ts';
import type { NoticeSettings } from './settings.ts';

export type NoticeKind = 'failure' | 'delay' | 'success';

export interface NoticeRecipient {
  readonly recipient: QueuedRecipient;
  readonly result: DeliveryResult;
}

export interface NoticeFacts {
  readonly kind: NoticeKind;
  /** The message that it is about. */
  readonly queueId: string;
  readonly envelope: MessageEnvelope;
  readonly arrivedAt: number;
  /** Until when a late message is tried. */
  readonly retryUntil: number;
  readonly recipients: readonly NoticeRecipient[];
  /** Of the message, its header at least. */
  readonly original: Uint8Array;
  /** Whether `original` is the whole message. */
  readonly whole: boolean;
}

export interface NoticeFrame {
  /** Of the notification. */
  readonly queueId: string;
  /** Who gets it: the header's `To:`. */
  readonly to: string;
  readonly now: number;
  /** The copy for the postmaster, or the bounce of a bounce. */
  readonly forPostmaster: boolean;
}

const CRLF = '\r\n';

/** POSTFIX: subjects and sender as its bounce(8) has them: filters and mailing list software know these. */
const SUBJECTS: Readonly<Record<NoticeKind, string>> = {
  failure: 'Undelivered Mail Returned to Sender',
  delay: 'Delayed Mail (still being retried)',
  success: 'Successful Mail Delivery Report',
};

const ACTIONS: Readonly<Record<NoticeKind, string>> = {
  failure: 'failed',
  delay: 'delayed',
  success: 'delivered',
};

export function formatNotice(facts: NoticeFacts, frame: NoticeFrame, settings: NoticeSettings): Buffer {
  const { myhostname, mailName } = settings;
  const { kind } = facts;
  const boundary = `${frame.queueId}.${Math.floor(frame.now / 1000)}/${myhostname}`;
  const global = isBeyondAscii(facts);
  const template = settings.templates[kind];
  const subject = frame.forPostmaster
    ? (template?.postmasterSubject ??
      `Postmaster Copy: ${kind === 'delay' ? 'Delayed Mail' : 'Undelivered Mail'}`)
    : (template?.subject ?? SUBJECTS[kind]);
  const charset = global ? 'utf-8' : (template?.charset ?? 'us-ascii');
  const explained = explain(facts, settings);
  const textIs8bit = global || explained.some((line) => /[^\0-\x7f]/.test(line));
  const head = [
    `Received: by ${myhostname} (${mailName})`,
    `\tid ${frame.queueId}; ${formatDate(frame.now)}`,
    `Date: ${formatDate(frame.now)}`,
    `From: ${senderOf(template?.from, myhostname)}`,
    `Subject: ${subject}`,
    `To: ${frame.to}`,
    // RFC 3834 §5.
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;`,
    `\tboundary="${boundary}"`,
    ...(has8bit(facts.original) || textIs8bit ? ['Content-Transfer-Encoding: 8bit'] : []),
    `Message-Id: <${frame.now.toString(36)}.${frame.queueId}@${myhostname}>`,
    '',
    'This is a MIME-encapsulated message.',
    '',
    `--${boundary}`,
    'Content-Description: Notification',
    `Content-Type: text/plain; charset=${charset}`,
    ...(textIs8bit ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    ...explained,
    '',
    `--${boundary}`,
    'Content-Description: Delivery report',
    `Content-Type: message/${global ? 'global-' : ''}delivery-status`,
    ...(global ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    ...reportFields(facts, settings),
    '',
    `--${boundary}`,
    `Content-Description: ${facts.whole ? (kind === 'delay' ? 'Delayed Message' : 'Undelivered Message') : 'Message Headers'}`,
    `Content-Type: ${facts.whole ? (global ? 'message/global' : 'message/rfc822') : global ? 'message/global-headers' : 'text/rfc822-headers'}`,
    ...(has8bit(facts.original) ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    '',
  ].join(CRLF);
  const original = facts.whole ? facts.original : headerOf(facts.original);
  return Buffer.concat([
    Buffer.from(head, 'utf8'),
    original,
    Buffer.from(`${endsLine(original) ? '' : CRLF}${CRLF}--${boundary}--${CRLF}`, 'utf8'),
  ]);
}

/** POSTFIX: `MAILER-DAEMON (Mail Delivery System)` gets the host's name. */
function senderOf(from: string | undefined, myhostname: string): string {
  if (from === undefined) return `MAILER-DAEMON@${myhostname} (Mail Delivery System)`;
  return from.includes('@') ? from : from.replace(/MAILER-DAEMON/i, (name) => `${name}@${myhostname}`);
}

function explain(facts: NoticeFacts, { myhostname, templates }: NoticeSettings): string[] {
  const opening = templates[facts.kind]?.text ?? [
    `This is the mail system at host ${myhostname}.`,
    '',
    ...OPENINGS[facts.kind](facts),
    '',
    `                   The mail system`,
  ];
  return [
    ...opening.flatMap(cut),
    ...facts.recipients.flatMap(({ recipient, result }) => ['', ...wrap(describe(recipient, result))]),
  ];
}

const OPENINGS: Readonly<Record<NoticeKind, (facts: NoticeFacts) => string[]>> = {
  failure: () => [
    'Your message could not be delivered to the recipients named below. It is',
    'not going to be tried again. What the other side said stands beside each',
    'of them; the message, or its header, is attached.',
    '',
    'If you need help, write to <postmaster> at your mail provider and include',
    'this report. Your own text may be left out.',
  ],
  delay: ({ arrivedAt, retryUntil }) => [
    '####################################################################',
    '#  THIS IS ONLY A WARNING.  YOU NEED NOT SEND THE MESSAGE AGAIN.   #',
    '####################################################################',
    '',
    `Your message of ${formatDate(arrivedAt)} has not`,
    'reached the recipients named below yet. It is tried again and again',
    `until ${formatDate(retryUntil)}.`,
  ],
  success: () => [
    'Your message was delivered to the recipients named below, or handed to a',
    'mail system that gives no such notices. If it was handed on you may still',
    'hear of problems from there.',
  ],
};

function describe(recipient: QueuedRecipient, result: DeliveryResult): string {
  const original = recipient.original === recipient.address ? '' : ` (expanded from <${recipient.original}>)`;
  return `<${recipient.address}>${original}: ${result.text}`;
}

// RFC 3464 §2.2, §2.3.
function reportFields(facts: NoticeFacts, settings: NoticeSettings): string[] {
  const { envelope, kind } = facts;
  const type = isBeyondAscii(facts) ? 'utf-8' : 'rfc822';
  return [
    `Reporting-MTA: dns; ${settings.myhostname}`,
    ...(envelope.envelopeId === undefined
      ? []
      : cut(`Original-Envelope-Id: ${oneLine(envelope.envelopeId)}`)),
    `X-Postfix-Queue-ID: ${facts.queueId}`,
    ...(envelope.sender === '' ? [] : cut(`X-Postfix-Sender: ${type}; ${oneLine(envelope.sender)}`)),
    `Arrival-Date: ${formatDate(facts.arrivedAt)}`,
    ...facts.recipients.flatMap(({ recipient, result }) => {
      const original = originalRecipient(recipient);
      const words = result.diagnostic ?? result.text;
      const wordsType = result.diagnostic === undefined ? 'X-Postfix' : 'smtp';
      return [
        '',
        ...cut(`Final-Recipient: ${type}; ${oneLine(recipient.address)}`),
        ...cut(`Original-Recipient: ${original}`),
        `Action: ${kind === 'success' ? successAction(result) : ACTIONS[kind]}`,
        `Status: ${result.dsn}`,
        ...(result.remoteMta === undefined ? [] : cut(`Remote-MTA: dns; ${oneLine(result.remoteMta)}`)),
        ...fold(`Diagnostic-Code: ${wordsType}; ${oneLine(words)}`),
        ...(kind === 'delay' ? [`Will-Retry-Until: ${formatDate(facts.retryUntil)}`] : []),
      ];
    }),
  ];
}

/** RFC 3464 §2.3.3. */
function successAction(result: DeliveryResult): string {
  if (result.forwarded !== undefined || result.expanded === true) return 'expanded';
  return result.final === true ? ACTIONS.success : 'relayed';
}

/** ORCPT as it was given (it is in the field's own form), else the address as the client named it. */
function originalRecipient(recipient: QueuedRecipient): string {
  const given = recipient.originalRecipient;
  if (given === undefined) return `rfc822;${oneLine(recipient.original)}`;
  const semicolon = given.indexOf(';');
  const decoded = given
    .slice(semicolon + 1)
    .replace(/\+([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return oneLine(`${given.slice(0, semicolon)};${decoded}`);
}

const isBeyondAscii = ({ envelope, recipients }: NoticeFacts): boolean =>
  /[^\0-\x7f]/.test(envelope.sender) ||
  recipients.some(({ recipient, result }) => /[^\0-\x7f]/.test(`${recipient.address}${result.text}`));

const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]/gu, '?');

/** Characters of a line of the text for people. */
const TEXT_WIDTH = 76;

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > TEXT_WIDTH) {
      lines.push(line);
      line = `    ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].flatMap((one) => cut(one));
}

/** A header field folded at blanks (RFC 5322 §2.2.3). */
function fold(field: string): string[] {
  return wrap(field);
}

/** RFC 5322 §2.1.1: no line over 998. */
function cut(line: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < line.length; at += 900) pieces.push((at === 0 ? '' : ' ') + line.slice(at, at + 900));
  return pieces.length === 0 ? [''] : pieces;
}

function has8bit(octets: Uint8Array): boolean {
  return octets.some((octet) => octet > 0x7f);
}

function headerOf(octets: Uint8Array): Buffer {
  const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  const end = buffer.indexOf('\r\n\r\n');
  if (buffer.subarray(0, 2).toString('latin1') === CRLF) return Buffer.alloc(0);
  return end === -1 ? buffer : buffer.subarray(0, end + 2);
}

function endsLine(octets: Uint8Array): boolean {
  return octets.length === 0 || octets[octets.length - 1] === 0x0a;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n: number): string => String(n).padStart(2, '0');

/** RFC 5322 §3.3, local time. */
function formatDate(milliseconds: number): string {
  const date = new Date(milliseconds);
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${DAYS[date.getDay()]}, ${date.getDate()} ${MONTHS[date.getMonth()]} ${date.getFullYear()} ${time} ${zone}`;
}
