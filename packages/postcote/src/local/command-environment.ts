// What a command of local(8) finds in its environment. Everything that a stranger may have written passes
// command_expansion_filter. POSTFIX: deliver_command(3).

import { censor, type LocalRecipient } from './recipient.ts';
import type { CommandSettings } from './settings.ts';

/** Who brought the message; empty where nobody said. */
export interface ClientFacts {
  readonly hostname?: string;
  readonly address?: string;
  readonly port?: string;
  readonly helo?: string;
  readonly protocol?: string;
  readonly saslMethod?: string;
  readonly saslSender?: string;
  readonly saslUsername?: string;
  readonly envelopeId?: string;
}

export function commandEnvironment(
  recipient: LocalRecipient,
  facts: { readonly sender: string; readonly originalRecipient: string; readonly client: ClientFacts },
  settings: CommandSettings,
): Record<string, string> {
  const { client } = facts;
  const values: Readonly<Record<string, string | undefined>> = {
    HOME: recipient.home,
    LOGNAME: recipient.user,
    USER: recipient.user,
    SENDER: facts.sender,
    RECIPIENT: recipient.address,
    LOCAL: recipient.local,
    SHELL: recipient.shell === '' ? undefined : recipient.shell,
    DOMAIN: recipient.domain === '' ? undefined : recipient.domain,
    EXTENSION: recipient.extension,
    ORIGINAL_RECIPIENT: facts.originalRecipient || undefined,
    ENVID: client.envelopeId,
    CLIENT_HOSTNAME: client.hostname,
    CLIENT_ADDRESS: client.address,
    CLIENT_HELO: client.helo,
    CLIENT_PROTOCOL: client.protocol,
    SASL_METHOD: client.saslMethod,
    SASL_SENDER: client.saslSender,
    SASL_USERNAME: client.saslUsername,
  };
  const environment: Record<string, string> = { ...settings.environment };
  for (const [name, value] of Object.entries(values)) {
    const isAddress = name === 'SENDER';
    if (value === undefined || (value === '' && !isAddress)) continue;
    environment[name] = censor(value, settings.filter);
  }
  return environment;
}
