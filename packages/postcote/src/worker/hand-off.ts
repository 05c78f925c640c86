// What the front says of a session that it hands to a worker. The front parses the network and may have been taken
// over: every member is checked, and what is not known is dropped.

import type { ImapHandOff } from '@postcote/imap';
import type { PopHandOff } from '@postcote/pop3';

const ADDRESS = /^(?:[0-9A-Fa-f:.]{2,45}|unknown)$/;
const SESSION_ID = /^[\w.:+/=<>-]{1,128}$/;
const WORD = /^[\x21-\x7e]+$/;
/** RFC 2971 §3.3: thirty fields of at most 1024 octets; clients that send more have logged in nonetheless. */
const MAX_FIELDS = 256;
const MAX_ENABLED = 32;

interface Connection {
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly secured: boolean;
}

export function readImapHandOff(value: unknown): ImapHandOff | undefined {
  if (!isObject(value)) return undefined;
  const connection = readConnection(value);
  const { tag, enabled, clientId } = value;
  if (connection === undefined || !isWord(tag)) return undefined;
  if (!Array.isArray(enabled) || enabled.length > MAX_ENABLED || !enabled.every(isWord)) return undefined;
  if (!isObject(clientId)) return undefined;
  const fields = Object.entries(clientId);
  if (fields.length > MAX_FIELDS || !fields.every((field): field is [string, string] => isText(field[1])))
    return undefined;
  return { ...connection, tag, enabled, clientId: Object.fromEntries(fields) };
}

export function readPopHandOff(value: unknown): PopHandOff | undefined {
  if (!isObject(value)) return undefined;
  const connection = readConnection(value);
  const { mechanism } = value;
  if (connection === undefined) return undefined;
  if (mechanism !== 'PLAIN' && mechanism !== 'LOGIN' && mechanism !== 'USER') return undefined;
  return { ...connection, protocol: 'pop3', mechanism };
}

function readConnection(value: Readonly<Record<string, unknown>>): Connection | undefined {
  const { sessionId, remoteAddress, remotePort, localAddress, localPort, secured } = value;
  if (typeof sessionId !== 'string' || !SESSION_ID.test(sessionId)) return undefined;
  if (!isAddress(remoteAddress) || !isAddress(localAddress)) return undefined;
  if (!isPort(remotePort) || !isPort(localPort) || typeof secured !== 'boolean') return undefined;
  return { sessionId, remoteAddress, remotePort, localAddress, localPort, secured };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isWord = (value: unknown): value is string => isText(value) && WORD.test(value);
const isAddress = (value: unknown): value is string => isText(value) && ADDRESS.test(value);
const isPort = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff;
