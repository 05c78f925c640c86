// The queue as Postfix prints it: `postqueue -p` for people and their scripts, `postqueue -j` for programs.

import type { ListedMessage, ListedRecipient } from '../../control/protocol.ts';

export interface ReportedMessage extends ListedMessage {
  readonly recipients: readonly ListedRecipient[];
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export const REPORT_HEAD = '-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n';
/** With enable_long_queue_ids. */
export const LONG_REPORT_HEAD = '----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n';
export const EMPTY_REPORT = 'Mail queue is empty\n';

const isLong = (id: string): boolean => /[^0-9A-F]/.test(id);

/** POSTFIX: the form is the first message's. */
export const reportHead = (first: ListedMessage): string =>
  isLong(first.id) ? LONG_REPORT_HEAD : REPORT_HEAD;

/** Where a reason ends, at the right margin. */
const REASON_END = 76;
const RECIPIENT_COLUMN = 41;

export function formatReport(message: ReportedMessage): string {
  const { id, queue, size, sender, arrivedAt } = message;
  const mark = queue === 'active' ? '*' : queue === 'hold' ? '!' : '';
  const time = formatTime(arrivedAt);
  // POSTFIX: "%-11s %7ld %20.20s %s", for long ids "%-17s %8ld %19.19s %s".
  const figures = isLong(id)
    ? `${`${id}${mark}`.padEnd(17)} ${String(size).padStart(8)} ${time}`
    : `${`${id}${mark}`.padEnd(11)} ${String(size).padStart(7)} ${time} `;
  const lines = [`${figures} ${shownSender(sender)}`];
  let reason: string | undefined;
  for (const recipient of message.recipients) {
    // POSTFIX: a reason stands once above all that share it.
    if (recipient.reason !== undefined && recipient.reason !== reason) {
      const text = `(${recipient.reason})`;
      lines.push(text.padStart(REASON_END + 2));
    }
    reason = recipient.reason;
    lines.push(' '.repeat(RECIPIENT_COLUMN) + printable(recipient.address));
  }
  return `${lines.map(printable).join('\n')}\n\n`;
}

export function formatReportEnd(octets: number, messages: number): string {
  return `-- ${Math.floor(octets / 1024)} Kbytes in ${messages} Request${messages === 1 ? '' : 's'}.\n`;
}

/** POSTFIX: postqueue(1), JSON OBJECT FORMAT; a line each. */
export function formatJson(message: ReportedMessage): string {
  const { id, queue, size, sender, arrivedAt, recipients } = message;
  const fields: readonly (readonly [string, string])[] = [
    ['queue_name', JSON.stringify(queue)],
    ['queue_id', JSON.stringify(id)],
    ['arrival_time', String(Math.floor(arrivedAt / 1000))],
    ['message_size', String(size)],
    ['forced_expire', 'false'],
    ['sender', JSON.stringify(shownSender(sender))],
    ['recipients', `[${recipients.map(recipientJson).join(', ')}]`],
  ];
  return `{${fields.map(([name, value]) => `"${name}": ${value}`).join(', ')}}\n`;
}

function recipientJson({ address, reason }: ListedRecipient): string {
  const delay = reason === undefined ? '' : `, "delay_reason": ${JSON.stringify(reason)}`;
  return `{"address": ${JSON.stringify(address)}${delay}}`;
}

const shownSender = (sender: string): string => (sender === '' ? 'MAILER-DAEMON' : sender);

const two = (value: number, pad = '0'): string => String(value).padStart(2, pad);

/** ctime(3) without the year: `Tue Nov 24 22:16:34`. */
function formatTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  const day = `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${two(date.getDate(), ' ')}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Nothing that came with a mail moves the reader's cursor. */
const printable = (text: string): string => text.replace(/\p{Cc}/gu, '?');
