// `smtpd_command_filter`: a table that may put another command in the place of the one that came, before anything else
// looks at it. A table that cannot be asked ends the session, as in Postfix.

import type { Conversation } from './conversation.ts';
import { type LookupAnswer, findFirst } from './restrictions/access-lookup.ts';
import { type Reply, printable, reply } from './reply.ts';

export type FilteredCommand =
  | { readonly kind: 'command'; readonly text: string }
  /** Said as the last thing. */
  | { readonly kind: 'failed'; readonly reply: Reply };

export function filterCommand(
  conversation: Conversation,
  text: string,
): FilteredCommand | Promise<FilteredCommand> {
  const { commandFilter } = conversation.settings;
  if (commandFilter === undefined) return { kind: 'command', text };
  const found = findFirst(commandFilter, [[text, 'full']]);
  if (!(found instanceof Promise)) return settle(conversation, text, found);
  return found.then((answer) => settle(conversation, text, answer));
}

function settle(conversation: Conversation, text: string, answer: LookupAnswer): FilteredCommand {
  if (answer.kind === 'missing') return { kind: 'command', text };
  const shown = printable(text).slice(0, 100);
  if (answer.kind === 'found') {
    const instead = printable(answer.value).slice(0, 100);
    conversation.log('info', (client) => `${client}: replacing command "${shown}" with "${instead}"`);
    return { kind: 'command', text: answer.value };
  }
  conversation.log(
    'warn',
    () => `warning: smtpd_command_filter: lookup error for "${shown}": ${answer.reason}`,
  );
  const { myhostname } = conversation.settings;
  return { kind: 'failed', reply: reply(421, '3.0', `${myhostname} Server local data error`) };
}
