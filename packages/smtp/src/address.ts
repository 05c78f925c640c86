// Paths of MAIL and RCPT (RFC 5321 §4.1.2, RFC 6531 §3.3), with what Postfix tolerates unless
// `strict_rfc821_envelopes` is set: missing or doubled angle brackets, spaces inside them, quoted pairs outside
// quotes, a bare local part.
//
//   Path       = "<" [ A-d-l ":" ] Mailbox ">"
//   Mailbox    = Local-part "@" ( Domain / address-literal )
//   Local-part = Dot-string / Quoted-string
//
// Pure, one pass, no recursion; never throws. A refused path is undefined. Source routes are dropped
// (RFC 5321 §3.3, appendix F.2); what remains is the mailbox every decision is about.

import { parseIpv4, parseIpv6 } from './networks.ts';
import type { EnvelopeMailbox } from './ports.ts';

export interface Path {
  /** Absent for the null path `<>`. */
  readonly mailbox?: EnvelopeMailbox;
  /** In the form of RFC 5321, quoted where needed; empty for the null path. */
  readonly address: string;
  /** Unquoted, as Postfix words it in replies and logs. */
  readonly display: string;
}

/** Octets of a local part and of a domain (RFC 5321 §4.5.3.1 asks for 64 and 255 at least). */
export const MAX_LOCAL_PART = 255;
export const MAX_DOMAIN = 255;
const MAX_LABEL = 63;

export const NULL_PATH: Path = { address: '', display: '' };

/** Parses the word after `FROM:` or `TO:`. */
export function parsePath(text: string, options: { readonly strict: boolean }): Path | undefined {
  const inner = withoutBrackets(text, options.strict);
  if (inner === undefined) return undefined;
  if (inner === '') return NULL_PATH;
  const mailbox = parseMailbox(withoutSourceRoute(inner));
  if (mailbox === undefined) return undefined;
  return {
    mailbox: normalised(mailbox),
    address: formatMailbox(normalised(mailbox)),
    display: displayMailbox(mailbox),
  };
}

/** POSTFIX: one trailing dot of a domain means nothing. */
function normalised(mailbox: EnvelopeMailbox): EnvelopeMailbox {
  return mailbox.domain?.endsWith('.') === true
    ? { ...mailbox, domain: mailbox.domain.slice(0, -1) }
    : mailbox;
}

function withoutBrackets(text: string, strict: boolean): string | undefined {
  if (strict) return text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : undefined;
  let start = 0;
  let end = text.length;
  while (text[start] === '<') start++;
  if (start > 0) {
    if (!text.endsWith('>')) return undefined;
    while (end > start && text[end - 1] === '>') end--;
  }
  return text.slice(start, end).trim();
}

/** `@a.example,@b.example:user@c.example` → `user@c.example`. */
function withoutSourceRoute(text: string): string {
  if (!text.startsWith('@')) return text;
  const colon = text.indexOf(':');
  return colon === -1 || text.slice(0, colon).includes('"') ? text : text.slice(colon + 1);
}

// Characters that stand for themselves nowhere outside quotes: specials of RFC 5321, without `.` and `@`.
const SPECIAL = new Set('()<>[]:;,"\\ '.split(''));
const isControl = (c: string): boolean => c < ' ' || c === '\u007f' || (c >= '\u0080' && c <= '\u009f');

/** Parses `local@domain` or a bare local part, quoted or not, without angle brackets. */
export function parseMailbox(text: string): EnvelopeMailbox | undefined {
  const local = readLocalPart(text);
  if (local === undefined || local.value === '' || Buffer.byteLength(local.value) > MAX_LOCAL_PART)
    return undefined;
  if (local.end === text.length) return { local: local.value };
  const domain = text.slice(local.end + 1);
  return isMailDomain(domain) ? { local: local.value, domain } : undefined;
}

/** Reads to the last `@` outside quotes; earlier ones are kept in the local part, for the relay decision to see. */
function readLocalPart(text: string): { value: string; end: number } | undefined {
  let value = '';
  let lastAt: { value: string; end: number } | undefined;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    if (isControl(c)) return undefined;
    if (c === '\\') {
      const next = text[++i];
      if (next === undefined || isControl(next)) return undefined;
      value += next;
    } else if (c === '"') quoted = !quoted;
    else if (quoted) value += c;
    else if (c === '[' && text[i - 1] === '@') break;
    else if (SPECIAL.has(c)) return undefined;
    else {
      if (c === '@') {
        if (text[i - 1] === '@') return undefined;
        lastAt = { value, end: i };
      }
      value += c;
    }
  }
  if (quoted) return undefined;
  return lastAt ?? { value, end: text.length };
}

/** A domain or an address literal. POSTFIX: an IPv4 address without brackets is refused, an underscore is not. */
export function isMailDomain(domain: string): boolean {
  if (domain.startsWith('[')) return isAddressLiteral(domain);
  return isHostname(domain.endsWith('.') ? domain.slice(0, -1) : domain);
}

/** RFC 5321 §4.1.3. */
export function isAddressLiteral(text: string): boolean {
  if (!text.startsWith('[') || !text.endsWith(']')) return false;
  const inner = text.slice(1, -1);
  if (/^ipv6:/i.test(inner)) return parseIpv6(inner.slice(5)) !== undefined;
  return parseIpv4(inner) !== undefined;
}

/** A host name as Postfix accepts it: letters, digits, `-`, `_`, or beyond ASCII; not all numeric like an address. */
export function isHostname(name: string): boolean {
  if (name === '' || Buffer.byteLength(name) > MAX_DOMAIN || /^[0-9.]+$/.test(name)) return false;
  for (const label of name.split('.')) {
    if (label === '' || Buffer.byteLength(label) > MAX_LABEL * 4) return false;
    if (label.startsWith('-') || label.endsWith('-')) return false;
    if (!/^[\w\-\u00a1-\u{10ffff}]+$/u.test(label)) return false;
    if (label.length > MAX_LABEL) return false;
  }
  return true;
}

const DOT_STRING = /^[\w!#$%&'*+\-/=?^`{|}~\u00a0-\u{10ffff}.]+$/u;

/** The form of RFC 5321, quoting the local part only where it must be. Inverse of `parseMailbox`. */
export function formatMailbox(mailbox: EnvelopeMailbox): string {
  const { local } = mailbox;
  const plain =
    DOT_STRING.test(local) && !local.startsWith('.') && !local.endsWith('.') && !local.includes('..');
  const written = plain ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
  return mailbox.domain === undefined ? written : `${written}@${mailbox.domain}`;
}

function displayMailbox(mailbox: EnvelopeMailbox): string {
  return mailbox.domain === undefined ? mailbox.local : `${mailbox.local}@${mailbox.domain}`;
}
