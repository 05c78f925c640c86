// The state in which a session begins (`conversation.ts`): nothing known of the client but its address.

import type { Peer, TlsInfo } from '@postcote/wire';
import { UNKNOWN_CLIENT } from './client-name.ts';
import type { Conversation, SmtpPorts } from './conversation.ts';
import type { SessionLog } from './session-log.ts';
import type { SmtpSettings } from './settings.ts';

export interface ConversationBeginning {
  readonly peer: Peer;
  /** Of a connection that began with TLS. */
  readonly tls: TlsInfo | undefined;
  readonly settings: SmtpSettings;
  readonly ports: SmtpPorts;
  readonly sessionId: string;
  /** Whether the host can do `startTls`. Default true. */
  readonly tlsAvailable?: boolean;
  /** Connections this client has to the listener, this one included. */
  readonly connections?: number;
}

/** POSTFIX: settled when the connection begins; XCLIENT does not change it. */
function settingsFor(settings: SmtpSettings, address: string): SmtpSettings {
  const discardEhloKeywords = settings.discardEhloKeywordsFor?.(address);
  return discardEhloKeywords === undefined ? settings : { ...settings, discardEhloKeywords };
}

export function beginConversation(beginning: ConversationBeginning, lines: SessionLog): Conversation {
  const { peer, ports } = beginning;
  const settings = settingsFor(beginning.settings, peer.remoteAddress);
  return {
    settings,
    ports,
    peer,
    mayXclient: settings.isXclientHost(peer.remoteAddress),
    mayXforward: settings.isXforwardHost(peer.remoteAddress),
    forwarded: undefined,
    sessionId: beginning.sessionId,
    tls: beginning.tls,
    tlsAvailable: beginning.tlsAvailable ?? true,
    client: UNKNOWN_CLIENT,
    helo: undefined,
    protocol: 'SMTP',
    login: undefined,
    failedLogins: 0,
    transaction: undefined,
    transactions: 0,
    deferred: {},
    chunking: 'none',
    improperPipelining: false,
    accessDenied: false,
    milters: undefined,
    miltersInTransaction: false,
    milterFacts: {},
    ...(beginning.connections === undefined ? {} : { connections: beginning.connections }),
    where: 'CONNECT',
    log: (level, message) => lines.write(level, message),
    lastDecision: undefined,
  };
}
