// The gate before the commands: one line of input is let through to a command of the table, or answered here. What a
// command is (before TLS or not, last of its group or not) its row says; the gate reads it.
//
// Pure but for the log and the conversation's `where` and `improperPipelining`; never throws on input.

import { UNKNOWN_CLIENT } from './client-name.ts';
import { splitCommandLine } from './command-line.ts';
import { COMMANDS } from './commands/table.ts';
import type { Command, CommandWord, Conversation } from './conversation.ts';
import { type Reply, printable, reply } from './reply.ts';
import type { CommandCounts } from './session-log.ts';

const UNKNOWN = 'UNKNOWN';

const BAD_SYNTAX = reply(500, '5.2', 'Error: bad syntax');
const STARTTLS_FIRST = reply(530, '7.0', 'Must issue a STARTTLS command first');
const GOODBYE = reply(221, '7.0', 'Error: I can break rules, too. Goodbye.');
const NOOP_OK = reply(250, '0.0', 'Ok');

export type Gated =
  | { readonly kind: 'run'; readonly command: Command; readonly words: readonly CommandWord[] }
  /** `smtpd_noop_commands`: answered, and counted as junk. */
  | { readonly kind: 'noop'; readonly reply: Reply }
  | { readonly kind: 'refused'; readonly reply: Reply }
  /** Said as the last thing. */
  | { readonly kind: 'close'; readonly reply: Reply }
  /** Not in the table; filters may have a word for it. `word`: the verb, as it was typed. */
  | { readonly kind: 'unknown'; readonly word: string };

export function gateCommand(conversation: Conversation, counts: CommandCounts, text: string): Gated {
  const words = splitCommandLine(text);
  const first = words[0]?.text;
  if (first === undefined || text.includes('\0')) return { kind: 'refused', reply: BAD_SYNTAX };
  const { settings, tls } = conversation;
  const verb = first.toUpperCase();
  if (settings.noopCommands.has(verb)) return { kind: 'noop', reply: NOOP_OK };
  const command = COMMANDS.get(verb);
  counts.begun(command?.verb ?? UNKNOWN);
  if (command === undefined) return gateUnknown(conversation, verb, text);
  if (conversation.accessDenied && verb !== 'QUIT')
    return { kind: 'refused', reply: accessDenied(conversation) };
  if (settings.tlsSecurityLevel === 'encrypt' && tls === undefined && command.beforeTls !== true) {
    return { kind: 'refused', reply: STARTTLS_FIRST };
  }
  conversation.where = command.verb;
  return { kind: 'run', command, words };
}

function gateUnknown(conversation: Conversation, verb: string, text: string): Gated {
  conversation.where = UNKNOWN;
  // POSTFIX: a header line or an HTTP request: somebody abuses the client to talk to us.
  const { forbiddenCommands, forbidOddCommands, isForbiddenCommand } = conversation.settings;
  const odd = (forbidOddCommands && !/^[A-Z]/.test(verb)) || isForbiddenCommand(verb);
  if (odd || /^[!-9;-~]+:/.test(verb) || forbiddenCommands.has(verb)) {
    const shown = printable(text).slice(0, 100);
    conversation.log('warn', (client) => `warning: non-SMTP command from ${client}: ${shown}`);
    return { kind: 'close', reply: GOODBYE };
  }
  if (conversation.accessDenied) return { kind: 'refused', reply: accessDenied(conversation) };
  return { kind: 'unknown', word: text.trimStart().slice(0, verb.length) };
}

function accessDenied({ client, peer }: Conversation): Reply {
  const { name } = client instanceof Promise ? UNKNOWN_CLIENT : client;
  return reply(503, '7.0', `Error: access denied for ${name}[${peer.remoteAddress}]`);
}

/**
 * RFC 2920 §3.1: who pipelines must have asked, and must wait where a group ends. True when this command is the first
 * that broke the rule, `pending` octets having come behind it.
 */
export function breaksGroup(conversation: Conversation, command: Command, pending: number): boolean {
  if (conversation.improperPipelining || pending === 0) return false;
  if (conversation.protocol === 'ESMTP' && command.endsGroup !== true) return false;
  conversation.improperPipelining = true;
  return true;
}
