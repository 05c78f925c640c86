// The beginning of a session, before the client has said anything: its name is looked up, the client lists and the mail
// filters judge it, and the greeting tells it the outcome. XCLIENT begins anew from here for the client that it names.

import { countConnection, countTlsSession } from './client-events.ts';
import { type ClientName, type NamedClient, UNKNOWN_CLIENT, findClientName } from './client-name.ts';
import type { Conversation } from './conversation.ts';
import { sessionMacros, tellMilters } from './milter-events.ts';
import { refusal } from './policy.ts';
import { refuseCertificate } from './refuse-certificate.ts';
import { type Reply, plainReply, printable } from './reply.ts';
import type { SessionLog } from './session-log.ts';
import type { SmtpSettings } from './settings.ts';

/** Sets the name looking; log lines wait for it, the client does not. */
export function nameClient(conversation: Conversation, lines: SessionLog): void {
  const { ports, peer, settings } = conversation;
  if (!settings.peernameLookup) {
    lines.named(UNKNOWN_CLIENT);
    return;
  }
  const settle = ({ client, warning }: NamedClient): ClientName => {
    conversation.client = client;
    lines.named(client, warning);
    return client;
  };
  conversation.client = findClientName(ports.dns, peer.remoteAddress).then(settle, () =>
    settle({ client: UNKNOWN_CLIENT }),
  );
}

/** What is said instead of a greeting where the connection itself is one too many, or its certificate will not do. */
export function refuseConnection(conversation: Conversation): Reply | undefined {
  const isSecure = conversation.tls !== undefined;
  return (
    (isSecure ? (countTlsSession(conversation) ?? refuseCertificate(conversation)) : undefined) ??
    countConnection(conversation)
  );
}

/** Whether the greeting has to wait until the client's name is known. */
export function waitsForName({ settings }: Conversation): boolean {
  const { delayReject, restrictions, openMilters } = settings;
  return openMilters !== undefined || (!delayReject && restrictions.client.length > 0);
}

export async function judgeClient(conversation: Conversation): Promise<Reply | undefined> {
  await conversation.client;
  if (conversation.settings.delayReject) return undefined;
  return refusal(conversation, { moment: 'connect' });
}

/** Opens the filters of this session and tells them who is there; the answer is their refusal. */
export async function introduceToMilters(
  conversation: Conversation,
  open: NonNullable<SmtpSettings['openMilters']>,
): Promise<Reply | undefined> {
  const { peer } = conversation;
  conversation.milters = await open(peer.remoteAddress, {
    macros: sessionMacros(conversation),
    warn: (text) => conversation.log('warn', () => `warning: ${printable(text)}`),
  });
  const { name } = await conversation.client;
  const client = { name, address: peer.remoteAddress, port: peer.remotePort };
  return await tellMilters(conversation, {}, (milters) => milters.connect(client));
}

/** What the filters' refusal makes of the greeting. */
export type MilterGreeting =
  | { readonly kind: 'greet' }
  /** The client may only be refused from here on. */
  | { readonly kind: 'unwelcome'; readonly reply: Reply }
  | { readonly kind: 'close'; readonly reply: Reply };

/** POSTFIX: a filter's temporary refusal of a client shows at its next commands, not in the greeting. */
export function greetingAfterMilters(settings: SmtpSettings, refused: Reply | undefined): MilterGreeting {
  const { myhostname } = settings;
  if (refused?.code === 421) {
    const text = `${myhostname} Service unavailable - try again later`;
    return { kind: 'close', reply: plainReply(421, text) };
  }
  if (refused === undefined || refused.code < 500) return { kind: 'greet' };
  return { kind: 'unwelcome', reply: plainReply(554, `${myhostname} ESMTP not accepting connections`) };
}
