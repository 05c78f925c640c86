// Parameters of MAIL and RCPT (RFC 5321 §4.1.1.11): SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531),
// AUTH (RFC 4954 §5), RET, ENVID, NOTIFY, ORCPT (RFC 3461). A refusal is the reply Postfix gives.

import { type Reply, printable, reply } from './reply.ts';
import type { AcceptedEnvelope, EnvelopeRecipient } from './ports.ts';
import type { SmtpSettings } from './settings.ts';

export interface MailParameters {
  size: number;
  bodyType?: NonNullable<AcceptedEnvelope['bodyType']>;
  smtpUtf8: boolean;
  ret?: NonNullable<AcceptedEnvelope['ret']>;
  envelopeId?: string;
}

export interface RecipientParameters {
  notify?: NonNullable<EnvelopeRecipient['notify']>;
  originalRecipient?: string;
}

export type Parsed<T> = { readonly value: T } | { readonly refusal: Reply };

/** RFC 3461 §4.4: at most 100 characters. */
const MAX_ENVID = 100;
/** RFC 3461 §4.2: at most 500 characters. */
const MAX_ORCPT = 500;

type MailReader = (value: string | undefined, into: MailParameters) => Reply | undefined;

const syntax = (text: string): Reply => reply(501, '5.4', text);

function readSize(value: string | undefined, into: MailParameters): Reply | undefined {
  if (value === undefined || !/^[0-9]+$/.test(value)) return syntax('Bad message size syntax');
  // RFC 1870 allows twenty digits; more than a file can hold is a refusal of its own.
  const size = value.length > 19 ? Number.POSITIVE_INFINITY : Number(value);
  if (size > 2 ** 63 - 1) return reply(552, '3.4', 'Message size exceeds file system imposed limit');
  into.size = size;
  return undefined;
}

function readRet(value: string | undefined, into: MailParameters): Reply | undefined {
  const ret = value?.toUpperCase();
  if (into.ret !== undefined || (ret !== 'FULL' && ret !== 'HDRS')) return syntax('Bad RET parameter syntax');
  into.ret = ret;
  return undefined;
}

function readEnvid(value: string | undefined, into: MailParameters): Reply | undefined {
  const decoded = value === undefined || value.length > MAX_ENVID ? undefined : decodeXtext(value);
  if (into.envelopeId !== undefined || decoded === undefined) return syntax('Bad ENVID parameter syntax');
  into.envelopeId = decoded;
  return undefined;
}

const MAIL_READERS: ReadonlyMap<string, MailReader> = new Map([
  ['SIZE', readSize],
  ['RET', readRet],
  ['ENVID', readEnvid],
]);

/** `discard` holds the EHLO keywords that are switched off. */
export function parseMailParameters(
  words: readonly string[],
  settings: SmtpSettings,
): Parsed<MailParameters> {
  const value: MailParameters = { size: 0, smtpUtf8: false };
  const off = settings.discardEhloKeywords;
  for (const word of words) {
    const upper = word.toUpperCase();
    const equals = word.indexOf('=');
    const name = equals === -1 ? upper : upper.slice(0, equals);
    if (upper === 'BODY=8BITMIME') value.bodyType = '8BITMIME';
    else if (upper === 'BODY=7BIT') value.bodyType = '7BIT';
    else if (upper === 'SMTPUTF8' && settings.smtputf8Enable && !off.has('smtputf8')) value.smtpUtf8 = true;
    // RFC 4954 §5: who submitted it first is not passed on, so it need not be trusted. POSTFIX: same.
    else if (name === 'AUTH' && equals !== -1) {
      if (!settings.saslAuthEnable) return { refusal: reply(503, '5.4', 'Error: authentication disabled') };
    } else {
      const read = equals === -1 ? undefined : MAIL_READERS.get(name);
      if (read === undefined) return { refusal: unsupported(word) };
      if (off.has('dsn') && name !== 'SIZE') return { refusal: reply(501, '7.1', 'DSN support is disabled') };
      const refusal = read(word.slice(equals + 1), value);
      if (refusal !== undefined) return { refusal };
    }
  }
  return { value };
}

const NOTIFY_WORDS = new Set(['SUCCESS', 'FAILURE', 'DELAY']);

export function parseRecipientParameters(
  words: readonly string[],
  settings: SmtpSettings,
): Parsed<RecipientParameters> {
  const value: RecipientParameters = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = word.slice(0, Math.max(equals, 0)).toUpperCase();
    const argument = word.slice(equals + 1);
    if (name !== 'NOTIFY' && name !== 'ORCPT') return { refusal: unsupported(word) };
    if (settings.discardEhloKeywords.has('dsn'))
      return { refusal: reply(501, '7.1', 'DSN support is disabled') };
    if (name === 'NOTIFY') {
      const notify = parseNotify(argument);
      if (value.notify !== undefined || notify === undefined) {
        return { refusal: syntax('Error: Bad NOTIFY parameter syntax') };
      }
      value.notify = notify;
    } else {
      if (value.originalRecipient !== undefined || !isOrcpt(argument)) {
        return { refusal: syntax('Error: Bad ORCPT parameter syntax') };
      }
      value.originalRecipient = argument;
    }
  }
  return { value };
}

function parseNotify(text: string): RecipientParameters['notify'] | undefined {
  const words = text.toUpperCase().split(',', 8);
  if (words.length === 1 && words[0] === 'NEVER') return ['NEVER'];
  const notify: ('SUCCESS' | 'FAILURE' | 'DELAY')[] = [];
  for (const word of words) {
    if (!NOTIFY_WORDS.has(word)) return undefined;
    const known = word as 'SUCCESS' | 'FAILURE' | 'DELAY';
    if (!notify.includes(known)) notify.push(known);
  }
  return notify;
}

// original-recipient-address = atom ";" xtext
function isOrcpt(text: string): boolean {
  const semicolon = text.indexOf(';');
  return semicolon > 0 && text.length <= MAX_ORCPT && decodeXtext(text.slice(semicolon + 1)) !== undefined;
}

/** RFC 3461 §4: `+` and two hexadecimal digits stand for an octet. Undefined when malformed or not printable. */
export function decodeXtext(text: string): string | undefined {
  if (/\+(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  const decoded = text.replace(/\+([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /^[ -~]*$/.test(decoded) ? decoded : undefined;
}

function unsupported(word: string): Reply {
  return reply(555, '5.4', `Unsupported option: ${printable(word)}`);
}
