// `smtpd_reject_footer`: what every refusal ends with. POSTFIX: smtp_reply_footer: lines of its own under the reply's
// code, `\\n` between them; a footer that begins with `\\c` goes on in the reply's last line.

import type { Conversation } from './conversation.ts';
import { type Reply, printable, replyText } from './reply.ts';
import type { SmtpSettings } from './settings.ts';

const MAX_LINE = 400;
const MAX_LINES = 10;

export function withFooter(conversation: Conversation, value: Reply): Reply {
  const { settings } = conversation;
  if (value.code < 400) return value;
  const footer = footerFor(value, settings);
  if (footer === '') return value;
  const isContinued = footer.startsWith('\\c');
  const template = isContinued ? footer.slice(2) : footer;
  const text = settings.expandTemplate(template, attributesOf(conversation));
  if (text === undefined) return value;
  const lines = text
    .split(/\\n|\n/)
    .slice(0, MAX_LINES)
    .map((line) => printable(line).slice(0, MAX_LINE));
  if (!isContinued) return { ...value, lines: [...value.lines, ...lines] };
  const last = `${value.lines.at(-1) ?? ''}${lines[0] ?? ''}`;
  return { ...value, lines: [...value.lines.slice(0, -1), last, ...lines.slice(1)] };
}

/** POSTFIX: `smtpd_reject_footer_maps` is asked about the reply as it stands. What cannot answer at once has nothing. */
function footerFor(value: Reply, { rejectFooter, rejectFooterMaps }: SmtpSettings): string {
  if (rejectFooterMaps === undefined) return rejectFooter;
  try {
    const entry = rejectFooterMaps.find(replyText(value));
    return entry === undefined || entry instanceof Promise ? rejectFooter : entry.value;
  } catch {
    return rejectFooter;
  }
}

function attributesOf(conversation: Conversation): ReadonlyMap<string, string> {
  const { client, peer, helo, transaction, settings, ports } = conversation;
  const known = client instanceof Promise ? undefined : client;
  const name = known?.name ?? 'unknown';
  const sender = transaction?.sender;
  return new Map([
    ['client', `${name}[${peer.remoteAddress}]`],
    ['client_address', peer.remoteAddress],
    ['client_name', name],
    ['client_port', String(peer.remotePort)],
    ['helo_name', helo ?? ''],
    ['localtime', localTime(ports.clock.now())],
    ['reverse_client_name', known?.reverseName ?? 'unknown'],
    ['sender', sender?.display ?? ''],
    ['sender_domain', sender?.mailbox?.domain ?? ''],
    ['sender_name', sender?.mailbox?.local ?? ''],
    ['server_address', peer.localAddress],
    ['server_name', settings.myhostname],
    ['server_port', String(peer.localPort)],
  ]);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Nov 24 22:13:35`. */
function localTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${MONTHS[date.getMonth()]} ${two(date.getDate())} ${time}`;
}
