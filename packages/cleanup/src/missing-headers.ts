// Fields that a message must have and this one lacks (RFC 6409 §8: a submission server may add them). POSTFIX:
// cleanup_header_done_callback(): its order, and a resent message lacks its `Resent-` fields instead.

import { toBinary } from './binary-text.ts';
import { fieldName } from './header-fields.ts';
import { foldField } from './rewrite-header.ts';
import type { CleanupSettings } from './settings.ts';

export interface MissingFacts {
  readonly queueId: string;
  /** As it stands in a header, with quotes where they are needed; empty for `<>`. */
  readonly sender: string;
  readonly fullName: string | undefined;
  readonly date: Date;
  /** `Tue, 24 Nov 2026 12:00:00 +0000 (UTC)`. */
  readonly mailDate: string;
}

const RECIPIENT_FIELDS = ['to', 'resent-to', 'cc', 'resent-cc'];

/** Whole fields, binary, lines joined by LF. `seen`: names of the known fields, in lower case. */
export function missingFields(
  seen: ReadonlySet<string>,
  isResent: boolean,
  { facts, settings }: { readonly facts: MissingFacts; readonly settings: CleanupSettings },
): { readonly fields: readonly string[]; readonly warning?: string } {
  const prefix = isResent ? 'Resent-' : '';
  const fields = (
    [
      ['Message-Id', () => `<${messageId(facts, settings)}>`],
      ['Date', () => facts.mailDate],
      ['From', () => fromValue(facts, settings)],
    ] as const
  )
    .filter(([name]) => !seen.has(`${prefix}${name}`.toLowerCase()))
    .map(([name, value]) => foldField(`${prefix}${name}: ${value()}`));
  const { undisclosedRecipientsHeader: undisclosed } = settings;
  if (undisclosed === '' || RECIPIENT_FIELDS.some((name) => seen.has(name))) return { fields };
  if (fieldName(undisclosed) === undefined) {
    const warning = `bad undisclosed_recipients_header header text "${undisclosed}" -- need "headername: headervalue"`;
    return { fields, warning };
  }
  return { fields: [...fields, toBinary(undisclosed)] };
}

function messageId({ date, queueId }: MissingFacts, { myhostname, longQueueIds }: CleanupSettings): string {
  if (longQueueIds) return `${queueId}@${myhostname}`;
  return `${date.toISOString().replace(/\D/g, '').slice(0, 14)}.${queueId}@${myhostname}`;
}

function fromValue({ sender, fullName }: MissingFacts, { headerFromFormat }: CleanupSettings): string {
  if (sender === '') return 'MAILER-DAEMON';
  const address = toBinary(sender);
  const name = (fullName ?? '').replace(/\s+/g, ' ').trim();
  if (name === '') return address;
  return headerFromFormat === 'standard'
    ? `${formatPhrase(name)}\n<${address}>`
    : `${address}\n(${isPlain(name) ? name.replace(/[()\\]/g, '\\$&') : encodeWords(name)})`;
}

const isPlain = (name: string): boolean => /^[ -~]+$/.test(name);

function formatPhrase(name: string): string {
  if (/^[\w !#$%&'*+/=?^`{|}~-]+$/.test(name)) return name;
  return isPlain(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : encodeWords(name);
}

/** Octets of one encoded word's text: 75 characters in all (RFC 2047 §2). */
const WORD_OCTETS = 45;

// POSTFIX: 3.7 writes the octets as they are.
function encodeWords(name: string): string {
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
