// ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 §7.4.2) in the words of Dovecot 2.3: `NIL` for empty parameter lists,
// `text/plain` always with a charset, the message part's own size and lines, no space between parts.
//
// Walks the parts with a stack of its own: nesting of a message never becomes nesting of calls.

import type { Disposition, Envelope, EnvelopeAddress, MimePart, Parameter } from '@postcote/mime';
import { formatNstring, formatString } from './response.ts';

export function formatEnvelope(envelope: Envelope): string {
  return (
    `(${formatNstring(envelope.date)} ${formatNstring(envelope.subject)} ${formatAddresses(envelope.from)} ` +
    `${formatAddresses(envelope.sender)} ${formatAddresses(envelope.replyTo)} ${formatAddresses(envelope.to)} ` +
    `${formatAddresses(envelope.cc)} ${formatAddresses(envelope.bcc)} ${formatNstring(envelope.inReplyTo)} ` +
    `${formatNstring(envelope.messageId)})`
  );
}

function formatAddresses(addresses: readonly EnvelopeAddress[] | null): string {
  if (addresses === null || addresses.length === 0) return 'NIL';
  let out = '(';
  for (const { name, route, mailbox, host } of addresses) {
    out += `(${formatNstring(name)} ${formatNstring(route)} ${formatNstring(mailbox)} ${formatNstring(host)})`;
  }
  return `${out})`;
}

type Step = { readonly part: MimePart } | { readonly text: string };

/** `extended`: BODYSTRUCTURE rather than BODY. Includes the outer parentheses. */
export function formatBodyStructure(root: MimePart, extended: boolean): string {
  let out = '';
  const steps: Step[] = [{ part: root }];
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    if ('text' in step) {
      out += step.text;
      continue;
    }
    const { part } = step;
    if (part.kind === 'multipart') {
      out += '(';
      steps.push({ text: `${multipartTail(part, extended)})` });
      for (let at = part.children.length - 1; at >= 0; at--)
        steps.push({ part: part.children[at] as MimePart });
      // DOVECOT: a multipart without parts shows one empty text part, for the grammar wants at least one.
      if (part.children.length === 0) out += emptyPart(extended);
    } else if (part.kind === 'message') {
      out += `(${common(part)} ${formatEnvelope(part.envelope)} `;
      steps.push({ text: ` ${part.bodyLines}${extended ? extension(part) : ''})` }, { part: part.message });
    } else {
      const lines = /^text$/i.test(part.type) ? ` ${part.bodyLines}` : '';
      out += `(${common(part)}${lines}${extended ? extension(part) : ''})`;
    }
  }
  return out;
}

function emptyPart(extended: boolean): string {
  const basic = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0';
  return `${basic}${extended ? ' NIL NIL NIL NIL' : ''})`;
}

function multipartTail(part: MimePart, extended: boolean): string {
  const subtype = ` ${formatString(part.subtype)}`;
  if (!extended) return subtype;
  return `${subtype} ${formatParameters(part.parameters)} ${formatDisposition(part.disposition)} ${formatLanguage(part.language)} ${formatNstring(part.location)}`;
}

function common(part: MimePart): string {
  return (
    `${formatString(part.type)} ${formatString(part.subtype)} ${formatParameters(withCharset(part))} ` +
    `${formatNstring(part.id)} ${formatNstring(part.description)} ${formatString(part.encoding)} ` +
    `${part.bodyEnd - part.bodyStart}`
  );
}

// DOVECOT: a text part without a charset shows RFC 2046's default.
function withCharset(part: MimePart): readonly Parameter[] {
  if (!/^text$/i.test(part.type)) return part.parameters;
  if (part.parameters.some(([name]) => /^charset$/i.test(name))) return part.parameters;
  return [...part.parameters, ['charset', 'us-ascii']];
}

function extension(part: MimePart): string {
  return ` ${formatNstring(part.md5)} ${formatDisposition(part.disposition)} ${formatLanguage(part.language)} ${formatNstring(part.location)}`;
}

function formatParameters(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return 'NIL';
  return `(${parameters.map(([name, value]) => `${formatString(name)} ${formatString(value)}`).join(' ')})`;
}

function formatDisposition(disposition: Disposition | null): string {
  if (disposition === null) return 'NIL';
  return `(${formatString(disposition.type)} ${formatParameters(disposition.parameters)})`;
}

// DOVECOT: always a list.
function formatLanguage(language: readonly string[] | null): string {
  if (language === null || language.length === 0) return 'NIL';
  return `(${language.map(formatString).join(' ')})`;
}
