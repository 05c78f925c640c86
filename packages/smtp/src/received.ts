// The `Received:` header (RFC 5321 §4.4) as Postfix writes it, so that whatever reads those keeps reading them.
//
//   Received: from HELO (NAME [ADDRESS])
//   <TAB>(using TLSv1.3 with cipher … (256/256 bits)
//   <TAB> key-exchange X25519 …)
//   <TAB>(No client certificate requested)
//   <TAB>(Authenticated sender: user)
//   <TAB>by MYHOSTNAME (MAIL_NAME) with ESMTPSA id QUEUEID
//   <TAB>for <recipient>; DATE

import type { SmtpSettings } from './settings.ts';
import { formatMailbox } from './address.ts';
import type { EnvelopeMailbox } from './ports.ts';
import type { TlsInfo } from '@postcote/wire';

export interface ReceivedFacts {
  readonly helo: string;
  readonly clientName: string;
  readonly clientAddress: string;
  readonly tls: TlsInfo | undefined;
  readonly saslUser: string | undefined;
  readonly protocol: 'SMTP' | 'ESMTP';
  readonly smtpUtf8: boolean;
  readonly queueId: string;
  /** The only recipient; absent when there are several (RFC 5321 §7.6: do not disclose). */
  readonly recipient?: EnvelopeMailbox;
  readonly date: Date;
}

/** The protocol word of RFC 3848 and RFC 6531 §4.3. */
export function withProtocol(
  facts: Pick<ReceivedFacts, 'protocol' | 'tls' | 'saslUser' | 'smtpUtf8'>,
): string {
  if (facts.protocol === 'SMTP') return 'SMTP';
  const suffix = `${facts.tls === undefined ? '' : 'S'}${facts.saslUser === undefined ? '' : 'A'}`;
  return `${facts.smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${suffix}`;
}

export function formatReceived(facts: ReceivedFacts, settings: SmtpSettings): string {
  const { tls, saslUser, recipient } = facts;
  const lines = [`Received: from ${facts.helo} (${facts.clientName} [${bracketed(facts.clientAddress)}])`];
  if (settings.tlsReceivedHeader && tls !== undefined) lines.push(...tlsLines(tls, settings.tlsAskCcert));
  if (settings.saslAuthenticatedHeader && saslUser !== undefined) {
    lines.push(`\t(Authenticated sender: ${commentSafe(saslUser)})`);
  }
  const by = `\tby ${settings.myhostname} (${settings.mailName}) with ${withProtocol(facts)} id ${facts.queueId}`;
  const date = formatMailDate(facts.date);
  if (recipient === undefined) lines.push(`${by};`, `\t${date}`);
  else lines.push(by, `\tfor <${formatMailbox(recipient)}>; ${date}`);
  return `${lines.join('\r\n')}\r\n`;
}

function tlsLines(tls: TlsInfo, asked: boolean): string[] {
  const using = `\t(using ${tls.protocol} with cipher ${tls.cipher} (${tls.usedBits}/${tls.algorithmBits} bits)`;
  const exchange = tls.keyExchange;
  const lines = exchange === undefined ? [`${using})`] : [using, `\t key-exchange ${exchange})`];
  return [...lines, certificateLine(tls, asked)];
}

function certificateLine({ client }: TlsInfo, asked: boolean): string {
  if (client === undefined)
    return asked ? '\t(Client did not present a certificate)' : '\t(No client certificate requested)';
  const verdict = client.trusted ? 'verified OK' : 'not verified';
  return `\t(Client CN "${commentSafe(client.commonName)}", Issuer "${commentSafe(client.issuer)}" (${verdict}))`;
}

const commentSafe = (text: string): string => text.replace(/[()<>"\\\p{Cc}]/gu, '?');

/** RFC 5321 §4.1.3: IPv6 addresses carry a tag. */
const bracketed = (address: string): string => (address.includes(':') ? `IPv6:${address}` : address);

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n: number): string => String(n).padStart(2, '0');

/** `Tue, 24 Nov 2026 20:53:09 +0000 (UTC)`: POSTFIX: day without a leading zero padded by a blank. */
export function formatMailDate(date: Date): string {
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = String(date.getDate()).padStart(2, ' ');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${DAYS[date.getDay()]}, ${day} ${MONTHS[date.getMonth()]} ${date.getFullYear()} ${time} ${zone} (${zoneName(date)})`;
}

const ZONE_NAME = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' });
let zoneMemo: { readonly offset: number; readonly name: string } | undefined;

/** The zone's abbreviation; it changes only with the offset, and asking for it is slow. */
function zoneName(date: Date): string {
  const offset = date.getTimezoneOffset();
  if (zoneMemo?.offset !== offset) {
    const part = ZONE_NAME.formatToParts(date).find(({ type }) => type === 'timeZoneName');
    zoneMemo = { offset, name: part?.value ?? 'UTC' };
  }
  return zoneMemo.name;
}
