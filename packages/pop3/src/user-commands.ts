// The commands of a POP3 session after login (RFC 1939 §5 to §7, RFC 2449). A handler answers what is to be sent; it
// knows no connection. Texts are Dovecot's: clients and people know them.

import { MailboxError, type MessageHandle } from '@postcote/mailbox';
import { USER_CAPABILITIES } from './capabilities.ts';
import { echo, negative, positive, type Reply } from './reply.ts';
import { runLang } from './language.ts';
import type { Maildrop } from './maildrop.ts';
import { parseNumber } from './message-number.ts';

export type UserOutcome =
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** A listing: pieces of whole lines, and a lone dot after them. */
  | {
      readonly kind: 'listing';
      readonly reply: Reply;
      readonly pieces: AsyncIterable<string> | readonly string[];
    }
  | {
      readonly kind: 'message';
      readonly reply: Reply;
      readonly number: number;
      readonly handle: MessageHandle;
      /** The whole message, of the size that was told; or lines of the body after the header. */
      readonly part: { readonly size: number } | { readonly bodyLines: number };
    }
  | { readonly kind: 'quit' };

type Run = (args: string, drop: Maildrop) => UserOutcome | Promise<UserOutcome>;

const reply = (reply: Reply): UserOutcome => ({ kind: 'reply', reply });
const refuse = (text: string): UserOutcome => reply(negative(text));

const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ['CAPA', runCapa],
  ['DELE', runDele],
  ['LANG', runLangCommand],
  ['LAST', runLast],
  ['LIST', runList],
  ['NOOP', () => reply(positive())],
  ['QUIT', () => ({ kind: 'quit' })],
  ['RETR', runRetr],
  ['RSET', runRset],
  ['STAT', runStat],
  ['TOP', runTop],
  ['UIDL', runUidl],
]);

/** Runs a command; undefined for one that does not exist. Throws `MailboxError`. */
export function runUserCommand(
  verb: string,
  args: string,
  drop: Maildrop,
): UserOutcome | Promise<UserOutcome> | undefined {
  if (verb === 'LAST' && drop.last === undefined) return undefined;
  return COMMANDS.get(verb)?.(args, drop);
}

type Picked =
  | { readonly kind: 'message'; readonly number: number; readonly rest: string }
  | { readonly kind: 'refused'; readonly outcome: UserOutcome };

/** The message that an argument list names first. */
function pick(args: string, drop: Maildrop): Picked {
  const parsed = parseNumber(args, 'message number');
  if (parsed.kind === 'bad') return { kind: 'refused', outcome: refuse(parsed.text) };
  const { value, rest } = parsed;
  if (value === 0 || value > drop.total) {
    return { kind: 'refused', outcome: refuse(`There's no message ${value}.`) };
  }
  if (drop.isDeleted(value)) return { kind: 'refused', outcome: refuse('Message is deleted.') };
  return { kind: 'message', number: value, rest };
}

/** The same where nothing may follow. */
function pickOnly(args: string, drop: Maildrop): Picked {
  const picked = pick(args, drop);
  if (picked.kind === 'refused' || picked.rest === '') return picked;
  return { kind: 'refused', outcome: refuse(`Noise after message number: ${echo(picked.rest)}`) };
}

/** DOVECOT: a message that somebody else removed keeps its number to the end of the session. */
const expunged = (number: number): UserOutcome => refuse(`Message ${number} expunged.`);

function runCapa(): UserOutcome {
  return { kind: 'listing', reply: positive(), pieces: [`${USER_CAPABILITIES.join('\r\n')}\r\n`] };
}

function runLangCommand(args: string): UserOutcome {
  const { reply, lines } = runLang(args);
  return lines === undefined
    ? { kind: 'reply', reply }
    : { kind: 'listing', reply, pieces: lines.map((line) => `${line}\r\n`) };
}

function runDele(args: string, drop: Maildrop): UserOutcome {
  const picked = pickOnly(args, drop);
  if (picked.kind === 'refused') return picked.outcome;
  drop.markDeleted(picked.number);
  return reply(positive('Marked to be deleted.'));
}

async function runStat(_: string, drop: Maildrop): Promise<UserOutcome> {
  return reply(positive(`${drop.count} ${await drop.octets()}`));
}

async function runList(args: string, drop: Maildrop): Promise<UserOutcome> {
  if (args === '') {
    await drop.loadSizes();
    return { kind: 'listing', reply: positive(`${drop.count} messages:`), pieces: drop.lines('size') };
  }
  const picked = pickOnly(args, drop);
  if (picked.kind === 'refused') return picked.outcome;
  return reply(positive(`${picked.number} ${await drop.size(picked.number)}`));
}

function runUidl(args: string, drop: Maildrop): UserOutcome | Promise<UserOutcome> {
  return drop.uidlsReady ? listUidls(args, drop) : drop.loadUidls().then(() => listUidls(args, drop));
}

function listUidls(args: string, drop: Maildrop): UserOutcome {
  if (args === '') return { kind: 'listing', reply: positive(), pieces: drop.lines('uidl') };
  const picked = pickOnly(args, drop);
  if (picked.kind === 'refused') return picked.outcome;
  return reply(positive(`${picked.number} ${drop.uidl(picked.number)}`));
}

function runRetr(args: string, drop: Maildrop): UserOutcome | Promise<UserOutcome> {
  const picked = pickOnly(args, drop);
  if (picked.kind === 'refused') return picked.outcome;
  const { number } = picked;
  const handle = drop.message(number);
  if (handle === undefined) return expunged(number);
  const give = (size: number): UserOutcome => ({
    kind: 'message',
    reply: positive(`${size} octets`),
    number,
    handle,
    part: { size },
  });
  const fail = (error: unknown): UserOutcome => {
    if (error instanceof MailboxError && error.code === 'expunged') return expunged(number);
    throw error;
  };
  try {
    const size = handle.size();
    return typeof size === 'number' ? give(size) : size.then(give, fail);
  } catch (error) {
    return fail(error);
  }
}

// RFC 1939 §7: TOP msg n
function runTop(args: string, drop: Maildrop): UserOutcome {
  const picked = pick(args, drop);
  if (picked.kind === 'refused') return picked.outcome;
  const { number, rest } = picked;
  if (rest === '') return refuse('Noise after message number: ');
  const lines = parseNumber(rest.slice(1), 'size');
  if (lines.kind === 'bad') return refuse(lines.text);
  if (lines.rest !== '') return refuse(`Noise after size: ${echo(lines.rest)}`);
  const handle = drop.message(number);
  if (handle === undefined) return expunged(number);
  return { kind: 'message', reply: positive(), number, handle, part: { bodyLines: lines.value } };
}

function runRset(_: string, drop: Maildrop): UserOutcome {
  drop.unmarkAll();
  return reply(positive());
}

// RFC 1460 §3; RFC 1939 dropped it. DOVECOT: messages read in earlier sessions count, RSET makes it 0.
function runLast(_: string, drop: Maildrop): UserOutcome {
  return reply(positive(String(drop.last ?? 0)));
}
