// XCLIENT and XFORWARD (Postfix's XCLIENT_README and XFORWARD_README): a trusted front-end tells whom it speaks for.
// XCLIENT makes the session that of the client it names: all decisions are about that one, and the session begins
// again. XFORWARD is for the log alone.
//
// Who may use them is settled when the connection begins: what XCLIENT says does not decide who may say it.

import { isHostname } from '../address.ts';
import { UNKNOWN_CLIENT } from '../client-name.ts';
import {
  type Command,
  type CommandWord,
  type Conversation,
  type Outcome,
  failed,
  ok,
  resetTransaction,
} from '../conversation.ts';
import { parseIp } from '../networks.ts';
import { type Reply, printable, reply } from '../reply.ts';
import { UNSAFE } from './helo.ts';

const UNAVAILABLE = '[UNAVAILABLE]';
const TEMPORARY = '[TEMPUNAVAIL]';
const MAX_VALUE = 255;
const IN_TRANSACTION = reply(503, '5.1', 'Error: MAIL transaction in progress');
const NOT_AUTHORIZED = reply(550, '7.0', 'Error: insufficient authorization');
const OK = reply(250, '0.0', 'Ok');

interface Attribute {
  readonly name: string;
  readonly value: string;
}

/** The attributes of a command line, or the refusal. */
function readAttributes(verb: string, words: readonly CommandWord[]): readonly Attribute[] | Reply {
  if (words.length < 2) return reply(501, '5.4', `Syntax: ${verb} attribute=value...`);
  const attributes: Attribute[] = [];
  for (const { text } of words.slice(1)) {
    const equals = text.indexOf('=');
    const raw = text.slice(equals + 1);
    if (equals === -1 || raw === '') return reply(501, '5.4', 'Error: attribute=value expected');
    if (Buffer.byteLength(raw) > MAX_VALUE) return reply(501, '5.4', 'Error: attribute value too long');
    attributes.push({ name: text.slice(0, equals).toUpperCase(), value: printable(decodeXtext(raw)) });
  }
  return attributes;
}

/** RFC 3461 §4; POSTFIX: what is not xtext is taken as it stands. */
function decodeXtext(text: string): string {
  if (/\+(?![0-9A-F]{2})/i.test(text)) return text;
  const octets = text.replace(/\+([0-9A-F]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(octets, 'latin1').toString('utf8');
}

const is = (value: string, word: string): boolean => value.toUpperCase() === word;
const neutral = (value: string): string => value.replace(UNSAFE, '?');

/** `[IPV6:::1]`, `IPV6:::1`, `192.0.2.1` → the address, or undefined. */
function readAddress(value: string): string | undefined {
  const text = value.replace(/^\[(.*)\]$/, '$1').replace(/^ipv6:/i, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1] ?? text;
  return parseIp(mapped) === undefined ? undefined : mapped.toLowerCase();
}

const isPort = (value: string): boolean => /^[0-9]{1,5}$/.test(value);
const bad = (name: string, value: string): Reply => reply(501, '5.4', `Bad ${name} syntax: ${value}`);

/** What an XCLIENT line changes, gathered until all of it is known to be good. */
interface Changes {
  peer: Conversation['peer'];
  client: Awaited<Conversation['client']>;
  helo?: string;
  protocol?: Conversation['protocol'];
  user?: string;
}

type Apply = (changes: Changes, value: string) => Reply | undefined;

const XCLIENT: ReadonlyMap<string, Apply> = new Map<string, Apply>([
  [
    'NAME',
    (changes, value) => {
      if (is(value, UNAVAILABLE) || is(value, TEMPORARY)) {
        const status = is(value, TEMPORARY) ? 'temporary' : 'permanent';
        changes.client = { ...changes.client, name: 'unknown', status };
        return undefined;
      }
      if (!isHostname(value)) return bad('NAME', value);
      changes.client = { name: value, reverseName: value, status: 'ok', reverseStatus: 'ok' };
      return undefined;
    },
  ],
  [
    'REVERSE_NAME',
    (changes, value) => {
      if (is(value, UNAVAILABLE) || is(value, TEMPORARY)) {
        const reverseStatus = is(value, TEMPORARY) ? 'temporary' : 'permanent';
        changes.client = { ...changes.client, reverseName: 'unknown', reverseStatus };
        return undefined;
      }
      if (!isHostname(value)) return bad('REVERSE_NAME', value);
      changes.client = { ...changes.client, reverseName: value, reverseStatus: 'ok' };
      return undefined;
    },
  ],
  [
    'ADDR',
    (changes, value) => {
      const address = is(value, UNAVAILABLE) ? 'unknown' : readAddress(value);
      if (address === undefined) return bad('ADDR', neutral(value));
      changes.peer = { ...changes.peer, remoteAddress: address };
      return undefined;
    },
  ],
  [
    'PORT',
    (changes, value) => {
      if (!is(value, UNAVAILABLE) && !isPort(value)) return bad('PORT', value);
      changes.peer = { ...changes.peer, remotePort: Number(value) || 0 };
      return undefined;
    },
  ],
  [
    'DESTADDR',
    (changes, value) => {
      const address = is(value, UNAVAILABLE) ? 'unknown' : readAddress(value);
      if (address === undefined) return bad('DESTADDR', neutral(value));
      changes.peer = { ...changes.peer, localAddress: address };
      return undefined;
    },
  ],
  [
    'DESTPORT',
    (changes, value) => {
      if (!is(value, UNAVAILABLE) && !isPort(value)) return bad('DESTPORT', value);
      changes.peer = { ...changes.peer, localPort: Number(value) || 0 };
      return undefined;
    },
  ],
  [
    'HELO',
    (changes, value) => {
      if (!is(value, UNAVAILABLE)) changes.helo = neutral(value);
      return undefined;
    },
  ],
  [
    'PROTO',
    (changes, value) => {
      const protocol = value.toUpperCase();
      if (protocol !== 'SMTP' && protocol !== 'ESMTP') return bad('PROTO', value);
      changes.protocol = protocol;
      return undefined;
    },
  ],
  [
    'LOGIN',
    (changes, value) => {
      if (!is(value, UNAVAILABLE)) changes.user = value;
      return undefined;
    },
  ],
]);

function runXclient(conversation: Conversation, words: readonly CommandWord[]): Outcome | Promise<Outcome> {
  if (conversation.transaction !== undefined) return failed(IN_TRANSACTION);
  const attributes = readAttributes('XCLIENT', words);
  if (!isList(attributes)) return failed(attributes);
  if (!conversation.mayXclient) return failed(NOT_AUTHORIZED);
  const { client } = conversation;
  const apply = (known: Changes['client']): Outcome => applyXclient(conversation, attributes, known);
  return client instanceof Promise ? client.then(apply) : apply(client);
}

const isList = (value: readonly Attribute[] | Reply): value is readonly Attribute[] => Array.isArray(value);

function applyXclient(
  conversation: Conversation,
  attributes: readonly Attribute[],
  client: Changes['client'],
): Outcome {
  const changes: Changes = { peer: conversation.peer, client: client ?? UNKNOWN_CLIENT };
  for (const { name, value } of attributes) {
    const apply = XCLIENT.get(name);
    if (apply === undefined) return failed(reply(501, '5.4', `Bad XCLIENT attribute name: ${neutral(name)}`));
    const refused = apply(changes, value);
    if (refused !== undefined) return failed(refused);
  }
  resetTransaction(conversation);
  conversation.peer = changes.peer;
  conversation.client = changes.client;
  conversation.helo = changes.helo;
  conversation.protocol = changes.protocol ?? 'SMTP';
  conversation.login = changes.user === undefined ? undefined : { method: 'XCLIENT', user: changes.user };
  conversation.accessDenied = false;
  return { ok: true, next: { kind: 'greet' } };
}

/** What came from whom, as the front-end tells it. */
export interface Forwarded {
  readonly name?: string;
  readonly address?: string;
  readonly port?: string;
  readonly protocol?: string;
  readonly helo?: string;
  readonly ident?: string;
  readonly domain?: string;
}

const XFORWARD: ReadonlyMap<string, (value: string) => Forwarded | Reply> = new Map<
  string,
  (value: string) => Forwarded | Reply
>([
  ['NAME', (value) => (isHostname(neutral(value)) ? { name: value } : bad('NAME', neutral(value)))],
  [
    'ADDR',
    (value) => {
      const address = readAddress(value);
      return address === undefined ? bad('ADDR', neutral(value)) : { address };
    },
  ],
  ['PORT', (value) => (isPort(value) ? { port: value } : bad('PORT', value))],
  ['PROTO', (value) => (value.length > 64 ? bad('PROTO', value) : { protocol: neutral(value) })],
  ['HELO', (value) => ({ helo: neutral(value) })],
  ['IDENT', (value) => ({ ident: neutral(value) })],
  [
    'SOURCE',
    (value) => (/^(LOCAL|REMOTE)$/i.test(value) ? { domain: value.toLowerCase() } : bad('SOURCE', value)),
  ],
]);

function runXforward(conversation: Conversation, words: readonly CommandWord[]): Outcome {
  if (conversation.transaction !== undefined) return failed(IN_TRANSACTION);
  const attributes = readAttributes('XFORWARD', words);
  if (!isList(attributes)) return failed(attributes);
  if (!conversation.mayXforward) return failed(NOT_AUTHORIZED);
  let forwarded = conversation.forwarded ?? {};
  for (const { name, value } of attributes) {
    const read = XFORWARD.get(name);
    if (read === undefined) return failed(reply(501, '5.4', `Bad XFORWARD attribute name: ${neutral(name)}`));
    if (is(value, UNAVAILABLE)) continue;
    const result = read(value);
    if ('code' in result) return failed(result);
    forwarded = { ...forwarded, ...result };
  }
  conversation.forwarded = forwarded;
  return ok(OK);
}

export const xclient: Command = { verb: 'XCLIENT', beforeTls: true, endsGroup: true, run: runXclient };
export const xforward: Command = { verb: 'XFORWARD', run: runXforward };
