// The header of a message written on this machine, made complete. POSTFIX: cleanup(8) for mail from pickup(8).
//
//   Received: by HOST (Postfix, from userid UID)
//   <TAB>id QUEUEID; DATE
//   …what was there, addresses completed, without Bcc, Return-Path and Content-Length
//   Message-Id, Date, From where they were missing

import { formatMailDate } from '@postcote/smtp';
import { ADDRESS_FIELDS, type CompleteAddress, completeAddresses } from './header-addresses.ts';
import { FIELD_NAME } from './local-header-lines.ts';

export interface LocalHeaderFacts {
  readonly queueId: string;
  readonly myhostname: string;
  readonly mailName: string;
  readonly uid: number;
  readonly date: Date;
  /** In full; empty for `<>`. */
  readonly sender: string;
  readonly fullName: string | undefined;
  readonly complete: CompleteAddress;
}

/** POSTFIX: message_drop_headers. */
const DROPPED: ReadonlySet<string> = new Set(['bcc', 'content-length', 'resent-bcc', 'return-path']);

interface Field {
  readonly name: string;
  /** With its continuation lines, without the last line end. */
  readonly lines: string[];
}

/**
 * `lines`: the header as latin1 text without line ends, up to the empty line or the first line that is neither a
 * field nor a continuation. Answers CRLF lines, the empty one included.
 */
export function completeHeader(lines: readonly string[], facts: LocalHeaderFacts): string {
  const fields = readFields(lines);
  const seen = new Set(fields.map(({ name }) => name));
  const kept = fields.filter(({ name }) => !DROPPED.has(name)).map((field) => rewrite(field, facts.complete));
  return [...received(facts), ...kept, ...missing(facts, seen), '', ''].join('\r\n');
}

export const countReceived = (lines: readonly string[]): number =>
  lines.filter((line) => /^received[ \t]*:/i.test(line)).length;

function readFields(lines: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (const line of lines) {
    const name = FIELD_NAME.exec(line)?.[1];
    if (name === undefined) fields.at(-1)?.lines.push(line);
    else fields.push({ name: name.toLowerCase(), lines: [line] });
  }
  return fields;
}

function rewrite({ name, lines }: Field, complete: CompleteAddress): string {
  const text = lines.join('\r\n');
  if (!ADDRESS_FIELDS.has(name)) return text;
  const colon = text.indexOf(':') + 1;
  return text.slice(0, colon) + completeAddresses(text.slice(colon), complete);
}

function received({ myhostname, mailName, uid, queueId, date }: LocalHeaderFacts): string[] {
  return [
    `Received: by ${myhostname} (${mailName}, from userid ${uid})`,
    `\tid ${queueId}; ${formatMailDate(date)}`,
  ];
}

function missing(facts: LocalHeaderFacts, seen: ReadonlySet<string>): string[] {
  const prefix = [...seen].some((name) => name.startsWith('resent-')) ? 'Resent-' : '';
  const stamp = facts.date.toISOString().replace(/\D/g, '').slice(0, 14);
  const fields: readonly (readonly [name: string, value: string])[] = [
    ['Message-Id', `<${stamp}.${facts.queueId}@${facts.myhostname}>`],
    ['Date', formatMailDate(facts.date)],
    ['From', formatFrom(facts)],
  ];
  return fields
    .filter(([name]) => !seen.has(`${prefix}${name}`.toLowerCase()))
    .map(([name, value]) => `${prefix}${name}: ${value}`);
}

// POSTFIX: header_from_format = standard. Beyond ASCII an encoded word (RFC 2047 §2), where Postfix writes octets.
function formatFrom({ sender, fullName, myhostname }: LocalHeaderFacts): string {
  if (sender === '') return `MAILER-DAEMON@${myhostname}`;
  const address = Buffer.from(sender, 'utf8').toString('latin1');
  if (fullName === undefined || fullName === '') return address;
  return `${formatPhrase(fullName)} <${address}>`;
}

/** Octets of one encoded word's text: 75 characters in all. */
const WORD_OCTETS = 45;

function formatPhrase(name: string): string {
  if (/^[\w !#$%&'*+/=?^`{|}~-]+$/.test(name)) return name;
  if (/^[ -~]+$/.test(name)) return `"${name.replace(/["\\]/g, '\\$&')}"`;
  const words: string[] = [];
  let part = '';
  for (const character of name) {
    if (Buffer.byteLength(part + character) > WORD_OCTETS) {
      words.push(part);
      part = '';
    }
    part += character;
  }
  words.push(part);
  return words.map((word) => `=?utf-8?B?${Buffer.from(word, 'utf8').toString('base64')}?=`).join(' ');
}
