// What a server offers by its answer to EHLO, and what that means for a message: whether it can be sent there at all,
// and what MAIL and RCPT say. Pure.

import { encodeXtext, type OutboundBody, type OutboundMessage, type OutboundRecipient } from './message.ts';
import type { Failure } from './outcome.ts';
import type { ServerReply } from './reply-reader.ts';

/** Keywords in capitals, with their parameters. */
export type ServerFeatures = ReadonlyMap<string, string>;

/** RFC 5321 §4.1.1.1. A keyword that comes twice has the parameters of both, as `AUTH=LOGIN` beside `AUTH PLAIN`. */
export function parseFeatures(reply: ServerReply, discarded: ReadonlySet<string>): ServerFeatures {
  const features = new Map<string, string>();
  for (const line of reply.lines.slice(1)) {
    const [word = '', ...rest] = line.replace(/=/, ' ').trim().split(/\s+/);
    const keyword = word.toUpperCase();
    if (discarded.has(keyword.toLowerCase())) continue;
    const earlier = features.get(keyword);
    features.set(keyword, [earlier ?? '', ...rest].join(' ').trim());
  }
  return features;
}

export function formatMail(message: OutboundMessage, features: ServerFeatures): string {
  const words = [`MAIL FROM:<${message.sender}>`];
  if (features.has('SIZE')) words.push(`SIZE=${message.size}`);
  if (features.has('8BITMIME') && message.bodyType !== undefined) words.push(`BODY=${message.bodyType}`);
  if (message.smtpUtf8 && features.has('SMTPUTF8')) words.push('SMTPUTF8');
  if (features.has('DSN')) {
    if (message.ret !== undefined) words.push(`RET=${message.ret}`);
    if (message.envelopeId !== undefined) words.push(`ENVID=${encodeXtext(message.envelopeId)}`);
  }
  return words.join(' ');
}

// RFC 3461 §4.1, §4.2.
export function formatRcpt(recipient: OutboundRecipient, features: ServerFeatures): string {
  const words = [`RCPT TO:<${recipient.address}>`];
  if (features.has('DSN')) {
    if (recipient.notify !== undefined) words.push(`NOTIFY=${recipient.notify.join(',')}`);
    if (recipient.originalRecipient !== undefined) words.push(`ORCPT=${recipient.originalRecipient}`);
  }
  return words.join(' ');
}

/** Why the envelope cannot be given to this server, before anything is said. */
export function unacceptable(
  message: OutboundMessage,
  features: ServerFeatures,
  hostName: string,
): Failure | undefined {
  const limit = Number(features.get('SIZE') ?? 0);
  // RFC 1870 §6.
  if (limit > 0 && message.size > limit) {
    const text = `message size ${message.size} exceeds size limit ${limit} of server ${hostName}`;
    return { permanent: true, dsn: '5.3.4', text };
  }
  const named = [message.sender, ...message.recipients.map(({ address }) => address)];
  const told = message.recipients.flatMap(({ originalRecipient }) => originalRecipient ?? []);
  // What would end its command early is nobody's address.
  if (named.concat(told).some((address) => /[\0-\x1f\x7f]/.test(address)))
    return { permanent: true, dsn: '5.1.3', text: 'bad address syntax' };
  if (!features.has('SMTPUTF8') && named.some((address) => /[^\0-\x7f]/.test(address)))
    return noUtf8(hostName);
  return undefined;
}

// RFC 6531 §3.2.
export function noUtf8(hostName: string): Failure {
  const text = `SMTPUTF8 is required, but was not offered by host ${hostName}`;
  return { permanent: true, dsn: '5.6.7', text };
}

/** Octets of a header that are looked at. */
const MAX_HEADER = 1024 * 1024;

export async function hasUtf8Header(body: OutboundBody): Promise<boolean> {
  let seen = 0;
  let tail = '';
  for await (const chunk of body.chunks()) {
    const text = tail + chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (/[\x80-\xff]/.test(end === -1 ? text : text.slice(0, end))) return true;
    seen += chunk.length;
    if (end !== -1 || seen > MAX_HEADER) return false;
    tail = text.slice(-3);
  }
  return false;
}
