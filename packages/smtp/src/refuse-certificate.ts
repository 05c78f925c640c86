// `smtpd_tls_req_ccert`: a session without a certificate that an authority of ours vouches for goes no further.
// POSTFIX: smtpd_start_tls, with its words.

import type { Conversation } from './conversation.ts';
import { type Reply, reply } from './reply.ts';

/** The last words to a session whose certificate will not do, which has been logged; else undefined. */
export function refuseCertificate({ settings, tls, log }: Conversation): Reply | undefined {
  if (!settings.tlsReqCcert || tls?.client?.trusted === true) return undefined;
  const what =
    tls?.client === undefined ? 'No client certificate presented' : 'Client certificate not trusted';
  log('info', (client) => `NOQUEUE: abort: TLS from ${client}: ${what}`);
  return reply(421, '7.1', `${settings.myhostname} Error: ${what}`);
}
