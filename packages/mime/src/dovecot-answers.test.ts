// Odd messages and what Dovecot 2.3.19 answered about each of them: ENVELOPE, BODYSTRUCTURE, RFC822.SIZE and the octets
// of every section. `testing/dovecot-answers.jsonl` holds one message a line, LF line ends, binary strings.

import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type Disposition,
  type Envelope,
  type EnvelopeAddress,
  headerLength,
  type MimePart,
  type Parameter,
  parseMessageStructure,
  selectHeaderFields,
} from './index.ts';

interface Answer {
  readonly name: string;
  readonly message: string;
  readonly envelope: unknown;
  readonly bodystructure: unknown;
  readonly size: number;
  readonly sections: Readonly<Record<string, string>>;
}

/** Where we differ on purpose, or where following an oddity further was not worth code. */
const KNOWN_DIFFERENCES = new Map([
  ['deep60', 'nesting is limited to 50 here, to 100 there'],
  ['addr2 78 "a\\| b" <c@d>', 'a backslash before a fold is dropped'],
  ['ct2 text/html;|\tx="a\\| b"', 'a backslash before a fold is dropped'],
  ['ct text/html; a**=x', 'RFC 2231 knows no double asterisk'],
]);
// RFC 3501 §6.4.5 wants the empty line "always"; Dovecot leaves it out where the header has none.
const NO_EMPTY_LINE = new Set(['empty', 'header only', 'header only no newline', 'rfc822 eof']);

const answers: Answer[] = fs
  .readFileSync(new URL('testing/dovecot-answers.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Answer);

const showParameters = (list: readonly Parameter[]): unknown => (list.length === 0 ? null : list.flat());
const showDisposition = (d: Disposition | null): unknown =>
  d === null ? null : [d.type, showParameters(d.parameters)];
const showAddresses = (list: readonly EnvelopeAddress[] | null): unknown =>
  list?.map((a) => [a.name, a.route, a.mailbox, a.host]) ?? null;

function showEnvelope(e: Envelope): unknown {
  const lists = [e.from, e.sender, e.replyTo, e.to, e.cc, e.bcc].map(showAddresses);
  return [e.date, e.subject, ...lists, e.inReplyTo, e.messageId];
}

function showPart(part: MimePart): unknown {
  const extension = [showDisposition(part.disposition), part.language, part.location];
  const { type, subtype } = part;
  const parameters = showParameters(part.parameters);
  if (part.kind === 'multipart') return [...part.children.map(showPart), subtype, parameters, ...extension];
  const size = part.bodyEnd - part.bodyStart;
  const basic = [type, subtype, parameters, part.id, part.description, part.encoding, size];
  if (part.kind === 'message') {
    basic.push(showEnvelope(part.envelope) as string, showPart(part.message) as string, part.bodyLines);
  } else if (/^text$/i.test(type)) {
    basic.push(part.bodyLines);
  }
  return [...basic, part.md5, ...extension];
}

/** The part `1.2.3` of RFC 3501 §6.4.5. */
function findPart(root: MimePart, path: string): MimePart | undefined {
  let part: MimePart | undefined = root;
  for (const [depth, digits] of path.split('.').entries()) {
    if (depth > 0 && part?.kind === 'message') part = part.message;
    if (part?.kind === 'multipart') part = part.children[Number(digits) - 1];
  }
  return part;
}

function section(message: Buffer, root: MimePart, name: string): Buffer | undefined {
  const header = message.subarray(0, headerLength(message));
  const fields = /^HEADER\.FIELDS(\.NOT)? \(SUBJECT FROM\)$/.exec(name);
  if (fields) return selectHeaderFields(header, ['Subject', 'From'], { not: fields[1] !== undefined });
  if (name === 'HEADER') return header;
  if (name === 'TEXT') return message.subarray(header.length);
  const [, path = '', what] = /^([\d.]*\d)(?:\.(\w+))?$/.exec(name) ?? [];
  const part = findPart(root, path);
  if (part === undefined) return undefined;
  if (what === undefined) return message.subarray(part.bodyStart, part.bodyEnd);
  if (what === 'MIME') return message.subarray(part.headerStart, part.bodyStart);
  if (part.kind !== 'message') return undefined;
  const inner = part.message;
  if (what === 'HEADER') return message.subarray(inner.headerStart, inner.bodyStart);
  return message.subarray(inner.bodyStart, inner.bodyEnd);
}

describe('what Dovecot answers', () => {
  it.each(answers)('$name', ({ name, message, envelope, bodystructure, size, sections }) => {
    const octets = Buffer.from(message.replace(/\r?\n/g, '\r\n'), 'latin1');
    const structure = parseMessageStructure(octets);
    const ours = {
      envelope: showEnvelope(structure.envelope),
      bodystructure: showPart(structure.root),
      size: structure.size,
    };
    if (KNOWN_DIFFERENCES.has(name)) return expect(ours).not.toEqual({ envelope, bodystructure, size });
    expect(ours).toEqual({ envelope, bodystructure, size });
    for (const [key, theirs] of Object.entries(sections)) {
      if (key.startsWith('HEADER.FIELDS.NOT') && NO_EMPTY_LINE.has(name)) continue;
      // IMAP literals cannot carry NUL; Dovecot sends 0x80 for it.
      const shown = section(octets, structure.root, key)?.toString('latin1').replaceAll('\0', '\x80');
      expect([key, shown]).toEqual([key, theirs]);
    }
  });
});
