// The limits of `client-limits.ts` as a session meets them, with Postfix's replies and log lines. Hosts that may use
// XCLIENT are never counted, nor are those of `smtpd_client_event_limit_exceptions`.

import type { ClientEvent } from './client-limits.ts';
import type { Conversation } from './conversation.ts';
import { type Reply, reply } from './reply.ts';

/** What the log calls a limit. */
const NAMES: Readonly<Record<ClientEvent, string>> = {
  connection: 'Connection rate',
  message: 'Message delivery request rate',
  recipient: 'Recipient address rate',
  auth: 'AUTH command rate',
  newTlsSession: 'New TLS session rate',
};

const COMPLAINTS: Readonly<Record<'message' | 'recipient' | 'auth', string>> = {
  message: 'too much mail',
  recipient: 'too many recipients',
  auth: 'too many AUTH commands',
};

/** By name too, once it is known: a connection is counted before that. */
function isExempt({ settings, mayXclient, peer, client }: Conversation): boolean {
  const name = client instanceof Promise || client.name === 'unknown' ? undefined : client.name;
  return mayXclient || settings.isClientLimitException(peer.remoteAddress, name);
}

/** Counts one more; true when that is one too many, which has been logged. */
function isOneTooMany(conversation: Conversation, event: ClientEvent): boolean {
  const { settings, ports, peer } = conversation;
  const { rateLimits } = settings;
  const limit = rateLimits.rates[event];
  if (limit === 0 || ports.limits === undefined || isExempt(conversation)) return false;
  const rate = ports.limits.count(rateLimits, peer.remoteAddress, event);
  if (rate <= limit) return false;
  conversation.log(
    'warn',
    (client) =>
      `warning: ${NAMES[event]} limit exceeded: ${rate} from ${client} for service ${rateLimits.service}`,
  );
  return true;
}

/** Counts MAIL, RCPT or AUTH; the refusal when there were too many. */
export function countCommand(
  conversation: Conversation,
  event: 'message' | 'recipient' | 'auth',
): Reply | undefined {
  if (!isOneTooMany(conversation, event)) return undefined;
  return reply(450, '7.1', `Error: ${COMPLAINTS[event]} from ${conversation.peer.remoteAddress}`);
}

/** Counts the connection; the refusal when there were too many. */
export function countConnection(conversation: Conversation): Reply | undefined {
  if (!isOneTooMany(conversation, 'connection')) return undefined;
  const { settings, peer } = conversation;
  const text = `${settings.myhostname} Error: too many connections from ${peer.remoteAddress}`;
  return reply(421, '7.0', text);
}

/** Counts a TLS session, unless it was taken up again; the last words when there were too many. */
export function countTlsSession(conversation: Conversation): Reply | undefined {
  if (conversation.tls?.resumed === true || !isOneTooMany(conversation, 'newTlsSession')) return undefined;
  const { settings } = conversation;
  const text = `${settings.myhostname} Error: too many new TLS sessions from ${clientNow(conversation)}`;
  return reply(421, '7.0', text);
}

/** STARTTLS: the refusal where another handshake would be one too many. */
export function refuseTls(conversation: Conversation): Reply | undefined {
  const { settings, ports, peer } = conversation;
  const { rateLimits } = settings;
  const limit = rateLimits.rates.newTlsSession;
  if (limit === 0 || ports.limits === undefined || isExempt(conversation)) return undefined;
  if (ports.limits.rate(rateLimits, peer.remoteAddress, 'newTlsSession') <= limit) return undefined;
  conversation.log(
    'warn',
    (client) => `warning: Refusing STARTTLS request from ${client} for service ${rateLimits.service}`,
  );
  return reply(454, '7.0', `Error: too many new TLS sessions from ${clientNow(conversation)}`);
}

/** `name[address]`, as far as the name is known. */
function clientNow({ client, peer }: Conversation): string {
  return `${client instanceof Promise ? 'unknown' : client.name}[${peer.remoteAddress}]`;
}
